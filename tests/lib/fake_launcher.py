#!/usr/bin/env python3
"""A launcher that answers from a script, for tests of the command line.

    fake_launcher.py SCRIPT RUN_DIR [REQUESTS]

listens on RUN_DIR/launcher.sock, prints "ready", and writes every request, one JSON object a line, to
REQUESTS. SCRIPT is a JSON object: the answers by op, each a list of cases

    {"if": {"agent": "main"}, "times": 1, "do": [STEP, ...]}

of which the first one whose "if" is part of the request, and that isn't used up, is taken. Steps:

    {"row": {...}}   {"event": {...}}   {"ok": {...}}   {"end": true}   {"end": true, "more": true}
    {"error": "code", "message": "..."}
    {"drop": true}      close this connection
    {"gone": MS}        close all connections and the socket, and be back after MS
    {"wait": NAME}      go on when another request's {"signal": NAME} was reached
    {"signal": NAME}
    {"silence": true}   never answer
    {"raw": "text"}     a line as it is
"""
import json
import os
import socket
import sys
import threading
import time


class Fake:
    def __init__(self, script, run_dir, log):
        with open(script, encoding="utf-8") as file:
            self.script = json.load(file)
        self.path = os.path.join(run_dir, "launcher.sock")
        self.log = open(log, "w", encoding="utf-8") if log else None
        self.lock = threading.Lock()
        self.signals = {}
        self.connections = set()
        self.listener = None
        self.back_at = 0

    def listen(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(16)

    def serve(self):
        self.listen()
        print("ready", flush=True)
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                time.sleep(max(0, self.back_at - time.monotonic()))
                self.listen()
                continue
            with self.lock:
                self.connections.add(connection)
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        try:
            for line in connection.makefile("r", encoding="utf-8"):
                request = json.loads(line)
                with self.lock:
                    if self.log:
                        self.log.write(json.dumps(request, sort_keys=True) + "\n")
                        self.log.flush()
                threading.Thread(
                    target=self.answer, args=(connection, request), daemon=True
                ).start()
        except (OSError, ValueError):
            pass
        with self.lock:
            self.connections.discard(connection)
        connection.close()

    def case(self, request):
        with self.lock:
            for case in self.script.get(request["op"], []):
                wanted = case.get("if", {})
                if any(request.get(key) != value for key, value in wanted.items()):
                    continue
                if "times" in case:
                    if case["times"] == 0:
                        continue
                    case["times"] -= 1
                return case["do"]
        return [{"error": "usage", "message": "the script has no answer to " + request["op"]}]

    def signal(self, name):
        with self.lock:
            return self.signals.setdefault(name, threading.Event())

    def gone(self, ms):
        self.back_at = time.monotonic() + ms / 1000
        os.unlink(self.path)
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            for connection in self.connections:
                connection.shutdown(socket.SHUT_RDWR)
            self.connections.clear()

    def answer(self, connection, request):
        try:
            for step in self.case(request):
                if "drop" in step:
                    connection.shutdown(socket.SHUT_RDWR)
                    return
                if "silence" in step:
                    return
                if "gone" in step:
                    self.gone(step["gone"])
                    return
                if "wait" in step:
                    self.signal(step["wait"]).wait()
                elif "signal" in step:
                    self.signal(step["signal"]).set()
                else:
                    self.send(connection, request, step)
        except OSError:
            pass

    def send(self, connection, request, step):
        if "raw" in step:
            connection.sendall((step["raw"] + "\n").encode())
            return
        line = {"req": request.get("req")}
        if "row" in step or "event" in step:
            line.update(step)
        elif "end" in step:
            line.update(step, ok=True)
        elif "error" in step:
            line.update(step, ok=False)
        else:
            line.update(step["ok"], ok=True)
        connection.sendall((json.dumps(line) + "\n").encode())


if __name__ == "__main__":
    Fake(sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None).serve()

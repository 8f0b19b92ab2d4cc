"""The scripted model endpoint, in a container whose network an appliance shares."""

import json
import socket
import subprocess
import threading

from .container import Container
from .engine import LABEL, REPO, SCRIPT, selinux_flags
from .polling import wait_for

HOST = "127.0.0.1"
PROGRAM = "/berth-tests/endpoint.py"
LOG = "/tmp/requests.jsonl"


class Endpoint(Container):
    """tests/lib/endpoint.py, running. The container only holds the network and sleeps, so that the endpoint
    can be stopped and started while an appliance is using it."""

    def __init__(self, engine, image, name, owner):
        super().__init__(engine, name)
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self.pid = None
        self._relay, self._lock = None, threading.Lock()
        engine("run", "-d", "--name", name, "--label", f"{LABEL}={owner}", *selinux_flags(),
               "-v", f"{REPO}/tests/lib:/berth-tests:ro", image, "sleep", "infinity")
        self.start()

    def start(self):
        self.engine("exec", "-d", self.name, "python3", "-B", PROGRAM, "--port", self.port, "--log", LOG)
        self.pid = wait_for(lambda: self.control("GET", "health", ok=False).get("pid"), 20, "the endpoint answers")

    def stop(self):
        """Kills it: connections are reset, then refused."""
        self.sh('kill -9 "$1"', self.pid)
        wait_for(lambda: "error" in self.control("GET", "health", ok=False), 10, "the endpoint is gone")

    def restart(self):
        self.stop()
        self.start()

    def control(self, method, path, body=None, ok=True):
        """Asks its control interface; see endpoint.py."""
        with self._lock:
            if self._relay is None or self._relay.poll() is not None:
                argv = ["exec", "-i", self.name, "python3", "-B", PROGRAM, "--control", "--port", str(self.port)]
                self._relay = self.engine.popen(["sh", str(SCRIPT), *argv], stdin=subprocess.PIPE,
                                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            self._relay.stdin.write(f"{method} {path} {'' if body is None else json.dumps(body)}\n")
            self._relay.stdin.flush()
            line = self._relay.stdout.readline()
        answer = json.loads(line) if line else {"error": "no answer: the container is gone"}
        assert not ok or "error" not in answer, f"endpoint: {method} {path}: {answer['error']}"
        return answer

    def requests(self, since=0, wait_ms=0, kind="main"):
        """The requests after number `since`; waits for the first. kind: main, agent, aux ..., or None for all."""
        kind = f"&kind={kind}" if kind else ""
        return self.control("GET", f"requests?since={since}&wait={wait_ms}{kind}")

    def prompts(self, agents=False):
        """Each prompt once for each time it was delivered, in order."""
        return self.control("GET", "prompts" + ("?agents=1" if agents else ""))

    def messages(self):
        """The berth messages in all prompts, in order: {id, about, text, request}. One that is there twice was
        delivered twice."""
        return [{**message, "request": prompt["request"]} for prompt in self.prompts() for message in prompt["messages"]]

    def script(self, *scripts, times=1):
        """The next answers, whatever the prompts say; times=0: until reset."""
        self.control("POST", "script", [{"script": script, "times": times} for script in scripts])

    def reset(self):
        self.control("POST", "reset", {})

    def log(self):
        return self.exec(["cat", LOG], check=False).stdout

    def remove(self):
        if self._relay:
            self._relay.stdin.close()
            self._relay.stdout.close()
            self._relay.wait(10)
        super().remove()


def free_port():
    """In a network of its own any port is free; where a machine has only the host's, this one is."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]

"""A shell in a container that runs one command after the other, for the engine takes 0.2 s to start each."""

import base64
import contextlib
import os
import secrets
import selectors
import shlex
import signal
import subprocess
import time

from .engine import SCRIPT, CommandFailed, Result

PIECE = 1 << 16


class Shell:
    """What it runs runs as if the engine had started it: as that user, in the container's environment, without a
    terminal, and with nothing on its standard input but what is given."""

    def __init__(self, engine, name, user=None):
        options = ["--user", str(user)] if user is not None else []
        self.process = engine.popen(["sh", str(SCRIPT), "exec", "-i", *options, name, "sh"], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.pid = None                    # in the container, once it has run something

    def alive(self):
        return self.process.poll() is None

    def run(self, argv, input=None, timeout=60):
        """A `Result` of bytes. Where the container ends, or is not there, the shell ends too, and its status is the
        engine's."""
        begun, mark = time.monotonic(), b"\n" + secrets.token_hex(16).encode() + b" "
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(script(argv, input, mark))
            self.process.stdin.flush()
        out, err = self._read(mark, begun + timeout, argv)
        out, marked, ended = out.rpartition(mark)
        if marked:
            status, self.pid = map(int, ended.split())
            err = err.rpartition(mark)[0]
        else:
            out, status = ended, self.close() or 255
        return Result(list(map(str, argv)), status, out, err, time.monotonic() - begun)

    def _read(self, mark, deadline, argv):
        """Both outputs, each until its line with the mark, or its end."""
        found = {self.process.stdout: bytearray(), self.process.stderr: bytearray()}
        with selectors.DefaultSelector() as selector:
            for file in found:
                selector.register(file, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(max(0, deadline - time.monotonic()))
                if not ready:
                    self.close(kill=True)
                    out, err = map(bytes, found.values())
                    raise CommandFailed(Result(list(map(str, argv)), None, out, err, 0), "not done in time")
                for key, _ in ready:
                    piece, seen = os.read(key.fd, PIECE), found[key.fileobj]
                    seen += piece
                    if not piece or seen.endswith(b"\n") and mark in seen[-100:]:
                        selector.unregister(key.fileobj)
        return map(bytes, found.values())

    def close(self, kill=False):
        """Ends it; returns the status with which it ended."""
        if kill:
            os.killpg(self.process.pid, signal.SIGKILL)
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()
        self.process.stderr.close()
        return self.process.wait(20)


def script(argv, input, mark):
    """What a shell reads to run a command (by env, or it would run what it has built in), and to tell when it ended."""
    end, command = mark.decode().strip(), "env " + shlex.join(map(str, argv))
    if input is None:
        lines = f"{command} < /dev/null\n"
    else:
        data = input if isinstance(input, bytes) else input.encode()
        lines = f"base64 -d << '{end}' | {command}\n{base64.encodebytes(data).decode()}{end}\n"
    return f"{lines}printf '\\n{end} %s\\n' \"$? $$\"; printf '\\n{end} \\n' >&2\n".encode()

"""Somebody who looks at an agent by `berth attach`, and types."""

import fcntl
import os
import pty
import struct
import termios
import threading
import time

from .engine import SCRIPT, Engine
from .polling import wait_for

LEAVE = b"\x02d"          # Ctrl-b d


class Person:
    """Attached when made; `with Person(appliance, "demo") as person:` leaves at the end. What tmux tells of a
    person's keyboard it tells of these keys, unlike of send-keys."""

    def __init__(self, appliance, agent, *options):
        self.appliance, self.seen = appliance, b""
        before = self.clients()
        self.terminal, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        self.process = Engine.popen(["sh", str(SCRIPT), "exec", "-it", "-e", "TERM=xterm-256color", appliance.name,
                                     "berth", "attach", *options, agent], stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        wait_for(lambda: len(self.clients()) > len(before), 20, f"somebody is attached to {agent}",
                 lambda: self.seen.decode(errors="replace"))

    def clients(self):
        return [line for line in self.appliance.tmux("list-clients", "-F", "#{client_control_mode} #{client_name}")
                .splitlines() if line.startswith("0 ")]

    def _read(self):
        try:
            while data := os.read(self.terminal, 65536):
                self.seen += data
        except OSError:          # the other end was closed
            pass

    def type(self, text):
        os.write(self.terminal, text if isinstance(text, bytes) else text.encode())

    def type_slowly(self, text, pause=0.04):
        """Key by key, as hands do."""
        for char in text:
            self.type(char)
            time.sleep(pause)

    def leave(self):
        if self.process.poll() is None:
            self.type(LEAVE)
            self.process.wait(20)
        self.reader.join(20)
        os.close(self.terminal)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.leave()

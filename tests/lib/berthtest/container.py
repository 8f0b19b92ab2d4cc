"""One container, and what runs in it."""

import re
import subprocess
import time
from dataclasses import dataclass

from .engine import SCRIPT, CommandFailed


@dataclass(frozen=True)
class Process:
    pid: int
    ppid: int
    uid: int          # effective
    comm: str
    args: tuple

    def __str__(self):
        return f"{self.pid:>6} {self.ppid:>6} {self.uid:>6}  {self.comm:<15} {' '.join(self.args)}"


class Container:
    def __init__(self, engine, name):
        self.engine, self.name = engine, name
        self.journal = []          # what was run in it: (when, seconds, status, argv)

    def exec(self, argv, user=None, input=None, env=None, cwd=None, check=True, timeout=60, text=True):
        """Runs a command in the container; a `CommandFailed` if it fails, unless check=False."""
        options = ["-i"] if input is not None else []
        options += ["--user", str(user)] if user is not None else []
        options += ["--workdir", cwd] if cwd else []
        for name, value in (env or {}).items():
            options += ["-e", f"{name}={value}"]
        begun, status = time.time(), "?"
        try:
            result = self.engine("exec", *options, self.name, *argv, input=input, timeout=timeout, check=check, text=text)
            status = result.status
            return result
        except CommandFailed as error:
            status = error.why
            raise
        finally:
            self.journal.append((begun, time.time() - begun, status, argv))

    def background(self, script, *arguments, user=None):
        """Starts a shell script in it and doesn't wait: a Popen, with text pipes for its outputs."""
        options = ["--user", str(user)] if user is not None else []
        return self.engine.popen(["sh", str(SCRIPT), "exec", *options, self.name, "sh", "-c", script, "sh",
                                  *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)

    def sh(self, script, *arguments, **options):
        """Runs a shell script; its arguments are $1, $2 ..."""
        return self.exec(["sh", "-c", script, "sh", *map(str, arguments)], **options)

    def inspect(self, template):
        return self.engine("container", "inspect", "--format", template, self.name).text

    def running(self):
        return self.inspect("{{.State.Running}}") == "true"

    def logs(self):
        """What it wrote to its standard output and error."""
        result = self.engine("logs", self.name, check=False)
        return result.stdout + result.stderr

    def pids(self):
        """The processes in it (without the one that looks), as `Process`."""
        found = self.sh("exec head -v -c 65536 /proc/[0-9]*/status /proc/[0-9]*/cmdline", check=False, text=False)
        return processes(found.stdout.decode(errors="replace"))

    def find(self, pattern):
        """The processes whose name or command line matches."""
        return [p for p in self.pids() if re.search(pattern, p.comm) or re.search(pattern, " ".join(p.args))]

    def kill9(self, pattern):
        """Kills the processes whose name or command line matches, at once; there must be one. Returns them."""
        victims = self.find(pattern)
        assert victims, f"{self.name}: no process matches {pattern!r}"
        self.sh('kill -9 "$@"', *(p.pid for p in victims), user=0)
        return victims

    def remove(self):
        # -t doesn't exist in Docker's rm, and a kill is what -f means there
        self.engine("kill", self.name, check=False)
        self.engine("rm", "-f", "-v", self.name, check=False)


def processes(listing):
    """Reads `head -v /proc/*/status /proc/*/cmdline`. One that ended in between is left out."""
    status, args = {}, {}
    for pid, file, text in re.findall(r"^==> /proc/(\d+)/(\w+) <==\n(.*?)(?=\n*^==> /proc/|\Z)", listing, re.S | re.M):
        if file == "cmdline":
            text = text.rstrip("\n").rstrip("\0")
            args[pid] = tuple(text.split("\0")) if text else ()
        else:
            status[pid] = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    return [Process(int(pid), int(s["PPid"]), int(s["Uid"].split()[1]), s["Name"], args.get(pid, ()))
            for pid, s in status.items() if "Uid" in s and not (s["Name"] == "head" and "-v" in args.get(pid, ()))]

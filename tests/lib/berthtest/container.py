"""One container, and what runs in it."""

import re
import subprocess
import time
from collections import defaultdict
from dataclasses import dataclass

from .engine import SCRIPT, CommandFailed
from .shell import Shell


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
        self.journal = []                      # what was run in it: (when, seconds, status, argv)
        self._shells = []                      # that run it
        self._idle = defaultdict(list)         # by user: those that have nothing to do

    def exec(self, argv, user=None, input=None, env=None, check=True, timeout=60, text=True):
        """Runs a command in the container; a `CommandFailed` if it fails, unless check=False."""
        begun, status = time.time(), "?"
        try:
            ran = self._run([*(f"{name}={value}" for name, value in (env or {}).items()), *argv], user, input, timeout)
            status = ran.status
        except CommandFailed as error:
            status = error.why
            raise
        finally:
            self.journal.append((begun, time.time() - begun, status, argv))
        if text:
            ran.stdout, ran.stderr = ran.stdout.decode(errors="replace"), ran.stderr.decode(errors="replace")
        if check and status != 0:
            raise CommandFailed(ran)
        return ran

    def _run(self, argv, user, input, timeout):
        idle = self._idle[user]
        shell = idle.pop() if idle else None
        if shell is None or not shell.alive():
            shell = Shell(self.engine, self.name, user)
            self._shells.append(shell)
        ran = shell.run(argv, input, timeout)
        if shell.alive():
            idle.append(shell)
        return ran

    def hang_up(self):
        """Ends its shells; the next command starts another."""
        self._idle.clear()
        while self._shells:
            self._shells.pop().close()

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
        """The processes in it (without those that look), as `Process`."""
        found = self.sh("exec head -v -c 65536 /proc/[0-9]*/status /proc/[0-9]*/cmdline", check=False, text=False)
        ours = {shell.pid for shell in self._shells}
        return [p for p in processes(found.stdout.decode(errors="replace")) if p.pid not in ours]

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
        self.hang_up()
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

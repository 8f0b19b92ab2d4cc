"""The container engine, by scripts/engine.sh, which knows what this machine needs."""

import os
import shlex
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parents[3]
SCRIPT = REPO / "scripts" / "engine.sh"
LABEL = "berth.test"       # on all that tests make; its value is the pid of the pytest that made it


@dataclass
class Result:
    """A command that has ended. Output is text, or bytes where that was asked for."""
    argv: list
    status: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def text(self):
        return self.stdout.strip()


class CommandFailed(Exception):
    def __init__(self, result, why=None):
        super().__init__(result, why)
        self.result, self.why = result, why or f"exit status {result.status}"

    def __str__(self):
        def tail(output):
            output = output if isinstance(output, str) else output.decode(errors="replace")
            return "".join(f"\n    | {line}" for line in output.strip().splitlines()[-15:])
        return f"{shlex.join(self.result.argv)}: {self.why}{tail(self.result.stdout)}{tail(self.result.stderr)}"


class Engine:
    """Runs the engine: `engine("run", "--rm", image, "true")`. BERTH_ENGINE takes podman or docker."""

    def __call__(self, *args, input=None, timeout=120, check=True, text=True):
        argv = ["sh", str(SCRIPT), *map(str, args)]
        begun = time.monotonic()
        with self.popen(argv, stdin=subprocess.PIPE if input is not None else subprocess.DEVNULL,
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=text) as process:
            try:
                out, err = process.communicate(input, timeout)
                why = None
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                out, err = process.communicate()
                why = f"not done after {timeout} s"
        result = Result(list(map(str, args)), process.returncode, out, err, time.monotonic() - begun)
        if why or check and result.status != 0:
            raise CommandFailed(result, why)
        return result

    @staticmethod
    def popen(argv, **options):
        errors = {"errors": "replace"} if options.get("text") else {}
        return subprocess.Popen(argv, start_new_session=True, **errors, **options)

    def remove_leftovers(self):
        """What a pytest left that was killed: containers and volumes whose maker is gone."""
        def orphans(kind):
            listed = self(kind, "ls", *(["-a"] if kind == "container" else []), "--filter", f"label={LABEL}",
                          "--format", "{{.%s}}" % ("Names" if kind == "container" else "Name")).stdout.split()
            return [name for name in listed if not alive(name)]
        for name in sorted(orphans("container"), key=lambda name: name.endswith("-model")):
            self("rm", "-f", name, check=False)       # endpoints last: others share their network
        for name in orphans("volume"):
            self("volume", "rm", "-f", name, check=False)


def alive(name):
    """Whether the pytest is alive that made a container: berth-test-<pid>-..."""
    pid = name.split("-")[2] if name.count("-") >= 2 else ""
    return not pid.isdigit() or Path(f"/proc/{pid}").exists()


def selinux_flags():
    """An SELinux host would hide a folder of ours from a container."""
    enforcing = shutil.which("getenforce") and subprocess.run(["getenforce"], capture_output=True).stdout.strip()
    return ["--security-opt", "label=disable"] if enforcing == b"Enforcing" else []

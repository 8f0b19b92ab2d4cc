#!/usr/bin/env python3
"""Golden tests of the berth command.

    run.py BERTH [NAME...]        BERTH is the program, linked with a clock that stands still

Each NAME.cmd is a shell script in which `berth` is that program, talking to a fake launcher
(tests/lib/fake_launcher.py). Its output, that of standard error after it, and the exit code of each
`berth` it runs must be NAME.out. Lines at its beginning say what it needs:

    #launcher FILE.json   the answers (default: default.json; none: nobody listens)
    #tty                  `berth` gets a terminal of 100 columns, not pipes
    #columns N            width (default 100)
    #env NAME=VALUE
    #show requests        what the launcher was asked is printed too

ULIDs that are new in a run are printed as <new-1>, <new-2> ... BERTH_UPDATE=1 writes NAME.out anew, for
a person to read in the diff.
"""
import difflib
import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time

HERE = os.path.dirname(os.path.abspath(__file__))
LIB = os.path.join(HERE, "..", "..", "lib")
NOW = 1763640000000  # 2025-11-20 12:00:00 UTC, as tests/lib/now_fixed.c has it
TIMEOUT = 30

# In the scripts: runs the program, and says how it ended.
PRELUDE = """
berth() {
	"$BERTH_PROGRAM" "$@"
	echo "[exit $?]"
}
cd "$WORK"
"""


def header(text):
    options = {"launcher": "default.json", "env": {}, "columns": "100"}
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        word, _, rest = line[1:].partition(" ")
        if word == "env":
            name, _, value = rest.partition("=")
            options["env"][name] = value
        elif word in ("launcher", "columns", "tty", "show"):
            options[word] = rest or True
    return options


def run_pipes(argv, env):
    done = subprocess.run(
        argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT, check=False
    )
    out = done.stdout.decode("utf-8", "backslashreplace")
    err = done.stderr.decode("utf-8", "backslashreplace")
    return out + ("--- stderr\n" + err if err else "")


def run_tty(argv, env, columns):
    pid, fd = pty.fork()
    if pid == 0:
        os.execvpe(argv[0], argv, env)
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    text = b""
    until = time.monotonic() + TIMEOUT
    while time.monotonic() < until and select.select([fd], [], [], TIMEOUT)[0]:
        try:
            piece = os.read(fd, 65536)
        except OSError:
            break
        if not piece:
            break
        text += piece
    os.close(fd)  # a hang-up, where it hasn't ended
    os.waitpid(pid, 0)
    text = text.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    return text.replace("\x1b", "<ESC>").replace("\r", "<CR>")


def normalise(text, known):
    fresh = {}

    def name(match):
        if match.group(0) in known:
            return match.group(0)
        return fresh.setdefault(match.group(0), f"<new-{len(fresh) + 1}>")

    text = re.sub(r"view-[0-9]+", "view-PID", text)
    return re.sub(r"\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b", name, text)


class Launcher:
    def __init__(self, script, run_dir, requests):
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(LIB, "fake_launcher.py"), script, run_dir, requests],
            stdout=subprocess.PIPE,
        )
        self.process.stdout.readline()

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def environment(options, program, work):
    env = {
        "PATH": os.path.join(work, "bin") + ":" + os.environ["PATH"],
        "BERTH_PROGRAM": program,
        "BERTH_RUN_DIR": os.path.join(work, "run"),
        "BERTH_SCAN_DIR": os.path.join(work, "s6"),
        "BERTH_CONFIG_FILE": os.path.join(work, "berth.toml"),
        "GOLDEN": HERE,
        "WORK": work,
        "HOME": work,
        "container": "podman",
        "BERTH_NAME": "berth",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "TERM": "xterm-256color",
        "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", ""),
    }
    if os.environ.get("BERTH_UPDATE"):
        env["BERTH_UPDATE"] = "1"
    if "tty" not in options:
        env["COLUMNS"] = options["columns"]
    env.update(options["env"])
    return env


def run(path, program):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    options = header(text)
    work = tempfile.mkdtemp(prefix="berth-golden.")
    os.chmod(work, 0o755)
    os.mkdir(os.path.join(work, "run"))
    # Some are run as users who may not enter the folder in which somebody keeps this checkout.
    shutil.copytree(os.path.join(HERE, "bin"), os.path.join(work, "bin"))
    script = os.path.join(HERE, options["launcher"])
    requests = os.path.join(work, "requests")
    launcher, known = None, text
    if options["launcher"] != "none":
        with open(script, encoding="utf-8") as file:
            known += file.read()
        launcher = Launcher(script, os.path.join(work, "run"), requests)
    try:
        argv = ["sh", "-c", PRELUDE + text]
        env = environment(options, program, work)
        if "tty" in options:
            out = run_tty(argv, env, int(options["columns"]))
        else:
            out = run_pipes(argv, env)
    finally:
        if launcher:
            launcher.stop()
    if options.get("show") == "requests":
        with open(requests, encoding="utf-8") as file:
            out += "--- requests\n" + file.read()
    shutil.rmtree(work)
    return normalise(out.replace(work, "WORK").replace(HERE, "GOLDEN"), known)


def check(name, program):
    out = run(os.path.join(HERE, name + ".cmd"), program)
    expected_path = os.path.join(HERE, name + ".out")
    if os.environ.get("BERTH_UPDATE"):
        with open(expected_path, "w", encoding="utf-8") as file:
            file.write(out)
    expected = ""
    if os.path.exists(expected_path):
        with open(expected_path, encoding="utf-8") as file:
            expected = file.read()
    if out == expected:
        return True
    sys.stdout.writelines(
        difflib.unified_diff(
            expected.splitlines(True), out.splitlines(True), name + ".out", name + " now"
        )
    )
    return False


def main():
    program = os.path.abspath(sys.argv[1])
    names = sys.argv[2:] or sorted(
        name[:-4] for name in os.listdir(HERE) if name.endswith(".cmd")
    )
    failed = [name for name in names if not check(name, program)]
    for name in failed:
        print(f"golden: cli/{name} differs")
    if failed or not names:
        print(f"cli: {len(failed)} of {len(names)} differ")
        return 1
    print("cli: all as expected")
    return 0


if __name__ == "__main__":
    sys.exit(main())

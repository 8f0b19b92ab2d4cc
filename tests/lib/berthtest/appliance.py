"""An appliance: the built image, running, with a volume and a projects folder of its own."""

import base64
import contextlib
import io
import json as jsonlib
import os
import shlex
import shutil
import subprocess
import tarfile
import time
from collections import namedtuple
from pathlib import Path

from .container import Container
from .engine import LABEL, REPO, CommandFailed, selinux_flags
from .polling import TimedOut, wait_for

BOOT_S = 60
STOP_S = 60
TMUX = ["tmux", "-S", "/run/berth/tmux/tmux-901/default"]
API_KEY = "sk-scripted-0123456789abcdefghij"

DEMO_TOML = '[agents.demo]\ndriver = "demo"\n'
# Claude Code, which asks nobody and talks to the scripted endpoint
CLAUDE_TOML = """\
[agents.claude]
driver = "claude"
permissions = "dangerous"
i_accept_the_danger = true
secrets.ANTHROPIC_API_KEY = "api-key"
env.ANTHROPIC_BASE_URL = "{url}"
env.CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC = "1"
env.CLAUDE_CODE_MAX_RETRIES = "2"
"""
# A shell as a "command" that ends when it is asked to, which one that is interactive doesn't
SHELL_TOML = """\
[agents.{}]
driver = "command"
command = ["sh", "-c", 'trap exit TERM; while printf "$ "; read -r line; do eval "$line"; done']
silence = "500ms"
"""

Stopped = namedtuple("Stopped", "seconds status")


class Appliance(Container):
    """Created and not yet started; `start()` and `wait_ready()` do that.

    toml      the text of berth.toml; None: the image's own default
    files     more files below /data, by name: text or bytes (secrets/NAME for a secret)
    env       environment variables of the container
    flags     more flags for the engine's run
    endpoint  an Endpoint whose network it shares
    hardened  as compose/hardened.yml: read-only root, the few capabilities that it names
    """

    def __init__(self, engine, image, name, owner, projects, toml=None, files=None, env=None, flags=(), endpoint=None,
                 hardened=False):
        super().__init__(engine, name)
        self.image, self.volume, self.projects, self.endpoint = image, f"{name}-data", Path(projects), endpoint
        self.spoiled = False               # a test failed with it
        self.projects.mkdir(parents=True, exist_ok=True)
        self.projects.chmod(0o777)         # the agents' user isn't ours
        engine("volume", "create", "--label", f"{LABEL}={owner}", self.volume)
        network = ["--network", f"container:{endpoint.name}"] if endpoint else ["--hostname", "berth-test"]
        engine("create", "--name", name, "--label", f"{LABEL}={owner}", *network, "-v", f"{self.volume}:/data",
               "-v", f"{self.projects}:/projects", "--tmpfs", "/run:exec,mode=755", "--stop-timeout", STOP_S,
               *(f"-e{key}={value}" for key, value in (env or {}).items()), *selinux_flags(),
               *(hardened_flags() if hardened else ()), *shlex.split(os.environ.get("BERTH_RUN_FLAGS", "")), *flags, image)
        files = {**({"berth.toml": toml} if toml is not None else {}), **(files or {})}
        if files:
            engine("cp", "-", f"{name}:/data", input=archive(files), text=False)

    # -- its life

    def start(self):
        self.engine("start", self.name)

    def stop(self, timeout=STOP_S):
        """Stops it as an engine does; says how long that took and what its exit status was."""
        self.hang_up()
        begun = time.monotonic()
        self.engine("stop", "-t", timeout, self.name, timeout=timeout + 30)
        return Stopped(time.monotonic() - begun, int(self.inspect("{{.State.ExitCode}}")))

    def restart(self):
        """Stops it, starts it and waits until it is ready. A stop that had to be a kill is a failure."""
        stopped = self.stop()
        assert stopped.status == 0, f"{self.name} didn't stop by itself: {stopped}"
        self.start()
        self.wait_ready()
        return stopped

    def power_cut(self):
        """Kills all of it at once. The volume stays; `start()` is the next power-up."""
        self.hang_up()
        self.engine("kill", "--signal", "KILL", self.name)
        self.wait(lambda: not self.running(), 20, "the container is dead")

    def wait_ready(self, *agents, timeout=BOOT_S):
        """Until berth says that all is well, and the agents (default: all that are to run) are ready."""
        def ready():
            if self.status_of("status", "--quiet") != 0:
                assert self.running(), f"{self.name} ended with status {self.inspect('{{.State.ExitCode}}')}:\n{self.logs()[-3000:]}"
                return False
            rows = {row["name"]: row for row in self.agents()}
            wanted = agents or [name for name, row in rows.items() if row["want"] == "run"]
            return all(name in rows and rows[name]["state"] == "ready" for name in wanted)
        self.wait(ready, timeout, f"ready: {', '.join(agents) or 'the appliance and its agents'}")

    # -- the berth command

    def berth(self, *args, json=True, user=None, input=None, check=True, timeout=60):
        """Runs `berth ARGS --json` and returns what that says, parsed; json=False: the text."""
        argv = ["berth", args[0], *(["--json"] if json else []), *map(str, args[1:])]
        result = self.exec(argv, user=user, input=input, check=check, timeout=timeout)
        if not json:
            return result.stdout
        try:
            return jsonlib.loads(result.stdout or result.stderr)
        except ValueError as error:
            raise CommandFailed(result, f"not JSON: {error}") from None

    def agents(self):
        return self.berth("ls")

    def agent(self, name):
        return next(row for row in self.agents() if row["name"] == name)

    def wait_state(self, name, *states, timeout=30):
        """Until the agent is in one of the states; returns its row."""
        def row():
            found = self.agent(name)
            return found if found["state"] in states else None
        return self.wait(row, timeout, f"{name} is {' or '.join(states)}")

    def send(self, text, agent, *options):
        """Sends a message; returns its id."""
        return self.berth("send", *options, "--to", agent, "-", input=text)["id"]

    def send_all(self, texts, agent, *options):
        """Sends many, texts or bytes, in order and as fast as it can, each with these options; returns their ids."""
        lines = [base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode() for text in texts]
        said = self.sh('while read -r text; do printf %s "$text" | base64 -d | berth send "$@" - || exit; done',
                       *options, "--to", agent, input="".join(line + "\n" for line in lines), timeout=300).stdout
        sent = [line.split()[0] for line in said.splitlines()]
        assert len(sent) == len(texts), f"{len(texts)} messages were sent, {len(sent)} ids came"
        return sent

    def ask(self, text, agent, timeout=60):
        """Sends a message and waits for its end; returns its row."""
        sent = self.berth("send", "--wait", "--timeout", f"{timeout}s", "--to", agent, "-", input=text, check=False,
                          timeout=timeout + 30)
        return sent.get("message", sent)

    def message(self, name):
        return self.berth("show", name)

    def wait_message(self, name, *states, timeout=60):
        def row():
            found = self.message(name)
            return found if found["state"] in states else None
        return self.wait(row, timeout, f"message {name} is {' or '.join(states)}")

    def wait_written(self, text, timeout=10):
        """Until a transcript of the default user's Claude Code has it. The CLI writes one a little after it told its
        hooks: what is killed in between isn't in the conversation that goes on."""
        self.wait(lambda: self.sh('grep -rqsF "$1" ~agent/.claude/projects', text), timeout, f"a transcript has {text!r}")

    def status_of(self, *args, **options):
        """The exit status of a berth command."""
        return self.exec(["berth", *map(str, args)], check=False, **options).status

    def events(self, entity, name=None, number=500):
        """Of the last events, those of an agent, a message ... (one, by its id), oldest first."""
        return [event for event in self.berth("events", "-n", number)
                if event["entity"] == entity and name in (None, event["id"])]

    # -- an agent's terminal

    def tmux(self, *args, input=None, check=True):
        return self.exec([*TMUX, *args], input=input, check=check).stdout

    def screen(self, agent):
        """What an agent's pane shows."""
        return self.pane(self.agent(agent)["pane"])

    def type(self, agent, *keys):
        """Keys, as tmux's send-keys names them, as if typed by a person."""
        self.tmux("send-keys", "-t", self.agent(agent)["pane"], *keys)

    def pane(self, pane):
        """What it shows."""
        return self.tmux("capture-pane", "-p", "-t", pane)

    def answer_dialog(self, pane, text, key):
        """As a person does, who presses the key again if nothing happens: a dialog that is new loses keys."""
        deadline = time.monotonic() + 20
        while text in self.pane(pane):
            assert time.monotonic() < deadline, f"{key} closes no dialog"
            self.tmux("send-keys", "-t", pane, key)
            with contextlib.suppress(TimedOut):
                self.wait(lambda: text not in self.pane(pane), 1, "the dialog is closed")

    # -- files and processes

    def write(self, path, content, mode=0o644, user=0):
        """Writes a file in the container."""
        self.sh('umask 077 && cat > "$1" && chmod "$2" "$1"', path, f"{mode:o}", input=content, user=user)

    def read(self, path):
        return self.exec(["cat", path]).stdout

    def configure(self, toml):
        """Another berth.toml, applied."""
        self.write("/data/berth.toml", toml, mode=0o640)
        return self.berth("apply")

    def service_log(self, service):
        return self.sh('cat /data/log/"$1"/@*.s /data/log/"$1"/current 2>/dev/null || :', service).stdout

    def service(self, name):
        """The process of a service, as berth's status has it."""
        row = next(row for row in self.berth("status")["services"] if row["name"] == name)
        return next(p for p in self.pids() if p.pid == row["pid"])

    # -- waiting, and what is kept of a failure

    def wait(self, condition, timeout, what):
        """Polls until the condition is true and returns its value; see wait_for."""
        return wait_for(condition, timeout, what, self.describe)

    def describe(self):
        """What a person wants to see first when a wait failed."""
        parts = [f"{self.name}: berth status:", self._try(lambda: self.berth("status", json=False, check=False)),
                 self._try(lambda: self.berth("ls", json=False, check=False)), "its log's end:", self.logs()[-2000:]]
        return "\n".join(part.rstrip() for part in parts)

    @staticmethod
    def _try(function):
        try:
            return str(function())
        except (CommandFailed, subprocess.SubprocessError, StopIteration, ValueError) as error:
            return f"({type(error).__name__}: {error})"

    def collect(self, directory):
        """Keeps in a directory all that may tell why a test failed."""
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        running = self._try(self.running) == "True"
        kept = {"container.log": self.logs, "inspect.json": lambda: self.engine("inspect", self.name).stdout,
                "commands.txt": self._journal}
        if running:
            kept |= {"processes.txt": lambda: "\n".join(map(str, self.pids())),
                     "status.txt": lambda: self.berth("status", json=False, check=False),
                     "agents.json": lambda: jsonlib.dumps(self.agents(), indent=1),
                     "messages.json": lambda: jsonlib.dumps(self.berth("inbox"), indent=1),
                     "screens.txt": self._screens}
        if self.endpoint:
            kept["requests.jsonl"] = self.endpoint.log
        for name, function in kept.items():
            (directory / name).write_text(self._try(function))
        self._collect_data(directory)

    def _collect_data(self, directory):
        """/data without secrets: the services' logs, the database, spools, berth.toml, transcripts."""
        copied = self.engine("run", "--rm", "--network", "none", "-v", f"{self.volume}:/data", "--entrypoint", "tar",
                             self.image, "-C", "/data", "-c", "--exclude=.cache", "--exclude=.local",
                             "--exclude=./secrets", ".", text=False, check=False)
        if copied.status == 0:
            unpack(copied.stdout, directory / "data")

    def _journal(self):
        return "".join(f"{time.strftime('%H:%M:%S', time.gmtime(at))}.{int(at * 1000) % 1000:03d} {took:7.3f} s  "
                       f"{status!s:>3}  {shlex.join(map(str, argv))[:500]}\n" for at, took, status, argv in self.journal)

    def _screens(self):
        listed = self.tmux("list-panes", "-a", "-F", "#{pane_id} #{window_name} #{pane_dead}").splitlines()
        return "\n".join(f"=== {pane}\n" + self.tmux("capture-pane", "-p", "-S", "-200", "-t", pane.split()[0], check=False)
                         for pane in listed)

    def remove(self):
        """Removes the container and its volume; what agents wrote to the projects folder goes, too."""
        if self._try(self.running) == "True":
            self.sh("find /projects -mindepth 1 -delete", user=0, check=False)
        super().remove()
        self.engine("volume", "rm", "-f", self.volume, check=False)


def archive(files):
    """A tar of files, root's and private."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for parent in sorted({str(parent) for name in files for parent in Path(name).parents if str(parent) != "."}):
            entry = tarfile.TarInfo(parent)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o700
            tar.addfile(entry)
        for name, content in files.items():
            content = content if isinstance(content, bytes) else content.encode()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), 0o600, int(time.time())
            tar.addfile(entry, io.BytesIO(content))
    return data.getvalue()


def unpack(data, directory):
    """The regular files of a tar, below a directory."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for entry in tar:
            target = (directory / entry.name).resolve()
            if entry.isfile() and target.is_relative_to(directory.resolve()):
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(tar.extractfile(entry).read())


def hardened_flags():
    """What compose/hardened.yml says, for run."""
    lines = (REPO / "compose" / "hardened.yml").read_text().splitlines()
    added, inside = [], False
    for line in lines:
        words = line.split("#")[0].split()
        if words and words[0].endswith(":"):
            inside = words[0] == "cap_add:"
        elif inside and words[:1] == ["-"]:
            added += ["--cap-add", words[1]]
    assert added, "compose/hardened.yml: no cap_add"
    return ["--read-only", "--cap-drop", "ALL", *added, "--security-opt", "no-new-privileges", "--pids-limit", "4096",
            "--tmpfs", "/tmp:exec,mode=1777,size=1g"]

"""The scripted endpoint with the real Claude Code CLI, by `claude -p` and in a terminal.

BERTH_CLAUDE names the programs to try, separated by spaces; each test runs with each of them. Needs
tmux. Nothing leaves the machine, and HOME is a temporary directory.
"""

import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import endpoint                                                             # noqa: E402

CLIS = os.environ.get("BERTH_CLAUDE", "").split()
KEY = "sk-scripted-0123456789abcdefghij"
SETTLE_S = 0.6      # after the prompt shows, the CLI loses keys for up to half a second, and no state tells
PASTE_S = 0.15      # between a paste and the chord that submits it
NUMBERS = itertools.count()
LOOP = '[[tool Bash {"command":"while [ ! -e %s ]; do sleep .1; done"}]] '
if not CLIS:
    pytest.skip("BERTH_CLAUDE names no CLI to try", allow_module_level=True)
pytestmark = pytest.mark.parametrize("cli", CLIS, ids=[Path(cli).parent.parent.name for cli in CLIS])


def wait_for(condition, what, timeout_s=20):
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"no {what() if callable(what) else what} in {timeout_s} s"
        time.sleep(0.02)
    return value


class World:
    """An endpoint, a HOME and a project directory for one CLI."""

    def __init__(self, directory, cli):
        self.cli, self.home, self.project = cli, directory / "home", directory / "project"
        (self.home / ".claude").mkdir(parents=True)
        self.project.mkdir()
        self.memory = endpoint.Memory(directory / "requests.jsonl")
        self.server = endpoint.Server(("127.0.0.1", 0), self.memory)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.seed(".claude.json", {
            "hasCompletedOnboarding": True, "theme": "dark", "customApiKeyResponses": {"approved": [KEY[-20:]]},
            "projects": {str(self.project): {"hasTrustDialogAccepted": True}}})
        ended = [{"hooks": [{"type": "command", "command": "echo >> $HOME/turns"}]}]
        self.seed(".claude/settings.json", {
            "skipDangerousModePermissionPrompt": True, "hooks": {"Stop": ended, "StopFailure": ended}})
        (self.home / "turns").touch()
        self.seed(".claude/keybindings.json", {
            "bindings": [{"context": "Chat", "bindings": {"ctrl+x ctrl+y": "chat:submit"}}]})

    def seed(self, name, value):
        (self.home / name).write_text(json.dumps(value))

    def environment(self, **more):
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "TERM": "xterm-256color", "LANG": "C.UTF-8",
                "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{self.server.server_address[1]}", "ANTHROPIC_API_KEY": KEY,
                "IS_SANDBOX": "1", "DISABLE_AUTOUPDATER": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
                "CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL": "1", "CLAUDE_CODE_MAX_RETRIES": "2", **more}

    def print(self, prompt, *arguments, **environment):
        """`claude -p`: its exit status and what it said."""
        ran = subprocess.run(
            [self.cli, "-p", prompt, "--permission-mode", "bypassPermissions", *arguments], cwd=self.project,
            env=self.environment(**environment), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        return ran.returncode, ran.stdout.strip()

    def requests(self, kind="main"):
        return self.memory.after(0, kind, 0)

    def statuses(self):
        return [request["answer"]["status"] for request in self.requests()]

    def turns(self):
        """How many turns have ended."""
        return (self.home / "turns").stat().st_size

    def prompts(self):
        return [prompt["text"] for prompt in self.memory.listed(agents=False)]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Tui:
    """The CLI in a terminal of a private tmux server."""

    def __init__(self, world, *arguments):
        self.world, self.socket = world, f"endpoint-test-{os.getpid()}-{next(NUMBERS)}"
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "40", "-c", str(world.project),
                  "env", "-i", *[f"{k}={v}" for k, v in world.environment().items()],
                  world.cli, "--permission-mode", "bypassPermissions", *arguments)
        wait_for(lambda: "❯" in self.screen(), lambda: f"prompt on\n{self.screen()}")
        time.sleep(SETTLE_S)

    def tmux(self, *arguments, text=None):
        return subprocess.run(["tmux", "-L", self.socket, *arguments], input=text, capture_output=True, text=True).stdout

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def registry(self):
        for file in (self.world.home / ".claude/sessions").glob("*.json"):
            with contextlib.suppress(ValueError, OSError):
                return json.loads(file.read_text())
        return {}

    def send(self, text, *keys):
        self.tmux("send-keys", "C-u")       # 2.1.197 rarely leaves a prompt that it took in the input line
        self.tmux("load-buffer", "-b", "n", "-", text=text)
        self.tmux("paste-buffer", "-dp", "-b", "n")
        time.sleep(PASTE_S)
        self.tmux("send-keys", *(keys or ("C-x", "C-y")))
        wait_for(lambda: self.tmux("display-message", "-p", "#{cursor_x}").strip() == "2",
                 lambda: f"empty input line on\n{self.screen()}")

    def asked(self, count):
        wait_for(lambda: len(self.world.requests()) >= count, lambda: f"request {count} on\n{self.screen()}")

    def ended(self, count):
        wait_for(lambda: self.world.turns() >= count, lambda: f"end of turn {count} on\n{self.screen()}")

    def ask(self, text):
        """Sends a prompt and waits until its turn has ended."""
        before = self.world.turns()
        self.send(text)
        self.ended(before + 1)

    def interrupt(self):
        """No hook tells of this, and of short turns the registry doesn't: wait for busy, then for idle."""
        self.reaches("busy")
        self.tmux("send-keys", "Escape")
        self.reaches("idle")

    def reaches(self, status):
        wait_for(lambda: self.registry().get("status") == status, lambda: f"{status} state on\n{self.screen()}")

    def kill(self):
        os.kill(self.registry()["pid"], signal.SIGKILL)
        self.close()
        shutil.rmtree(self.world.home / ".claude/sessions")

    def close(self):
        self.tmux("kill-server")


@pytest.fixture
def world(tmp_path, cli):
    made = World(tmp_path, cli)
    yield made
    made.close()


@pytest.fixture
def tui(world):
    made = Tui(world)
    yield made
    made.close()


@pytest.mark.parametrize("prompt, said, statuses", [
    ("hello", endpoint.reply("hello", 1), [200]),
    ('[[tool Bash {"command":"echo hi > made"}]] [[say done]]', "done", [200, 200]),
    ('[[tools [{"name":"Bash","input":{"command":"echo 1"}},{"name":"Bash","input":{"command":"echo 2"}}]]] [[say two]]',
     "two", [200, 200]),
    ("[[stream 5 50]]", "word0 word1 word2 word3 word4", [200]),
    ("[[fill 50000]]", endpoint.fill(50000), [200]),
    ("[[sleep 1500]] [[say slow]]", "slow", [200]),
    ("[[errors 2 529]] [[say fine]]", "fine", [529, 529, 200]),
    ("[[errors 1 500]] [[say fine]]", "fine", [500, 200]),
    ("[[errors 1 429]] [[say fine]]", "fine", [429, 200]),
    ("[[cut 1]] [[say fine]]", "fine", [200, 200]),
])
def test_print(world, prompt, said, statuses):
    assert world.print(prompt) == (0, said)
    assert world.statuses() == statuses
    assert world.prompts() == [prompt]
    assert (world.project / "made").exists() == ("made" in prompt)


@pytest.mark.parametrize("prompt, said, asked", [
    ("[[error 401]]", "Invalid API key", 1),
    ("[[error 429]]", "429", 3),
    ("[[error 500]]", "500 Internal server error", 3),
    ("[[error 529]]", "529 Overloaded", 3),
    ("[[error 400 invalid_request_error Your credit balance is too low]]", "Credit balance is too low", 1),
])
def test_print_gives_up(world, prompt, said, asked):
    status, text = world.print(prompt)
    assert status == 1 and said in text
    assert len(world.requests()) == asked


def test_print_gives_up_on_a_connection_that_is_always_cut(world):
    status, text = world.print("[[cut]]")
    assert status == 1 and "Connection to the API was lost" in text
    assert {request["answer"]["sent"] for request in world.requests()} == {"cut"}


def test_a_login_reaches_its_usage_limit(world):
    status, text = world.print("[[error 429]]", ANTHROPIC_API_KEY="", CLAUDE_CODE_OAUTH_TOKEN="sk-ant-oat01-x")
    assert status == 1 and "hit your" in text and "limit · resets" in text
    assert [request["key"] for request in world.requests()] == ["authorization"]


def test_print_continues_its_conversation(world):
    for n in (1, 2, 3):
        assert world.print("same", *(["--continue"] if n > 1 else [])) == (0, endpoint.reply("same", n))
    assert world.prompts() == ["same"] * 3


def test_print_without_tools_is_a_turn(world):
    assert world.print("hello", "--tools", "") == (0, endpoint.reply("hello", 1))


def test_sub_agents_run_their_own_script(world):
    call = {"description": "d", "prompt": "[[say sub]]", "subagent_type": "general-purpose"}
    prompt = f"[[tool Agent {json.dumps(call)}]] [[say parent]]"
    world.print(prompt)
    assert world.prompts() == [prompt]
    assert [(r["prompts"][0]["text"], r["answer"]["text"]) for r in world.requests("agent")] == [("[[say sub]]", "sub")]


def test_what_hooks_add_is_no_prompt(world):
    context = json.dumps({"hookSpecificOutput": {"hookEventName": "UserPromptSubmit", "additionalContext": "[[say no]]"}})
    once = world.project / "stopped"
    block = f"[ -e {once} ] || {{ touch {once}; echo '[[say no]]' >&2; exit 2; }}"
    world.seed(".claude/settings.json", {"skipDangerousModePermissionPrompt": True, "hooks": {
        "UserPromptSubmit": [{"hooks": [{"type": "command", "command": f"echo '{context}'"}]}],
        "Stop": [{"hooks": [{"type": "command", "command": block}]}]}})
    world.print("hello")
    assert once.exists()
    assert world.prompts() == ["hello"]
    first, second = world.requests()
    assert first["answer"]["text"] == endpoint.reply("hello", 1)
    assert second["answer"]["text"].startswith("ok ")
    assert "[[say no]]" in json.dumps(second["reminders"])


def test_terminal(world, tui):
    """A terminal session's life: text, long paste, tool, stream, errors, slow."""
    long = "\n".join(f"line {n}" for n in range(200)) + " [[say seen]]"
    asked = ["hello", long, '[[tool Bash {"command":"echo hi > made"}]] [[say done]]', "[[stream 20 20]]",
             "[[errors 1 529]]", "[[errors 1 500]]", "[[errors 1 429]]", "[[cut 1]]", "[[sleep 1000]]", "[[error 401]]",
             "[[error 429]]", "[[error 529]]", "last"]
    for prompt in asked:
        tui.ask(prompt)
    assert world.prompts() == asked
    assert (world.project / "made").exists()
    assert not any(prompt["history"] for prompt in world.memory.listed(agents=False))
    wait_for(lambda: endpoint.reply("last", len(asked)) in tui.screen(), lambda: f"last answer on\n{tui.screen()}")
    assert {request["aux"] for request in world.requests("aux")} <= {"title"}


def test_terminal_prompts_queued_while_busy(world, tui):
    tui.send(LOOP % "go" + "[[say one]]")
    tui.asked(1)
    tui.send("two")
    tui.send("[[say three]]")
    (world.project / "go").touch()
    tui.ended(1)
    last = world.requests()[-1]
    assert [prompt["kind"] for prompt in last["prompts"]] == ["prompt", "absorbed", "absorbed"]
    assert last["answer"]["text"].split("\n") == ["one", endpoint.reply("two", 2), "three"]
    tui.send("[[sleep 2000]] [[say four]]")
    tui.asked(3)
    tui.send("five")
    tui.send("[[say six]]")
    tui.ended(3)
    assert world.requests()[-1]["answer"]["text"].split("\n") == [endpoint.reply("five", 5), "six"]
    assert world.prompts()[1:] == ["two", "[[say three]]", "[[sleep 2000]] [[say four]]", "five", "[[say six]]"]


def test_terminal_interrupt_and_kill(world):
    session = "11111111-2222-4333-8444-555555555555"
    project = re.sub(r"[^A-Za-z0-9]", "-", str(world.project))
    transcript = world.home / ".claude/projects" / project / f"{session}.jsonl"
    tui = Tui(world, "--session-id", session)
    try:
        tui.send("[[stream 100 200]] one")
        wait_for(lambda: "word1" in tui.screen(), "words")
        tui.interrupt()
        tui.send(LOOP % "never" + "two")
        tui.asked(2)
        wait_for(lambda: "Running" in tui.screen(), lambda: f"running tool on\n{tui.screen()}")
        tui.interrupt()
        tui.ask("three")
        tui.send("[[hang]] four")
        tui.asked(4)
        wait_for(lambda: "four" in transcript.read_text(), "four in the transcript")
        tui.kill()
        tui = Tui(world, "--resume", session)
        tui.ask("five")
        tui.send(LOOP % "never" + "six")
        tui.asked(6)
        wait_for(lambda: "six" in transcript.read_text(), "six in the transcript")
        tui.kill()
        tui = Tui(world, "--resume", session)
        tui.ask("seven")
    finally:
        tui.close()
    assert [prompt.split()[-1] for prompt in world.prompts()] == [
        "one", "two", "three", "four", "five", "six", "seven"]
    answers = [request["answer"]["text"] for request in world.requests()]
    assert (answers[2], answers[4], answers[6]) == (
        endpoint.reply("three", 3), endpoint.reply("five", 5), endpoint.reply("seven", 7))


def test_terminal_compaction(world, tui):
    for prompt in ("one", "two", "three"):      # with fewer, the older CLI says that there is nothing to compact
        tui.ask(prompt)
    tui.send("/compact", "Enter")
    wait_for(lambda: "Compacted" in tui.screen(), lambda: f"Compacted on\n{tui.screen()}")
    tui.ask("four")
    assert [request["aux"] for request in world.requests("aux") if request["aux"] != "title"] == ["compact"]
    listed = world.memory.listed(agents=False)
    assert [prompt["text"] for prompt in listed] == ["one", "two", "three", "four"]
    assert not any(prompt["history"] for prompt in listed)
    assert listed[-1]["epoch"] and world.requests()[-1]["answer"]["text"] == endpoint.reply("four", 1)

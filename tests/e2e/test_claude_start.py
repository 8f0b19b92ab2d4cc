"""First starts of the real Claude Code, with nobody there to answer: no dialog stops one, whatever lies in its home and
in its project, and what lies there stays as it was; and each agent works as the user that it was given."""

import json
from pathlib import Path

import pytest
from berthtest import CLAUDE_TOML

PINNED = pytest.mark.parametrize("claude", ["pinned"], indirect=True)      # else with both versions of the CLI
PUID, PGID = 1234, 2345
ENV = {"PUID": str(PUID), "PGID": str(PGID)}


def agent(name, *lines, permissions="dangerous"):
    toml = CLAUDE_TOML.replace("agents.claude", f"agents.{name}").replace('"dangerous"', f'"{permissions}"')
    return "\n".join([toml + 'start = "manual"', *lines, ""])


TOML = (agent("fresh") + agent("own", "uid = 2001")
        + agent("tools", 'cwd = "/projects/tools"', permissions="allowlist")
        + agent("hooked", 'cwd = "/projects/hooked"', permissions="sandbox")
        + agent("kept", "uid = 2002", permissions="allowlist")
        + agent("keys", "uid = 2003") + agent("state", "uid = 2004"))


def home(claude, name):
    uid = claude.agent(name)["uid"]
    return "/data/home/agent" + (str(uid) if uid != PUID else "")


def starts(claude, name):
    """It gets ready by itself, at once, and works."""
    claude.berth("start", name)
    claude.wait_state(name, "ready")
    asked = claude.ask("[[say here]]", name)
    assert (asked["state"], asked["answer"], asked["attempts"]) == ("answered", "here", 1)
    states = [event["new"] for event in claude.events("agent", name) if event["new"] not in ("ready", "busy")]
    assert states == ["stop", "run", "starting", "begun"]


def running(claude, name):
    if claude.agent(name)["want"] != "run":
        starts(claude, name)


def bash(claude, name, command):
    """What its Bash tool says to a command."""
    running(claude, name)
    script = f'[[tool Bash {json.dumps({"command": command, "description": "test"})}]] [[say done]]'
    assert claude.ask(script, name)["answer"] == "done"
    return claude.endpoint.requests()[-1]["results"][0]["text"].splitlines()


# ---- dialogs ---------------------------------------------------------------------------------

def test_fresh_home_asks_nothing(claude):
    assert claude.sh('find "$1" -mindepth 1', home(claude, "fresh"), user=0).stdout == ""
    starts(claude, "fresh")


def project(claude, name, files):
    """A folder below /projects with these files, which its agent may write to."""
    folder = claude.projects / name
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    return folder


def test_mcp_servers_of_a_project_ask_nothing_and_are_not_started(claude):
    server = {"command": "sh", "args": ["-c", "echo started > /projects/tools/started; exec cat"]}
    folder = project(claude, "tools", {".mcp.json": json.dumps({"mcpServers": {"theirs": server}})})
    starts(claude, "tools")
    assert not (folder / "started").exists()


def test_hooks_and_rules_of_a_project_ask_nothing(claude):
    hook = {"hooks": [{"type": "command", "command": "cat >> /projects/hooked/ran"}]}
    settings = json.dumps({"hooks": {event: [hook] for event in ("SessionStart", "UserPromptSubmit", "Stop")},
                           "permissions": {"allow": ["Bash(ls:*)"]}, "enableAllProjectMcpServers": True})
    folder = project(claude, "hooked", {".claude/settings.json": settings, "CLAUDE.md": "Be brief.\n"})
    starts(claude, "hooked")
    assert (folder / ".claude/settings.json").read_text() == settings


# ---- what its user has in its home -----------------------------------------------------------

SETTINGS, KEYS, STATE = ".claude/settings.json", ".claude/keybindings.json", ".claude.json"
CHORD = {"ctrl+x ctrl+y": "chat:submit"}
THEIRS = {
    SETTINGS: {
        "env": {"THEIRS": "kept"}, "permissions": {"deny": ["WebFetch"], "allow": ["Bash(ls:*)"]}, "spinnerTipsEnabled": False,
        "hooks": {"Stop": [{"hooks": [{"type": "command", "command": "echo $THEIRS >> ~/stopped"}]}]}},
    KEYS: {
        "$docs": "https://code.claude.com/docs/en/keybindings",
        "bindings": [{"context": "Global", "bindings": {"ctrl+t": None}},
                     {"context": "Chat", "bindings": {"ctrl+g": "chat:externalEditor", "ctrl+x ctrl+k": None}}]},
    STATE: {
        "theme": "light", "theirs": {"list": [1, 2.5, None, "\u00fc"], "empty": {}},
        "customApiKeyResponses": {"approved": ["01234567890123456789"], "rejected": ["98765432109876543210"]},
        "projects": {"/elsewhere": {"allowedTools": ["Bash(id)"], "hasTrustDialogAccepted": False}},
        "mcpServers": {"theirs": {"command": "false", "args": []}}},
}


def put(claude, name, file, text):
    """A file in its home, its own, as if it had always been there."""
    path, uid = f"{home(claude, name)}/{file}", claude.agent(name)["uid"]
    claude.sh('mkdir -p -m 700 "$1"', path.rpartition("/")[0], user=uid)
    claude.write(path, text, mode=0o640, user=uid)


def lost(theirs, now, at=""):
    """What isn't any more as it was; what was added is no loss."""
    if isinstance(theirs, dict) and isinstance(now, dict):
        return [loss for key in theirs for loss in lost(theirs[key], now.get(key, "nothing"), f"{at}.{key}")]
    if isinstance(theirs, list) and isinstance(now, list) and len(theirs) <= len(now):
        return [loss for n, pair in enumerate(zip(theirs, now)) for loss in lost(*pair, f"{at}[{n}]")]
    return [] if (theirs, type(theirs)) == (now, type(now)) else [f"{at}: {theirs!r} is {now!r}"]


def test_what_the_user_has_in_its_files_is_kept(claude):
    for file, content in THEIRS.items():
        put(claude, "kept", file, json.dumps(content, indent=4) + "\n")
    starts(claude, "kept")
    claude.wait(lambda: claude.read(f"{home(claude, 'kept')}/stopped") == "kept\n", 10, "its own hook ran, beside berth's")
    claude.berth("stop", "kept")
    now = {file: json.loads(claude.read(f"{home(claude, 'kept')}/{file}")) for file in THEIRS}
    assert {file: lost(THEIRS[file], now[file]) for file in THEIRS} == {file: [] for file in THEIRS}
    chat = now[KEYS]["bindings"][1]["bindings"]
    now[KEYS]["bindings"][1]["bindings"] = {key: chat[key] for key in chat if key not in CHORD}
    assert json.dumps(now[KEYS]) == json.dumps(THEIRS[KEYS]) and CHORD.items() <= chat.items()
    assert len(now[STATE]["customApiKeyResponses"]["approved"]) == 2 and "/projects" in now[STATE]["projects"]


@PINNED
@pytest.mark.parametrize("name", ["keys", "state"])
def test_broken_file_of_the_user_is_kept_and_said_and_messages_wait_until_it_is_mended(claude, name):
    """Without its key no message could be submitted; with a broken .claude.json the CLI waits in a dialog."""
    file = {"keys": KEYS, "state": STATE}[name]
    broken = '{"bindings": [\n'
    put(claude, name, file, broken)
    claude.berth("start", name)
    crashed = claude.wait_state(name, "crashed", "held")
    waits = claude.send("[[say mended]]", name)
    problem = next(row for row in claude.berth("status", check=False)["launcher"]["problems"] if row["agent"] == name)
    for why in crashed["reason"], problem["why"]:
        assert f"{home(claude, name)}/{file}" in why and "not JSON" in why
    assert (claude.read(f"{home(claude, name)}/{file}"), claude.message(waits)["state"]) == (broken, "queued")
    put(claude, name, file, "{}")
    claude.berth("start", name)
    assert claude.wait_message(waits, "answered")["answer"] == "mended"


# ---- users -----------------------------------------------------------------------------------

def on_host(claude, kind, number):
    """What a uid or gid of the container is outside."""
    ranges = Path(f"/proc/{claude.inspect('{{.State.Pid}}')}/{kind}_map").read_text().splitlines()
    return next(number - inside + outside for inside, outside, count in (map(int, line.split()) for line in ranges)
                if inside <= number < inside + count)


@PINNED
@pytest.mark.parametrize("name, uid, gid", [("fresh", PUID, PGID), ("own", 2001, 2001)])
def test_what_its_tools_make_belongs_to_its_user_on_the_host_too(claude, name, uid, gid):
    assert bash(claude, name, f"mkdir {name} && id > {name}/file && id -u && id -g") == [str(uid), str(gid)]
    for path in claude.projects / name, claude.projects / name / "file":
        assert (path.stat().st_uid, path.stat().st_gid) == (on_host(claude, "uid", uid), on_host(claude, "gid", gid))


@PINNED
def test_agent_of_its_own_user_has_its_own_home_and_sees_no_other(claude):
    running(claude, "fresh")
    said = bash(claude, "own", "echo $HOME; test -r ~/.claude.json && echo mine; cd /data/home/agent && echo theirs;"
                "for file in .claude.json .claude/keybindings.json .claude/projects; do"
                " ls /data/home/agent/$file && echo theirs; done; touch /data/home/agent/x && echo theirs; true")
    assert said[:2] == [home(claude, "own"), "mine"] and "theirs" not in said
    assert len([line for line in said if "ermission denied" in line]) == 5

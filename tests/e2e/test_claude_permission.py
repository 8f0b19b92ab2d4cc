"""What Claude Code may do: it asks, a person answers from outside or at its terminal, and what was not allowed is not done."""

import json

import pytest

AGENT = """\
[agents.{name}]
driver = "claude"
allow = ["Bash(touch allowed*)"]
deny = ["Bash(touch allowed-never*)"]
secrets.ANTHROPIC_API_KEY = "api-key"
env.ANTHROPIC_BASE_URL = "{{url}}"
env.CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC = "1"
"""
TOML = AGENT.format(name="claude") + AGENT.format(name="hasty") + 'permission_timeout = "10s"\n'
# the older version only where the CLI's part is large
PINNED = pytest.mark.parametrize("claude", ["pinned"], indirect=True)


def bash(command, **more):
    return f"[[tool Bash {json.dumps({'command': command, **more})}]]"


def ask(claude, *scripts, agent="claude"):
    """Has the agent do this; returns the message's id and the request for the first of it."""
    sent = claude.send(" ".join([*scripts, "[[say over]]"]), agent)
    return sent, request(claude, agent)


def request(claude, agent="claude", but=()):
    """The agent's open request; but: not this one."""
    def other():
        return [row for row in claude.berth("approvals", agent) if row["id"] not in but]
    rows = claude.wait(other, 20, "the request is listed")
    assert len(rows) == 1 and rows[0]["agent"] == agent
    return rows[0]


def answered(claude, sent, answer="over"):
    row = claude.wait_message(sent, "answered", "unanswered", "interrupted", timeout=30)
    assert (row["state"], row["answer"], row["attempts"]) == ("answered", answer, 1)
    return row


def made(claude):
    """What tools have made, of which the next test should see nothing."""
    found = sorted(path.name for path in claude.projects.iterdir())
    claude.sh("find /projects -mindepth 1 -delete", user=0)
    return found


def result(claude):
    """What the model was told of the last tool call."""
    return claude.endpoint.requests()[-1]["results"][-1]


def outcome(claude, approval):
    """What became of a request: its state, and why or by whom."""
    last = claude.events("approval", approval["id"])[-1]
    return last["new"], last["cause"]


def is_over(claude, approval):
    """It isn't open, and no answer to it is taken."""
    assert claude.berth("approvals") == []
    for verb in "approve", "deny":
        assert claude.status_of(verb, approval["id"]) == 3


def answers_again(claude, agent="claude"):
    row = claude.ask("[[say still here]]", agent)
    assert (row["state"], row["answer"]) == ("answered", "still here")


# ---- answered from outside -------------------------------------------------------------------

def test_nothing_is_done_before_it_is_approved(claude):
    sent, approval = ask(claude, bash("touch made", description="make a file"))
    claude.wait_state("claude", "awaiting-approval")
    assert (approval["tool"], approval["input"]["command"], approval["state"]) == ("Bash", "touch made", "open")
    assert made(claude) == []
    assert claude.berth("approve", approval["id"])["state"] == "allowed"
    answered(claude, sent)
    assert made(claude) == ["made"] and not result(claude)["error"]
    is_over(claude, approval)


def test_denied_is_not_done_and_the_agent_is_told_why(claude):
    sent, approval = ask(claude, bash("touch made"))
    assert claude.berth("deny", approval["id"], "--message", "not on a Saturday")["state"] == "denied"
    answered(claude, sent)
    assert made(claude) == []
    assert result(claude)["error"] and "not on a Saturday" in result(claude)["text"]
    is_over(claude, approval)


@PINNED
def test_edit_is_made_once_it_is_approved(claude):
    text = "eins\nzwei ä 日本 😀\n"
    sent, approval = ask(claude, f"[[tool Write {json.dumps({'file_path': '/projects/made', 'content': text})}]]")
    assert (approval["tool"], approval["input"]) == ("Write", {"file_path": "/projects/made", "content": text})
    claude.berth("approve", approval["id"])
    answered(claude, sent)
    assert (claude.projects / "made").read_text() == text
    assert made(claude) == ["made"]


@PINNED
def test_whole_input_is_shown(claude):
    command = "touch made\n" + "".join(f"echo {n} ä 日本 😀 '\"'\n" for n in range(200))
    sent, approval = ask(claude, bash(command))
    assert approval["input"]["command"] == command
    shown = claude.berth("approvals", json=False)
    assert approval["id"][-6:] in shown and "touch made" in shown
    claude.berth("approve", approval["id"][-6:])
    answered(claude, sent)
    assert made(claude) == ["made"]


@PINNED
def test_agent_cannot_answer_for_itself(claude):
    sent, approval = ask(claude, bash("touch made"))
    for verb in "approve", "deny":
        assert claude.exec(["berth", verb, approval["id"]], user="agent", check=False).status == 13
    claude.berth("deny", approval["id"])
    answered(claude, sent)
    assert made(claude) == []


@PINNED
def test_unknown_request_is_refused(claude):
    sent, approval = ask(claude, bash("touch made"))
    for unknown in "0" * 26, "ZZZZ", approval["id"][-1:], "":
        assert claude.status_of("approve", unknown) == 3
    assert claude.berth("approvals") == [approval]
    claude.berth("deny", approval["id"])
    answered(claude, sent)
    assert made(claude) == []


# ---- what the configuration says -------------------------------------------------------------

@PINNED
def test_allowed_needs_no_approval_and_forbidden_gets_none(claude):
    sent = claude.send(f"{bash('touch allowed-1')} {bash('touch allowed-never')} [[say over]]", "claude")
    answered(claude, sent)
    assert made(claude) == ["allowed-1"] and result(claude)["error"]
    assert not [event for event in claude.events("approval") if "allowed-" in str(event["detail"])]


# ---- several ---------------------------------------------------------------------------------

@PINNED
def test_two_in_a_row_are_two_requests(claude):
    sent, first = ask(claude, bash("touch one"), bash("touch two"))
    claude.berth("approve", first["id"])
    second = request(claude, but=[first["id"]])
    assert second["input"]["command"] == "touch two"
    assert claude.status_of("approve", first["id"]) == 3        # an old id answers no new request
    assert claude.berth("approvals") == [second] and not (claude.projects / "two").exists()
    claude.berth("deny", second["id"])
    answered(claude, sent)
    assert made(claude) == ["one"]


def test_two_at_once_are_answered_each_for_itself(claude):
    calls = [{"name": "Bash", "input": {"command": f"touch {name}"}} for name in ("one", "two")]
    sent = claude.send(f"[[tools {json.dumps(calls)}]] [[say over]]", "claude")
    seen = {}
    while len(seen) < 2:
        approval = next(row for row in claude.wait(lambda: [row for row in claude.berth("approvals", "claude")
                                                            if row["id"] not in seen], 20, "a request is listed"))
        command = seen[approval["id"]] = approval["input"]["command"]
        claude.berth("approve" if command == "touch two" else "deny", approval["id"])
    answered(claude, sent)
    assert sorted(seen.values()) == ["touch one", "touch two"] and made(claude) == ["two"]


@PINNED
def test_agents_ask_each_for_itself(claude):
    sent, approval = ask(claude, bash("touch one"))
    other, others = ask(claude, bash("touch two"), agent="hasty")
    claude.berth("approve", others["id"])
    answered(claude, other)
    assert claude.berth("approvals") == [approval] and claude.agent("claude")["state"] == "awaiting-approval"
    claude.berth("deny", approval["id"])
    answered(claude, sent)
    assert made(claude) == ["two"]


# ---- answered at the terminal ----------------------------------------------------------------

DIALOG = "Do you want to proceed?"


def dialog(claude, pane):
    """Until it is open, which may be after its hook has asked."""
    claude.wait(lambda: DIALOG in claude.pane(pane), 20, "the dialog is open")


def test_allowed_at_the_terminal_is_withdrawn(claude):
    sent, approval = ask(claude, bash("touch made"))
    pane = claude.agent("claude")["pane"]
    dialog(claude, pane)
    claude.answer_dialog(pane, DIALOG, "1")
    answered(claude, sent)
    assert made(claude) == ["made"]
    assert outcome(claude, approval) == ("withdrawn", "answered at the terminal")
    is_over(claude, approval)


def test_refused_at_the_terminal_is_withdrawn(claude):
    sent, approval = ask(claude, bash("touch made"))
    pane = claude.agent("claude")["pane"]
    dialog(claude, pane)
    claude.answer_dialog(pane, DIALOG, "Escape")
    row = claude.wait_message(sent, "unanswered")
    assert "terminal" in row["reason"] and made(claude) == []
    assert outcome(claude, approval)[0] == "withdrawn"
    is_over(claude, approval)
    answers_again(claude)


# ---- nobody answers --------------------------------------------------------------------------

def test_unanswered_request_is_denied_in_time(claudes):
    asked = [(claude, *ask(claude, bash("touch made"), agent="hasty")) for claude in claudes]
    for claude, sent, approval in asked:
        assert approval["expires_at"] - approval["asked_at"] == 10000
        row = answered(claude, sent)
        assert row["ended_at"] >= approval["expires_at"]
        assert made(claude) == [] and result(claude)["error"] and "nobody answered" in result(claude)["text"]
        assert outcome(claude, approval)[0] == "expired"
        is_over(claude, approval)


# ---- what dies meanwhile ---------------------------------------------------------------------

def test_request_outlives_the_launcher(claude):
    sent, approval = ask(claude, bash("touch made"))
    before = claude.agent("claude")
    old, = claude.kill9("^launcher$")
    claude.wait(lambda: [p for p in claude.find("^launcher$") if p.pid != old.pid], 20, "another launcher runs")
    assert request(claude) == approval
    assert {name: claude.agent("claude")[name] for name in ("pid", "session")} == \
        {name: before[name] for name in ("pid", "session")}
    claude.berth("approve", approval["id"])
    answered(claude, sent)
    assert made(claude) == ["made"]


@PINNED
def test_decision_outlives_the_launcher(claude):
    sent, approval = ask(claude, bash("touch made"))
    claude.sh('berth approve "$1" && kill -9 "$2"', approval["id"], claude.find("^launcher$")[0].pid, user=0)
    answered(claude, sent)
    assert made(claude) == ["made"]
    is_over(claude, approval)


@PINNED
def test_asked_while_the_launcher_is_down(claude):
    pane = claude.agent("claude")["pane"]
    sent = claude.send(f"[[sleep 1500]] {bash('touch made')} [[say over]]", "claude")
    claude.wait_message(sent, "delivered")
    claude.sh("s6-svc -wd -d /run/s6/launcher", user=0)
    dialog(claude, pane)
    claude.sh("s6-svc -u /run/s6/launcher", user=0)
    claude.berth("approve", request(claude)["id"])
    answered(claude, sent)
    assert made(claude) == ["made"]


@PINNED
def test_answered_at_the_terminal_while_the_launcher_is_down(claude):
    sent, approval = ask(claude, bash("touch made"))
    pane = claude.agent("claude")["pane"]
    dialog(claude, pane)
    claude.sh("s6-svc -wd -d /run/s6/launcher", user=0)
    claude.answer_dialog(pane, DIALOG, "1")
    claude.wait(lambda: (claude.projects / "made").exists(), 20, "it is done")
    claude.sh("s6-svc -u /run/s6/launcher", user=0)
    answered(claude, sent)
    claude.wait(lambda: claude.berth("approvals") == [], 10, "the request is gone")
    assert made(claude) == ["made"] and outcome(claude, approval)[0] == "withdrawn"
    is_over(claude, approval)


def test_killed_agents_request_dies_with_it(claude):
    sent, approval = ask(claude, bash("touch made"))
    claude.wait_written(f"berth {sent}")
    claude.sh('kill -9 "$1"', claude.agent("claude")["pid"], user=0)
    claude.wait(lambda: claude.berth("approvals") == [], 20, "the request is gone")
    assert outcome(claude, approval)[0] == "withdrawn"
    row = claude.wait_message(sent, "answered", timeout=30)      # by the prompt that goes on with it
    assert row["attempts"] == 1 and made(claude) == []
    is_over(claude, approval)
    answers_again(claude)


@PINNED
def test_stopped_agents_request_is_over(claude):
    sent, approval = ask(claude, bash("touch made"))
    claude.wait_written(f"berth {sent}")
    claude.berth("stop", "claude")
    is_over(claude, approval)
    claude.berth("start", "claude")
    row = claude.wait_message(sent, "answered", timeout=30)
    assert row["attempts"] == 1 and made(claude) == []

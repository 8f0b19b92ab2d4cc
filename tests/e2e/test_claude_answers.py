"""What becomes of a message, with the real Claude Code: each way in which its model can answer, or fail to."""

import hashlib
import json
import time

import pytest

from berthtest import CLAUDE_TOML

TOML = CLAUDE_TOML.replace('MAX_RETRIES = "2"', 'MAX_RETRIES = "1"') + """
[agents.subscriber]
driver = "claude"
permissions = "dangerous"
i_accept_the_danger = true
secrets.CLAUDE_CODE_OAUTH_TOKEN = "token"
env.ANTHROPIC_BASE_URL = "{url}"
env.CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC = "1"
env.CLAUDE_CODE_MAX_RETRIES = "1"
"""
FILES = {"secrets/token": "sk-ant-oat01-scripted-0123456789"}


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def goes_on(appliance, agent="claude"):
    after = appliance.ask("[[say still here]]", agent)
    assert (after["state"], after["answer"], after["attempts"]) == ("answered", "still here", 1)


def test_text_is_answered(claude):
    answered = claude.ask("[[say hello]] [[say two\nlines]]", "claude")
    assert (answered["state"], answered["answer"]) == ("answered", "hello\ntwo\nlines")
    assert (answered["attempts"], answered["proof"]) == (1, "hook")


def test_long_answer_in_many_pieces_is_whole(claude):
    answered = claude.ask("[[stream 60 10]] [[fill 60000]]", "claude")
    lines = answered["answer"].split("\n")
    assert len(answered["answer"]) == 60000
    assert [int(line[:7]) for line in lines] == list(range(len(lines)))


def test_allowed_tools_run_before_the_answer(claude):
    calls = [{"name": "Bash", "input": {"command": f"echo {n} > tool{n}"}} for n in range(3)]
    answered = claude.ask(f"[[tools {json.dumps(calls)}]] "
                          '[[tool Bash {"command":"cat tool0 tool1 tool2 > sum"}]] [[say summed]]', "claude")
    assert (answered["state"], answered["answer"]) == ("answered", "summed")
    assert (claude.projects / "sum").read_text() == "0\n1\n2\n"


def test_slow_answer_is_awaited(claude):
    sent = claude.send("[[sleep 2500]] [[say at last]]", "claude")
    assert claude.wait_state("claude", "busy")
    later = claude.send("[[say and then]]", "claude")
    assert claude.message(later)["state"] == "queued"
    assert claude.wait_message(sent, "answered")["answer"] == "at last"
    assert claude.wait_message(later, "answered")["answer"] == "and then"


def test_dropped_connection_is_no_loss(claude):
    answered = claude.ask("[[cut 1]] [[stream 4 0]] [[say once again]]", "claude")
    assert (answered["state"], answered["answer"], answered["attempts"]) == ("answered", "once again", 1)
    assert [message["id"] for message in claude.endpoint.messages()] == [answered["id"]]


@pytest.mark.parametrize("error, reason", [
    ("429", "rate"), ("529", "overloaded"), ("500", "server_error"), ("400", "scripted: bad request"),
])
def test_failed_turn_says_why(claude, error, reason):
    ended = claude.ask(f"[[error {error}]]", "claude")
    assert ended["state"] == "unanswered", ended
    assert reason in ended["reason"].lower() and ended["answer"] is None
    assert ended["attempts"] == 1
    claude.wait_state("claude", "ready")
    goes_on(claude)


def test_outage_that_ends_in_time_is_no_failure(claude):
    answered = claude.ask("[[errors 1 529]] [[say recovered]]", "claude")
    assert (answered["state"], answered["answer"]) == ("answered", "recovered")


@pytest.mark.parametrize("healed", ["by berth start", "at the terminal"])
def test_failed_login_holds_messages(claude, healed):
    first = claude.ask("[[error 401]]", "claude")
    assert first["state"] == "unanswered" and "authentication_failed" in first["reason"]
    assert claude.agent("claude")["state"] == "auth-failed"
    assert len([r for r in claude.endpoint.requests() if r["answer"]["status"] == 401]) == 1
    assert "claude" in claude.berth("status", json=False, check=False).split("SERVICE")[0]
    waits = claude.send("[[say logged in]]", "claude")
    if healed == "by berth start":
        assert claude.message(waits)["state"] == "queued"
        claude.berth("start", "claude")
    else:
        claude.type("claude", "typed by a person", "Enter")
    assert claude.wait_message(waits, "answered")["answer"] == "logged in"
    claude.wait_state("claude", "ready")
    assert [m["id"] for m in claude.endpoint.messages()] == [first["id"], waits]


def test_usage_limit_is_waited_out(claudes):
    """The reset is worded in minutes; berth waits some seconds more, for clocks differ. A launcher that is new
    meanwhile knows of it."""
    sent = [(claude, *reach_limit(claude)) for claude in claudes]
    for claude, cut, waits in sent:
        assert claude.wait_message(cut, "answered", timeout=60)["state"] == "answered"
        assert claude.wait_message(waits, "answered")["answer"] == "afterwards"
        ids = [message["id"] for message in claude.endpoint.messages()]
        assert ids.count(cut) == 1 and ids.count(waits) == 1


def reach_limit(claude):
    reset = "[[header anthropic-ratelimit-unified-reset +1]] [[header anthropic-ratelimit-unified-5h-reset +1]]"
    claude.endpoint.script(f"[[error 429]] {reset}")
    cut = claude.send("[[say worked on]]", "subscriber")
    limited = claude.wait_state("subscriber", "limited")
    assert "limit" in limited["reason"] and "reset" in limited["reason"]
    waits = claude.send("[[say afterwards]]", "subscriber")
    assert claude.message(waits)["state"] == "queued"
    claude.kill9("^launcher$")
    return cut, waits


def test_a_claude_that_claude_starts_speaks_for_itself(claude):
    before = claude.agent("claude")["session"]
    nested = "env -u CLAUDECODE -u CLAUDE_CODE_ENTRYPOINT claude -p hello < /dev/null"
    answered = claude.ask(f"[[tool Bash {json.dumps({'command': nested})}]] [[say mine]]", "claude")
    assert "ok " in str(claude.endpoint.requests()[-1]["results"][-1])          # it has answered
    assert (answered["state"], answered["answer"]) == ("answered", "mine")
    assert claude.agent("claude")["session"] == before
    goes_on(claude)


def test_usage_limit_waits_for_a_person_where_that_is_said(boot_claude, old_claude_image, soak):
    """Also when the version of the CLI is one that would go on by itself."""
    if not soak:
        pytest.skip("waits 100 s to see nothing happen: with BERTH_SOAK=1; the launcher's part has a unit test")
    toml = TOML + 'start = "always"\n[limits]\ncontinue = false\n'
    claudes = [boot_claude(toml, files=FILES), boot_claude(toml, files=FILES, image=old_claude_image)]
    sent = []
    for claude in claudes:
        claude.endpoint.script("[[error 429]] [[header anthropic-ratelimit-unified-reset +1]] "
                               "[[header anthropic-ratelimit-unified-5h-reset +1]]")
        cut = claude.ask("[[say worked on]]", "subscriber")
        assert cut["state"] == "unanswered" and "limit" in cut["reason"]
        sent.append((claude, claude.send("[[say afterwards]]", "subscriber")))
    time.sleep(100)     # nothing is to happen, for longer than the reset and what is added to it
    for claude, waits in sent:
        assert claude.agent("subscriber")["state"] == "limited"
        assert claude.message(waits)["state"] == "queued"
        assert len(claude.endpoint.messages()) == 1
        claude.berth("start", "subscriber")
        assert claude.wait_message(waits, "answered")["answer"] == "afterwards"

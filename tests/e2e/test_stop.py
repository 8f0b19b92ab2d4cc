"""Stopping: within five seconds, exit status 0, agents asked first, nothing half-stopped, and the next start goes on."""

import json
import time

import pytest
from berthtest import read_ledger

STOP_MAX_S = 5
# It becomes the hook itself: of what another process says, nothing is kept.
HOOK = """\
#!/bin/sh
file=$(mktemp)
tee -a /projects/hooks.jsonl > "$file"
exec /usr/libexec/berth/hook < "$file"
"""
TOML = """\
[agents.idle]
driver = "demo"
args = ["--hook", "/projects/hook"]

[agents.busy]
driver = "demo"
args = ["--hook", "/projects/hook"]
env.BERTH_DEMO_LEDGER = "1"

[agents.polite]
driver = "command"
command = ["sh", "-c", 'trap "echo asked >> /projects/polite; exit 0" TERM; while :; do sleep 600 & wait; done']
silence = "500ms"

[agents.stubborn]
driver = "command"
command = ["sh", "-c", 'trap "echo asked >> /projects/stubborn" TERM; while :; do sleep 600 & wait; done']
silence = "500ms"
"""


@pytest.fixture
def appliance(boot):
    made = boot(TOML, wait=False)
    for name, mode, text in ("hook", 0o755, HOOK), ("polite", 0o666, ""), ("stubborn", 0o666, ""), ("hooks.jsonl", 0o666, ""):
        (made.projects / name).write_text(text)
        (made.projects / name).chmod(mode)
    made.wait_ready()
    return made


def hook_events(appliance, session):
    """What one conversation's hooks said, in order."""
    decoder, text, events = json.JSONDecoder(), (appliance.projects / "hooks.jsonl").read_text(), []
    while text.strip():
        hook, end = decoder.raw_decode(text.lstrip())
        text = text.lstrip()[end:]
        if hook["session_id"] == session:
            events.append((hook["hook_event_name"], hook.get("reason")))
    return events


def states(appliance):
    return {row["name"]: row["state"] for row in appliance.agents()}


def no_zombies(appliance):
    """What has just ended may be one for a moment."""
    appliance.wait(lambda: appliance.sh("! grep -l '^State:.Z' /proc/[0-9]*/status", check=False).status == 0, 5, "no zombies")


@pytest.mark.parametrize("signal", ["stop", "INT"])
def test_stop_asks_all_agents_ends_in_time_and_the_next_start_goes_on(appliance, signal):
    sessions = {row["name"]: row["session"] for row in appliance.agents()}
    assert appliance.ask("hello", "idle")["state"] == "answered"       # a conversation begins with its first prompt
    running = appliance.send("[[sleep 600000]] [[say never]]", "busy")
    appliance.wait_message(running, "delivered")
    waiting = appliance.send("[[say later]]", "busy")
    no_zombies(appliance)

    begun = time.monotonic()
    if signal == "stop":
        assert appliance.stop().status == 0
    else:
        appliance.engine("kill", "--signal", signal, appliance.name)
        appliance.wait(lambda: not appliance.running(), 30, "it ends")
        assert appliance.inspect("{{.State.ExitCode}}") == "0"
    assert time.monotonic() - begun < STOP_MAX_S
    assert "s6-ftrigrd" not in appliance.logs()
    for name in "idle", "busy":
        assert hook_events(appliance, sessions[name])[-1] == ("SessionEnd", "other")
    for name in "polite", "stubborn":
        assert (appliance.projects / name).read_text() == "asked\n"

    appliance.start()
    appliance.wait_ready("idle", "polite", "stubborn")
    assert appliance.wait_message(running, "answered")["attempts"] == 1       # by the turn that continued it
    assert "later" in appliance.wait_message(waiting, "answered")["answer"]
    after = {row["name"]: row for row in appliance.agents()}
    for name in "idle", "busy":
        assert (after[name]["session"], after[name]["resumed"]) == (sessions[name], True)
    child = next(row["id"] for row in appliance.berth("inbox", "busy") if row["parent"] == running)
    assert [message.id for message in read_ledger(appliance)] == [running, child, waiting]
    no_zombies(appliance)


def test_stopping_one_agent_leaves_nothing_of_it(appliance):
    rows = {row["name"]: row for row in appliance.agents()}
    for name, seconds in ("polite", 3), ("idle", 3), ("stubborn", STOP_MAX_S + 1):
        begun = time.monotonic()
        appliance.berth("stop", name)
        assert time.monotonic() - begun < seconds
        assert states(appliance)[name] == "stopped"
        left = [p for p in appliance.pids() if p.pid in (rows[name]["pid"], rows[name]["shim_pid"])
                or p.ppid in (rows[name]["pid"], rows[name]["shim_pid"])]
        assert left == []
    assert not [p for p in appliance.pids() if p.args == ("sleep", "600")]
    assert hook_events(appliance, rows["idle"]["session"])[-1] == ("SessionEnd", "other")
    assert (appliance.projects / "stubborn").read_text() == (appliance.projects / "polite").read_text() == "asked\n"
    assert states(appliance)["busy"] == "ready"

    appliance.berth("start", "stubborn")
    appliance.wait_state("stubborn", "ready")
    begun = time.monotonic()
    appliance.berth("stop", "stubborn", "--now")
    assert time.monotonic() - begun < 3
    assert (appliance.projects / "stubborn").read_text() == "asked\n"
    no_zombies(appliance)


def test_stop_in_the_middle_of_a_start_ends_in_time(boot):
    appliance = boot(wait=False)
    for _ in range(2):
        stopped = appliance.stop()
        assert stopped.status == 0 and stopped.seconds < STOP_MAX_S
        appliance.start()
    appliance.wait_ready()
    assert appliance.ask("hello", "demo")["state"] == "answered"


def test_stop_without_a_launcher_ends_in_time(boot):
    appliance = boot()
    session = appliance.agent("demo")["session"]
    appliance.sh("s6-svc -wd -d /run/s6/launcher", user=0)
    stopped = appliance.stop()
    assert stopped.status == 0 and stopped.seconds < STOP_MAX_S
    appliance.start()
    appliance.wait_ready()
    assert appliance.agent("demo")["session"] == session


def test_who_waits_is_told_that_the_appliance_stops(boot):
    """Also of the last agent that ends, of which there is only one here: the launcher ends with it."""
    appliance = boot()
    waiter = appliance.background('berth send --wait "[[sleep 600000]] [[say never]]"')
    appliance.wait(lambda: [row for row in appliance.berth("inbox", "demo") if row["state"] == "delivered"], 20, "it is under way")
    message = appliance.berth("inbox", "demo")[0]["id"]
    assert appliance.stop().seconds < STOP_MAX_S
    assert f"berth: the appliance is stopping\n  the message stays: `berth wait {message}`" in waiter.communicate(timeout=10)[1]
    assert waiter.returncode == 8

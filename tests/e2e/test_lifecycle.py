"""Agents' lives: what a kill -9 of any part costs (nothing), backoff and crash loops, and what people want."""

import random
import time
from collections import Counter

import pytest
from berthtest import read_ledger

RESTART = """\
[restart]
backoff_min = "250ms"
backoff_max = "400ms"
max_crashes = 3
"""
DEMO = """\
[agents.{}]
driver = "demo"
env.BERTH_DEMO_LEDGER = "1"
"""
DEMOS = DEMO.format("idle") + DEMO.format("working") + DEMO.format("deaf") + DEMO.format("manual") + 'start = "manual"\n'
DOOMED = """\
[agents.doomed]
driver = "command"
command = ["/bin/false"]
start = "manual"
"""
AGENTS = ["idle", "working", "deaf"]


@pytest.fixture(scope="module")
def unhurried(boot_shared):
    """One with the default backoff, whose crash loop runs beside the other tests."""
    made = boot_shared(DOOMED)
    made.berth("start", "doomed")
    return made


@pytest.fixture(scope="module")
def shared(boot_shared, unhurried):
    return boot_shared(RESTART + DEMOS + DOOMED)


@pytest.fixture
def appliance(shared):
    """Its agents are ready, whatever the test before did."""
    for row in shared.agents():
        if row["name"] in AGENTS and row["state"] in ("stopped", "held"):
            shared.berth("start", row["name"])
    wait_all_ready(shared)
    return shared


def by_name(rows):
    return {row["name"]: row for row in rows}


def wait_all(appliance, condition, what):
    """Until the condition holds for each agent's row; returns the rows by name."""
    def rows():
        found = by_name(appliance.agents())
        return found if all(condition(found[name]) for name in AGENTS) else None
    return appliance.wait(rows, 30, f"{what}: {AGENTS}")


def wait_all_ready(appliance):
    return wait_all(appliance, lambda row: row["state"] == "ready", "ready")


# ---- kill -9 ---------------------------------------------------------------------------------

def service_pids(appliance):
    return {row["name"]: row["pid"] for row in appliance.berth("status", check=False)["services"]}


def kill(appliance, *pids):
    appliance.sh('kill -9 "$@"', *pids, user=0)


def kill_service(appliance, name):
    """Returns when there is another one."""
    pid = service_pids(appliance)[name]
    kill(appliance, pid)
    appliance.wait(lambda: service_pids(appliance)[name] not in (None, pid), 20, f"another {name} than {pid}")


def kill_agents(appliance, rows, key):
    """All agents at once, or their shims; returns when there are others."""
    kill(appliance, *(rows[name][key] for name in AGENTS))
    wait_all(appliance, lambda row: row[key] not in (0, rows[row["name"]][key]), f"another {key}")


def moments(appliance):
    """One agent idle, one in the middle of a turn, one that doesn't read what was typed to it; the two messages."""
    assert appliance.ask("[[deaf 5000]] [[say deaf now]]", "deaf")["state"] == "answered"
    typed = appliance.send("[[say heard]]", "deaf")
    running = appliance.send("[[sleep 4000]] [[say slept]]", "working")
    appliance.wait_message(running, "delivered")
    assert appliance.message(typed)["state"] == "delivering"
    return running, typed


def accepted(appliance):
    """How often the agents took each message."""
    counts = Counter(message.id for message in read_ledger(appliance))
    assert max(counts.values()) == 1, f"more than once: {counts.most_common(3)}"
    return counts


@pytest.mark.parametrize("victim", ["launcher", "spawn", "fifo"])
def test_killed_service_costs_no_agent_and_no_message(appliance, victim):
    before = by_name(appliance.agents())
    running, typed = moments(appliance)
    kill_service(appliance, victim)
    asked = appliance.ask("[[say here]]", "idle")
    rows = [asked, appliance.wait_message(running, "answered"), appliance.wait_message(typed, "answered")]
    assert [(row["answer"], row["attempts"]) for row in rows] == [("here", 1), ("slept", 1), ("heard", 1)]
    counts = accepted(appliance)
    assert [counts[row["id"]] for row in rows] == [1, 1, 1]
    assert not [row for row in appliance.berth("inbox", "-n", 1000) if row["parent"] == running]
    after = wait_all_ready(appliance)
    for name in AGENTS:
        for key in "pid", "shim_pid", "session", "restarts":
            assert after[name][key] == before[name][key]


def service(appliance, name):
    return by_name(appliance.berth("status", check=False)["services"])[name]


def test_service_that_somebody_stopped_is_a_problem(appliance):
    assert appliance.status_of("status", "--quiet", "--parts") == 0
    appliance.sh("s6-svc -wd -d /run/s6/reconcile", user=0)
    assert service(appliance, "reconcile")["state"] == "stopped"
    assert appliance.status_of("status", "--quiet", "--parts") == 1
    assert "service reconcile was stopped by hand" in appliance.berth("status", check=False, json=False)
    appliance.sh("s6-svc -wu -u /run/s6/reconcile", user=0)
    assert appliance.status_of("status", "--quiet", "--parts") == 0


def test_service_that_is_held_down_is_a_problem(appliance):
    appliance.sh("cd /run/s6/fifo && rm run && printf '#!/bin/sh\\nexit 100\\n' > run && chmod 755 run && s6-svc -r .", user=0)
    appliance.wait(lambda: service(appliance, "fifo")["state"] == "held", 20, "it is held down")
    assert appliance.status_of("status", "--quiet", "--parts") == 1
    said = appliance.berth("status", check=False, json=False)
    assert "service fifo has been held down for" in said and "exit code 100" in said and "/data/log/fifo" in said
    appliance.sh("ln -sf /etc/s6/fifo/run /run/s6/fifo/run && s6-svc -wU -u /run/s6/fifo", user=0)
    assert appliance.status_of("status", "--quiet", "--parts") == 0


@pytest.mark.parametrize("victim", ["tmux", "shim", "agent"])
def test_killed_agent_resumes_its_conversation(appliance, victim):
    before, launcher = by_name(appliance.agents()), service_pids(appliance)["launcher"]
    running, typed = moments(appliance)
    at = time.time()
    if victim == "tmux":
        kill_service(appliance, "tmux")
    else:
        kill_agents(appliance, before, "shim_pid" if victim == "shim" else "pid")
    asked = appliance.ask("[[say here]]", "idle")
    rows = [asked, appliance.wait_message(running, "answered"), appliance.wait_message(typed, "answered")]
    children = [row for row in appliance.berth("inbox", "-n", 1000) if row["parent"] == running]
    assert [row["answer"] for row in rows] == ["here", f"You said: {children[0]['text']}", "heard"]
    assert [row["state"] for row in children] == ["answered"] and running in children[0]["text"]
    counts = accepted(appliance)
    assert [counts[row["id"]] for row in rows + children] == [1, 1, 1, 1]
    events = appliance.berth("events", "-n", 1000)
    assert [event["new"] for event in events if event["id"] == running] == [
        "queued", "delivering", "delivered", "interrupted", "answered"]
    after, gone = wait_all_ready(appliance), {p.pid for p in appliance.pids()}
    for name in AGENTS:
        assert (after[name]["session"], after[name]["resumed"]) == (before[name]["session"], True)
        assert after[name]["pid"] != before[name]["pid"] and before[name]["pid"] not in gone
        fell = [event for event in events if event["id"] == name and event["new"] == "crashed"][-1]
        assert -1 < fell["at"] / 1000 - at < 3
    assert service_pids(appliance)["launcher"] == launcher


def test_agents_that_a_new_launcher_found_may_end(appliance):
    kill_service(appliance, "launcher")
    rows, launcher = wait_all_ready(appliance), service_pids(appliance)["launcher"]
    kill_agents(appliance, rows, "pid")
    wait_all_ready(appliance)
    assert service_pids(appliance)["launcher"] == launcher


def test_random_kills_lose_and_double_nothing(appliance, soak):
    kills, writers = (60, 4) if soak else (4, 2)
    count = kills * 5
    writing = """
        for i in $(seq "$2"); do
            berth send --json --to working "[[sleep 50]] [[say $1.$i]]" || echo "not sent: $1.$i: $?"
        done"""
    running = [appliance.background(writing, writer, count) for writer in range(writers)]
    dice = random.Random(kills)
    for _ in range(kills):
        victim = dice.choice(["launcher", "spawn", "fifo", "tmux", "shim_pid", "pid"])
        if victim.endswith("pid"):
            kill_agents(appliance, wait_all(appliance, lambda row: row[victim] != 0, "running"), victim)
        else:
            kill_service(appliance, victim)
    outputs = [process.communicate(timeout=120) for process in running]
    assert [out.count("\n") for out, _ in outputs] == [count] * writers and "not sent" not in str(outputs)
    appliance.wait(lambda: set(appliance.berth("status")["launcher"]["queue"]) <= {"answered"}, 120, "all is answered")
    texts = Counter(row["text"] for row in appliance.berth("inbox", "working", "-n", 1000) if "sleep 50" in row["text"])
    assert len(texts) == writers * count and max(texts.values()) == 1
    accepted(appliance)


# ---- backoff and crash loops -----------------------------------------------------------------

def pauses(appliance):
    """Seconds from each crash to the start after it."""
    events = [event for event in appliance.events("agent", "doomed") if event["new"] in ("crashed", "starting")]
    return [(after["at"] - before["at"]) / 1000 for before, after in zip(events, events[1:]) if before["new"] == "crashed"]


def assert_jittered(found, planned):
    """20 % up or down, and never by plan on the second; what the machine adds is no jitter."""
    assert len(found) == len(planned)
    for pause, plan in zip(found, planned):
        assert plan * 0.79 <= pause <= plan * 1.2 + 0.5


def test_crash_loop_is_held_with_its_reason_and_started_by_hand(appliance):
    appliance.berth("start", "doomed")
    held = appliance.wait_state("doomed", "held")
    assert held["reason"] == "3 crashes in a row, the last: exit status 1"
    assert_jittered(pauses(appliance), [0.25, 0.4])          # not longer than backoff_max
    problem = next(p for p in appliance.berth("status", check=False)["launcher"]["problems"] if p["agent"] == "doomed")
    assert "held" in problem["what"] and problem["why"] == held["reason"]
    appliance.berth("start", "doomed")
    appliance.wait(lambda: len(pauses(appliance)) > 2, 10, "it is tried again")
    assert_jittered(pauses(appliance)[2:3], [0.25])          # from the beginning
    appliance.berth("stop", "doomed")
    assert appliance.wait_state("doomed", "stopped")["want"] == "stop"


def test_kills_from_outside_are_no_crash_loop(appliance):
    before = by_name(appliance.agents())
    for _ in range(4):
        kill_agents(appliance, wait_all_ready(appliance), "pid")
    after = wait_all_ready(appliance)
    assert [after[name]["session"] for name in AGENTS] == [before[name]["session"] for name in AGENTS]
    crashes = [event for event in appliance.berth("events", "-n", 200) if event["new"] == "crashed"]
    assert {event["cause"] for event in crashes[-12:]} == {"killed by signal 9 (Killed)"}


# ---- what people want ------------------------------------------------------------------------

def test_exit_typed_at_its_terminal_stops_it(appliance):
    session = appliance.agent("working")["session"]
    appliance.type("working", "exit", "Enter")
    stopped = appliance.wait_state("working", "stopped")
    assert (stopped["want"], stopped["reason"]) == ("stop", "ended at its terminal")
    appliance.berth("start", "working")
    assert appliance.wait_state("working", "ready")["session"] == session


def test_message_to_a_stopped_agent_waits_for_its_start(appliance):
    appliance.berth("stop", "working", "--reason", "a rest")
    assert appliance.agent("working")["reason"] == "a rest"
    sent = appliance.send("[[say awake]]", "working")
    assert appliance.message(sent)["state"] == "queued"
    appliance.berth("start", "working")
    assert appliance.wait_message(sent, "answered")["answer"] == "awake"


def test_what_people_want_outlives_a_restart(appliance):
    sessions = {name: appliance.agent(name)["session"] for name in ("working", "idle")}
    appliance.berth("stop", "working")
    appliance.berth("hold", "idle", "--reason", "look at me")
    assert appliance.stop().status == 0
    appliance.start()
    appliance.wait(lambda: appliance.berth("status", check=False)["launcher"]["tmux"]["up"], 30, "the launcher is back")
    rows = {row["name"]: (row["state"], row["reason"]) for row in appliance.agents()}
    assert [rows[name][0] for name in ("working", "idle", "manual")] == ["stopped", "held", "stopped"]
    assert rows["idle"][1] == "look at me"
    for name in "working", "idle", "manual":
        appliance.berth("start", name)
        row = appliance.wait_state(name, "ready")
        assert row["session"] == sessions.get(name, row["session"])
    appliance.berth("stop", "manual")


def test_apply_touches_only_what_changed(appliance):
    before = {name: appliance.agent(name) for name in ("working", "idle")}
    changed = DEMOS.replace("[agents.idle]", '[agents.idle]\nenv.EDITOR = "vi"') + '[agents.new]\ndriver = "demo"\n'
    answer = appliance.configure(RESTART + changed)
    assert set(answer["changes"]) == {"~ agent idle (restarts)", "+ agent new", "- agent doomed"}
    appliance.wait_ready("working", "idle", "new")
    appliance.wait(lambda: "doomed" not in [row["name"] for row in appliance.agents()], 10, "doomed is gone")
    assert appliance.agent("working")["pid"] == before["working"]["pid"]
    idle = appliance.agent("idle")
    assert idle["pid"] != before["idle"]["pid"] and idle["session"] == before["idle"]["session"]
    assert appliance.configure(RESTART + changed)["changes"] == []

    new = appliance.agent("new")
    answer = appliance.configure(RESTART + DEMOS + DOOMED)
    assert set(answer["changes"]) == {"~ agent idle (restarts)", "- agent new", "+ agent doomed"}
    appliance.wait(lambda: "new" not in [row["name"] for row in appliance.agents()], 10, "new is gone")
    appliance.wait(lambda: not {new["pid"], new["shim_pid"]} & {p.pid for p in appliance.pids()}, 10, "new's processes are gone")
    assert appliance.status_of("send", "new", "hello") == 3
    wait_all_ready(appliance)
    assert appliance.agent("working")["pid"] == before["working"]["pid"]


def test_removal_that_no_launcher_saw_ends_what_runs(appliance):
    appliance.configure(RESTART + DEMOS + DOOMED + '[agents.new]\ndriver = "demo"\n')
    new = appliance.wait_state("new", "ready")
    appliance.sh("s6-svc -wd -d /run/s6/launcher", user=0)
    appliance.write("/data/berth.toml", RESTART + DEMOS + DOOMED, mode=0o640)
    removals = appliance.service_log("reconcile").count("- agent new")
    appliance.sh("echo > /run/berth/apply", user=900)
    appliance.wait(lambda: appliance.service_log("reconcile").count("- agent new") > removals, 10, "it is applied")
    assert new["pid"] in {p.pid for p in appliance.pids()}
    appliance.sh("s6-svc -u /run/s6/launcher", user=0)
    appliance.wait(lambda: not {new["pid"], new["shim_pid"]} & {p.pid for p in appliance.pids()}, 20, "new's processes are gone")
    appliance.wait(lambda: new["pane"] not in appliance.tmux("list-panes", "-a", "-F", "#{pane_id}").split(), 20, "its window is gone")
    assert appliance.status_of("send", "new", "hello") == 3
    wait_all_ready(appliance)


def test_new_conversation_is_told_what_was_cut_in_the_old_one(appliance):
    appliance.configure(RESTART + DEMOS + DOOMED + '[agents.fresh]\ndriver = "demo"\nconversation = "fresh"\nenv.BERTH_DEMO_LEDGER = "1"\n')
    before = appliance.wait_state("fresh", "ready")
    sent = appliance.send("[[sleep 2000]] [[say done]]", "fresh")
    appliance.wait_message(sent, "delivered")
    appliance.sh('kill -9 "$1"', before["shim_pid"], user=0)
    row = appliance.wait_message(sent, "answered", timeout=30)
    assert (row["answer"], row["attempts"]) == ("done", 1)
    after = appliance.agent("fresh")
    assert after["session"] != before["session"] and not after["resumed"]
    prompts = [message.text for message in read_ledger(appliance) if "[[sleep 2000]] [[say done]]" in message.text]
    assert len(prompts) == 2 and "This conversation doesn't have it any more" in prompts[1]


def test_default_backoff_doubles_from_a_second(unhurried):
    held = unhurried.wait_state("doomed", "held", timeout=60)
    assert held["reason"] == "5 crashes in a row, the last: exit status 1"
    assert_jittered(pauses(unhurried), [1, 2, 4, 8])

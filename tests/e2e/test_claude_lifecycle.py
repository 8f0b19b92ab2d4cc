"""Long lives of the real Claude Code: whatever is killed, cut, restarted, cleared or logged out, the same conversation
goes on, and what people sent is done once. Two agents are always there; `spare` is for what people do to one."""

import json
import re
import statistics
from concurrent.futures import ThreadPoolExecutor

import pytest
from berthtest import CLAUDE_TOML

BOTH = ["one", "two"]
TOML = "".join(CLAUDE_TOML.replace("agents.claude", f"agents.{name}") + 'batch = "single"\n' for name in (*BOTH, "spare"))
TOML += 'start = "manual"\n'
KILLS = 20
RESUMED_S = 5


@pytest.fixture
def claude(request, shared_claudes, claude_image):
    """Its two agents are ready, whatever the test before did."""
    made = shared_claudes(claude_image, request.node)
    wait_ready(made)
    return made


@pytest.fixture
def spare(claude):
    """The third one's row, once it is ready."""
    if claude.agent("spare")["want"] != "run":
        claude.berth("start", "spare")
    return claude.wait_state("spare", "ready")


def rows(claude, *names):
    found = {row["name"]: row for row in claude.agents()}
    return [found[name] for name in names or BOTH]


def wait_ready(claude, *names):
    """The agents' rows, once they are ready."""
    return claude.wait(lambda: [row for row in [rows(claude, *names)] if {agent["state"] for agent in row} == {"ready"}],
                       30, f"ready: {names or BOTH}")[0]


def keys(agents, *names):
    return [[agent[name] for name in names] for agent in agents]


def kill(claude, *pids):
    claude.sh('kill -9 "$@"', *pids, user=0)


def place(row):
    """Which prompt of its conversation the message was, as its model saw it: what came before was there."""
    assert row["state"] == "answered", row
    return int(re.fullmatch(r"ok [0-9a-f]{12} (\d+)", row["answer"])[1])


def ask(claude, agent):
    """Returns the place of the question, once the conversation has its answer, whatever is killed next."""
    row = claude.ask("What now?", agent)
    claude.wait_written(row["answer"])
    return place(row)


def ask_both(claude):
    """As ask, of both at the same time."""
    asking = 'for to; do berth send --json --wait --timeout 60s --to "$to" "What now?" & done; wait'
    said = [json.loads(line)["message"] for line in claude.sh(asking, *BOTH, timeout=90).stdout.splitlines()]
    return [place(row) for row in sorted(said, key=lambda row: BOTH.index(row["agent"]))]


def steps(claude, message):
    """The states of a message, and why, from the first to the last."""
    return [(event["new"], event["cause"]) for event in claude.events("message", message)]


def continuation(claude, message):
    """The message by which berth asks an agent to go on with one that was cut."""
    return next((row for row in claude.berth("inbox", "-n", 1000) if row["parent"] == message), None)


def run_into(claude, agent, script):
    """Sends a message whose last word its model never says. Returns its id, when its turn hangs there."""
    claude.endpoint.reset()
    sent = claude.send(script + " [[hang]]", agent)
    asked = script.count("[[tool ") + 1
    claude.wait(lambda: len(claude.endpoint.requests()) == asked, 30, f"{sent} is worked on")
    claude.wait_written(f"berth {sent}")
    return sent


# ---- kill -9 ---------------------------------------------------------------------------------

def kill_and_ask(claude, agent, kills):
    """Kills it again and again when it is ready. Seconds from each kill to the `ready` that followed its crash."""
    place, first = ask(claude, agent), wait_ready(claude, agent)[0]
    before, killed = first, []
    for n in range(1, kills + 1):
        said = claude.exec(["bash", "-c", 'echo $EPOCHREALTIME; kill -9 "$1"', "bash", str(before["pid"])], user=0)
        killed.append(float(said.stdout))
        assert ask(claude, agent) == place + n
        after = wait_ready(claude, agent)[0]
        assert (after["session"], after["resumed"], after["restarts"]) == (first["session"], True, first["restarts"] + n)
        assert after["pid"] != before["pid"]
        before = after
    events = claude.events("agent", agent, 1000)
    crashes = [n for n, event in enumerate(events) if event["new"] == "crashed"][-kills:]
    assert {events[n]["cause"] for n in crashes} == {"killed by signal 9 (Killed)"}
    ready = [next(event["at"] for event in events[n:] if event["new"] == "ready") for n in crashes]
    return [at / 1000 - moment for at, moment in zip(ready, killed, strict=True)]


def test_killed_agent_is_back_in_its_conversation_within_5_s(claude, capsys):
    """With the default settings: a kill from outside of an agent that ran isn't counted as its crash, so each of them
    waits for the first backoff only, be they an hour apart or seconds."""
    with ThreadPoolExecutor() as pool:
        took = sorted(sum(pool.map(lambda agent: kill_and_ask(claude, agent, KILLS // len(BOTH)), BOTH), []))
    p95 = took[int(len(took) * 0.95) - 1]
    with capsys.disabled():
        print(f"\n{len(took)} kills to ready: median {statistics.median(took):.2f} s, p95 {p95:.2f} s, worst {took[-1]:.2f} s")
    assert len(took) == KILLS and p95 <= RESUMED_S


def test_killed_in_the_middle_of_a_turn_it_goes_on_with_the_message(claude):
    sent = run_into(claude, "one", '[[tool Bash {"command":"echo once >> cut"}]]')
    kill(claude, claude.agent("one")["pid"])
    ended, child = claude.wait_message(sent, "answered"), continuation(claude, sent)
    states, causes = zip(*steps(claude, sent))
    assert states == ("queued", "delivering", "delivered", "interrupted", "answered")
    assert causes[3] == "its process ended" and causes[3] in child["text"] and sent in child["text"]
    assert (child["state"], child["attempts"], ended["attempts"]) == ("answered", 1, 1)
    assert ended["answer"] == child["answer"] and place(child) > 1
    assert [message["id"] for message in claude.endpoint.messages()] == [sent, child["id"]]
    assert (claude.projects / "cut").read_text() == "once\n"


def test_message_that_its_conversation_lacks_after_a_kill_is_told_again(claude, spare):
    """Killed by a hook of its user's, which the CLI runs before it writes the prompt down and asks its model."""
    hook = '[ "$BERTH_AGENT" != spare ] || [ -e /projects/killed ] || { touch /projects/killed; kill -9 $PPID; }'
    settings = {"hooks": {"UserPromptSubmit": [{"hooks": [{"type": "command", "command": hook}]}]}}
    claude.berth("stop", "spare")
    claude.write("/data/home/agent/.claude/settings.json", json.dumps(settings), user=spare["uid"])
    claude.berth("start", "spare")
    ended = claude.ask("[[say nothing else says this]]", "spare")
    assert (ended["state"], ended["answer"]) == ("answered", "nothing else says this")
    assert (claude.projects / "killed").exists() and claude.agent("spare")["restarts"] == spare["restarts"] + 1
    assert len([prompt for prompt in claude.endpoint.prompts() if "nothing else" in prompt["text"]]) == 1


def kill_launcher(claude):
    """Kills it as soon as there is one."""
    def pid():
        services = claude.berth("status", check=False)["services"]
        return max(0, next(row["pid"] or 0 for row in services if row["name"] == "launcher"))
    kill(claude, claude.wait(pid, 20, "there is a launcher"))


def test_launcher_killed_again_and_again_costs_no_agent_and_no_message(claude, soak):
    kills, count = (50, 100) if soak else (6, 10)
    before = rows(claude)
    writing = """for i in $(seq "$2"); do
            berth send --json --to "$1" "[[sleep $((i % 4 * 100))]] [[say $1 $i]]" || echo "not sent: $i"
        done"""
    writers = [claude.background(writing, name, count) for name in BOTH]
    for _ in range(kills):
        there = len(claude.endpoint.prompts())
        kill_launcher(claude)
        claude.wait(lambda: len(claude.endpoint.prompts()) > there, 60, "one more message is delivered")
    sent = [[json.loads(line)["id"] for line in writer.communicate(timeout=120)[0].splitlines()] for writer in writers]
    claude.wait(lambda: set(claude.berth("status")["launcher"]["queue"]) <= {"answered"}, 120, "all is answered")
    ended = {row["id"]: row["answer"] for row in claude.berth("inbox", "-n", 1000)}
    for agent, ids in zip(BOTH, sent):
        assert [ended[name] for name in ids] == [f"{agent} {n}" for n in range(1, count + 1)]
    arrived = [message["id"] for message in claude.endpoint.messages()]
    assert [[name for name in arrived if name in ids] for ids in sent] == sent and len(arrived) == 2 * count
    same = "pid", "shim_pid", "session", "restarts"
    assert keys(wait_ready(claude), *same) == keys(before, *same)


# ---- restarts of the container ---------------------------------------------------------------

@pytest.mark.parametrize("how", ["stop and start", "power cut"])
def test_restarted_container_goes_on_with_every_conversation_and_leaves_alone_what_was_stopped(claude, spare, how):
    places, resting = ask_both(claude), ask(claude, "spare")
    before = rows(claude, *BOTH, "spare")
    claude.berth("stop", "spare", "--reason", "a rest")
    cut = run_into(claude, "two", "")
    if how == "power cut":
        claude.power_cut()
    else:
        assert claude.stop().status == 0
    claude.start()
    claude.wait_message(cut, "answered")
    assert place(continuation(claude, cut)) == places[1] + 2
    assert ask_both(claude) == [places[0] + 1, places[1] + 3]
    assert "interrupted" in dict(steps(claude, cut))
    after = wait_ready(claude)
    assert keys(after, "session", "resumed") == [[row["session"], True] for row in before[:2]]
    stopped = claude.agent("spare")
    assert [stopped[key] for key in ("state", "want", "reason", "pid")] == ["stopped", "stop", "a rest", 0]
    claude.berth("start", "spare")
    assert ask(claude, "spare") == resting + 1
    assert claude.agent("spare")["session"] == before[2]["session"]


# ---- what people do at its terminal, and to its files ----------------------------------------

def command(claude, agent, text):
    """A slash command as a person types it: Enter when the menu shows it."""
    claude.type(agent, text)
    claude.wait(lambda: text in claude.screen(agent), 10, f"{text} is typed")
    claude.type(agent, "Enter")


def test_exit_typed_at_its_terminal_stays_stopped(claude, spare):
    before = ask(claude, "spare")
    command(claude, "spare", "/exit")
    stopped = claude.wait_state("spare", "stopped")
    assert (stopped["want"], stopped["reason"]) == ("stop", "ended at its terminal")
    waits = claude.send("What now?", "spare")
    claude.kill9("^launcher$")
    ask_both(claude)
    assert (claude.agent("spare")["state"], claude.message(waits)["state"]) == ("stopped", "queued")
    claude.berth("start", "spare")
    assert place(claude.wait_message(waits, "answered")) == before + 1
    assert claude.agent("spare")["session"] == spare["session"]


def test_cleared_by_a_person_its_new_conversation_goes_on(claude, spare):
    ask(claude, "spare")
    command(claude, "spare", "/clear")
    new = claude.wait(lambda: [row["session"] for row in [claude.agent("spare")] if row["session"] != spare["session"]], 10,
                      "another conversation")
    assert ask(claude, "spare") == 1
    kill(claude, claude.agent("spare")["pid"])
    assert ask(claude, "spare") == 2
    row = claude.agent("spare")
    assert ([row["session"]], row["resumed"]) == (new, True)
    asked = [request["session"] for request in claude.endpoint.requests() if request["prompts"]]
    assert asked == [spare["session"], *new, *new]


def test_failed_login_is_held_within_one_try_until_it_is_started(claude, spare):
    before = ask(claude, "spare")
    claude.endpoint.script("[[error 401]]", times=0)
    refused = claude.ask("What now?", "spare")
    assert refused["state"] == "unanswered" and "authentication_failed" in refused["reason"]
    claude.wait_written(f"berth {refused['id']}")
    kill(claude, claude.wait_state("spare", "auth-failed")["pid"])
    held = claude.wait_state("spare", "held")
    waits = claude.send("What now?", "spare")
    assert "not logged in" in held["reason"] and held["pid"] == 0
    assert [request["answer"]["status"] for request in claude.endpoint.requests()][1:] == [401]
    claude.endpoint.reset()
    assert claude.message(waits)["state"] == "queued"
    claude.berth("start", "spare")
    assert place(claude.wait_message(waits, "answered")) == before + 2
    assert claude.agent("spare")["session"] == spare["session"]


def test_lost_transcript_is_a_new_beginning_and_said(claude, spare):
    assert ask(claude, "spare") > 0
    claude.berth("stop", "spare")
    found = claude.sh('find /data/home/agent/.claude/projects -name "$1.jsonl" -delete -print', spare["session"]).stdout
    assert found.count("\n") == 1
    claude.berth("start", "spare")
    assert ask(claude, "spare") == 1
    row = claude.agent("spare")
    assert row["resumed"] is False
    lost = [event for event in claude.berth("events", "-n", 100) if event["entity"] == "session" and event["new"] == "lost"]
    assert lost and "gone" in lost[-1]["cause"]
    assert "its transcript is gone" in claude.service_log("launcher")

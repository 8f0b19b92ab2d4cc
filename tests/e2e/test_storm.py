"""Storms: many messages from several writers while every part is killed at random. Nothing is lost, nothing comes
twice, and what nobody can know is said to be so, at most once for each kill that could cause it.

What is drawn is drawn from a seed, which the test prints; BERTH_SEED=N draws the same again. BERTH_SOAK=1: whole size.
"""

from collections import Counter

import pytest
from berthtest import read_ledger

AGENTS = ["ada", "bob", "cyd", "dan"]
TOML = """\
[restart]
backoff_min = "100ms"
backoff_max = "400ms"
""" + "".join(f"""\
[agents.{name}]
driver = "demo"
env.BERTH_DEMO_LEDGER = "1"
""" for name in AGENTS)

# What a message may be: quick, slow, deaf for a while, long, of several lines
KINDS = ["[[say {0}]]", "[[sleep 40]] [[say {0}]]", "[[deaf 150]] [[say {0}]]", "{0} [[fill 20000]]", "first line\nsecond line of {0}"]
# One message a file of $2; each is sent until the launcher has said that it has it, with one key, so once.
WRITER = """
for file in "$2"/*; do
    until berth send --dedupe "storm-$1-${file##*/}" --to "$(basename "$file" | cut -d. -f2)" - < "$file" > /dev/null 2>> "$2.log"; do
        [ -e "$2.log" ] || exit 1
    done
done
echo done"""
ENDED = {"answered", "unanswered", "indeterminate"}
SERVICES = ["launcher", "spawn", "fifo", "tmux"]


@pytest.fixture
def storm(boot, dice):
    return boot(TOML)


def write(appliance, dice, writers, count):
    """Starts the writers; what they write lies in /tmp/storm.N/<number>.<agent>. Returns the processes."""
    script = ""
    for writer in range(writers):
        script += f"mkdir -p /tmp/storm.{writer}\n"
        for i in range(count // writers):
            text = dice.choice(KINDS).format(f"{writer}.{i}")
            script += f"printf '%s' '{text}' > /tmp/storm.{writer}/{i:05}.{dice.choice(AGENTS)}\n"
    appliance.exec(["sh"], input=script)
    return [appliance.background(WRITER, writer, f"/tmp/storm.{writer}") for writer in range(writers)]


def kill_one(appliance, dice, victims):
    """kill -9 of a random victim, if it is there in this moment; returns which."""
    victim = dice.choice(victims)
    if victim in SERVICES:
        script = 'pid=$(s6-svstat -o pid /run/s6/"$1"); [ "$pid" -gt 1 ] && kill -9 "$pid"'
        done = appliance.sh(script, victim, user=0, check=False).status == 0
    else:
        rows = [row for row in appliance.berth("ls", check=False) or [] if isinstance(row, dict) and row.get(victim)]
        done = bool(rows) and appliance.sh('kill -9 "$1"', dice.choice(rows)[victim], user=0, check=False).status == 0
    return victim if done else None


def messages(appliance):
    """All of them, by id."""
    rows = [row for agent in AGENTS for row in appliance.berth("inbox", agent, "-n", 1000)]
    return {row["id"]: row for row in rows}


def calm(appliance):
    """Waits until all has ended and the agents are ready again; returns the messages that people sent."""
    def ended():
        launcher = appliance.berth("status", check=False)["launcher"]      # none in this moment: None
        return launcher and set(launcher["queue"]) <= ENDED
    appliance.wait(ended, 300, "all has ended")
    appliance.wait_ready(*AGENTS, timeout=60)
    return {name: row for name, row in messages(appliance).items() if not row["parent"]}


def judge(appliance, sent, doubtful):
    accepted = Counter(entry.id for entry in read_ledger(appliance))
    states = Counter(row["state"] for row in sent.values())
    print(f"{len(sent)} messages: {dict(states)}, {sum(accepted.values())} prompts' messages")
    twice = {name: n for name, n in accepted.items() if n > 1}
    assert not twice, f"seen more than once: {twice}"
    lost = [name for name, row in sent.items() if row["state"] == "answered" and accepted[name] != 1]
    assert not lost, f"answered, and never seen: {lost}"
    assert states["indeterminate"] <= doubtful
    assert all(row["reason"] for row in sent.values() if row["state"] != "answered")


@pytest.mark.parametrize("victims", [["launcher"], ["launcher", "spawn", "fifo", "tmux", "shim_pid", "pid"]],
                         ids=["launcher", "all"])
def test_nothing_is_lost_or_doubled_in_a_storm(storm, dice, soak, victims):
    count, kills = (1000, 200) if soak else (160, 30)
    writers = write(storm, dice, 4, count)
    killed = Counter()
    while sum(killed.values()) < kills:
        victim = kill_one(storm, dice, victims)
        killed[victim] += victim is not None
        storm.sh(f"sleep 0.{dice.randrange(1, 40):02}")
    assert [process.communicate(timeout=300)[0] for process in writers] == ["done\n"] * 4
    print(f"killed: {dict(killed)}")
    sent = calm(storm)
    assert len(sent) == count
    judge(storm, sent, sum(n for victim, n in killed.items() if victim in ("tmux", "shim_pid", "pid")))


def test_nothing_is_lost_or_doubled_by_power_cuts(storm, dice, soak):
    count, cuts = (1000, 20) if soak else (100, 3)
    before = 0
    for cut in range(cuts):
        share = count // cuts
        writers = write(storm, dice, 4, share)
        storm.wait(lambda: len(messages(storm)) > before + dice.randrange(share), 60, "some are there")
        storm.power_cut()
        [process.communicate(timeout=60) for process in writers]
        storm.start()
        storm.wait_ready(timeout=60)
        storm.sh("rm -rf /tmp/storm.*", user=0)
        before = len(messages(storm))
    judge(storm, calm(storm), cuts * len(AGENTS))

"""Every call that a program makes of the kernel may fail: no memory, no space, no descriptor. Whatever fails, and
wherever, in a message's life, the next start repairs it: nothing is lost, nothing comes twice.

Which calls fail is drawn from a seed, which the test prints; BERTH_SEED=N draws the same again. BERTH_SOAK=1: each of
them, once alone and once with all that follow in that process.
"""

import json
import threading
from collections import Counter

import pytest
from berthtest import TimedOut, read_ledger

TOML = """\
[restart]
backoff_min = "100ms"
backoff_max = "400ms"
max_crashes = 100
[agents.demo]
driver = "demo"
env.BERTH_DEMO_LEDGER = "1"
"""
ENDED = {"answered", "unanswered", "indeterminate", "failed"}
LASTS_S = 3     # what goes on failing, for a process that lives on with it
# With one key, so once, until the launcher says that it has it
SEND = """
until berth send --json --dedupe "$1" --to demo "[[say $1]]" 2> /dev/null; do
    tries=$((tries + 1)); [ "$tries" -lt 40 ] || exit 1
done"""
# Who takes part in a message's life, and what they ask of the kernel then
LIFE = {"launcher": ["alloc", "write", "fsync", "socket"], "agent": ["alloc", "write", "socket", "open"],
        "hook": ["alloc", "write", "socket"], "berth": ["alloc", "write", "socket"]}
# The same of a start of the appliance, and of another configuration put to use
BOOT = {"init": ["alloc", "write", "fsync", "rename", "open"], "reconcile": ["alloc", "write", "fsync", "rename", "open"],
        "launcher": ["alloc", "write", "fsync", "socket", "open"], "spawn": ["alloc", "write", "socket", "open"],
        "fifo": ["alloc", "open"], "pane": ["write", "socket"], "agent": ["alloc", "write", "socket", "open"]}
APPLY = ["alloc", "write", "fsync", "rename", "open"]


@pytest.fixture
def faulty(boot_faulty):
    return boot_faulty(TOML)


def live(appliance, key):
    """One message's life; returns its row."""
    name = json.loads(appliance.sh(SEND, key, timeout=120).stdout.strip().splitlines()[-1])["id"]

    def row():
        found = appliance.berth("show", name, check=False)
        return found if isinstance(found, dict) and found.get("state") in ENDED else None
    return appliance.wait(row, 60, f"{key} has ended")


class Sweep:
    """The calls of one kind that a program makes while `act` runs, and each of them failing."""

    def __init__(self, appliance, program, kind):
        self.faults, self.program, self.kind, self.failed = appliance.faults, program, kind, Counter()

    def count(self, act):
        self.faults.arm(self.program, self.kind, 0)
        act()
        self.calls, _, _ = self.faults.disarm()
        assert self.calls > 0, f"{self.program} makes no such call"

    def each(self, dice, most, act):
        """Yields what act returns, for all calls (most None), or for so many of them."""
        every = [(n, on) for n in range(1, self.calls + 1) for on in (False, True)]
        for n, on in every if most is None or len(every) <= most else sorted(dice.sample(every, most)):
            self.faults.arm(self.program, self.kind, n, on)
            over = threading.Timer(LASTS_S, self.faults.stop)
            over.start()
            result = act(f"{n}-{'on' if on else 'once'}")
            over.cancel()
            _, hit, call = self.faults.disarm()
            self.failed[call] += hit > 0
            print(f"{self.program} {self.kind} {n}/{self.calls} {'on' if on else 'once'}: {hit} failed, first {call or 'none'}")
            yield result
        assert self.failed.total() > 0, "no call failed"


def judge(appliance, rows):
    """A message is seen once at most, and an answered one was: itself, or, where its agent was cut before it took note,
    what goes on with it."""
    accepted = Counter(entry.id for entry in read_ledger(appliance))
    assert not {name: n for name, n in accepted.items() if n > 1}, "seen more than once"
    for row in rows:
        if row["state"] != "answered":
            assert row["reason"], row
        else:
            assert accepted[row["id"]] == 1 or accepted[row["continued_by"]] == 1, row


@pytest.mark.parametrize("program", LIFE)
def test_nothing_is_lost_or_doubled_whatever_call_fails(faulty, dice, soak, program):
    rows = []
    for kind in LIFE[program]:
        sweep = Sweep(faulty, program, kind)
        sweep.count(lambda: live(faulty, f"counted-{kind}"))
        for row in sweep.each(dice, None if soak else 3, lambda key: live(faulty, f"{kind}-{key}")):
            print(f"    {row['state']} {row['reason'] or ''}")
            rows.append(row)
            faulty.wait_ready()
    judge(faulty, rows)


@pytest.mark.parametrize("program", BOOT)
def test_a_start_in_which_a_call_fails_is_repaired(faulty, dice, soak, program):
    rows = []

    def start(key=None):
        faulty.power_cut()
        faulty.start()
        try:
            faulty.wait_ready(timeout=LASTS_S + 7)
        except (AssertionError, TimedOut):
            return False
        return True

    for kind in BOOT[program] if soak else dice.sample(BOOT[program], 1):
        sweep = Sweep(faulty, program, kind)
        sweep.count(start)
        for ready in sweep.each(dice, None if soak else 2, start):
            if not ready:
                print("    started again")
                if faulty.running():
                    faulty.power_cut()
                faulty.start()
                faulty.wait_ready()
            rows.append(live(faulty, f"after-{len(rows)}"))
    judge(faulty, rows)
    assert all(row["state"] == "answered" for row in rows)


def test_an_apply_in_which_a_call_fails_is_done_by_the_next(faulty, dice, soak):
    made = []

    def apply(key="counted"):
        made.append(f"a{len(made)}-{key}")
        faulty.write("/data/berth.toml", TOML + f'[agents.{made[-1]}]\ndriver = "demo"\n', mode=0o640)
        return faulty.berth("apply", check=False, timeout=90)

    for kind in APPLY if soak else dice.sample(APPLY, 2):
        sweep = Sweep(faulty, "reconcile", kind)
        sweep.count(apply)
        for _ in sweep.each(dice, None if soak else 2, apply):
            faulty.berth("apply")
            assert {row["name"] for row in faulty.agents()} == {"demo", made[-1]}
            faulty.wait_ready()

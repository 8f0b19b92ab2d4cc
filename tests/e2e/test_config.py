"""berth.toml and the container's environment: what they change, and that a broken one changes nothing."""

import datetime
import os
import re

import pytest
from berthtest import DEMO_TOML, SHELL_TOML

BROKEN = '[agents.demo]\ndriver = "demo"\n\n[delivery]\nhuman_idle = "soon"\nmax_queue = 0\n'
WHY = 'berth.toml:5: delivery.human_idle: "soon" is not a duration'
TOO = "berth.toml:6: delivery.max_queue: "

TOML = """\
[agents.demo]
driver = "demo"

""" + SHELL_TOML.format("first") + """\
secrets.FROM_FILE = "first-key"
secrets.FROM_ENV = "env:GRANTED"
secrets.MISSING = "env:NOT_SET"

""" + SHELL_TOML.format("second") + """\
secrets.FROM_FILE = "second-key"
uid = 2001
cwd = "/tmp"
"""
ENVIRONMENT = {"PUID": "1234", "PGID": "2345", "TZ": "Asia/Tokyo", "GRANTED": "by the environment", "OTHER": "not granted",
               "BERTH__DELIVERY__HUMAN_IDLE": "5s", "BERTH__AGENTS__FIRST__ENV__EDITOR": "vi",
               "BERTH__AGENTS__FIRST__CWD": "/var/tmp"}


@pytest.fixture(scope="module")
def appliance(boot_shared):
    return boot_shared(TOML, env=ENVIRONMENT, files={"secrets/first-key": "one\n", "secrets/second-key": "two\n"})


def said(appliance, agent, command):
    """What a command prints in an agent's shell."""
    row = appliance.ask(command, agent)
    assert row["state"] == "answered", row
    return [line.rstrip() for line in row["answer"].splitlines()][1:-1]


def why_not(appliance):
    """The problem that the status has with the configuration."""
    return [problem["why"] for problem in appliance.berth("status", check=False)["launcher"]["problems"]
            if "configuration" in problem["what"]]


# ---- a broken file ---------------------------------------------------------------------------

def test_broken_first_file_leaves_the_default_running(boot):
    appliance = boot(BROKEN, wait=False)
    appliance.wait(lambda: appliance.agent("demo")["state"] == "ready", 60, "the default's agent runs")
    assert len(why_not(appliance)) == 1 and why_not(appliance)[0].startswith(WHY)
    assert TOO in why_not(appliance)[0]
    assert WHY in appliance.logs() and TOO in appliance.logs() and "using the built-in default" in appliance.logs()
    assert appliance.status_of("status", "--quiet") == 1
    answer = appliance.configure(DEMO_TOML)
    assert answer["good"] and why_not(appliance) == []
    appliance.wait_ready()


def test_broken_file_changes_nothing_and_the_last_good_one_outlives_a_restart(boot):
    appliance = boot(DEMO_TOML.replace("demo]", "mine]") + 'env.KEPT = "yes"\n')
    before = appliance.agent("mine")
    appliance.write("/data/berth.toml", BROKEN)
    applied = appliance.exec(["berth", "apply"], check=False)
    assert applied.status == 1 and WHY in applied.stdout + applied.stderr
    checked = appliance.exec(["berth", "config", "check"], check=False)
    assert checked.status == 1 and WHY in checked.stdout
    assert [row["name"] for row in appliance.agents()] == ["mine"]
    assert appliance.agent("mine")["pid"] == before["pid"]
    assert why_not(appliance)[0].startswith(WHY) and WHY in appliance.service_log("reconcile")
    assert appliance.status_of("status", "--quiet", "--parts") == 0  # no part of it is sick

    assert appliance.stop().status == 0
    appliance.start()
    after = appliance.wait(lambda: (row := appliance.agent("mine"))["state"] == "ready" and row, 60, "it runs again")
    assert after["session"] == before["session"] and [row["name"] for row in appliance.agents()] == ["mine"]
    assert why_not(appliance)[0].startswith(WHY) and "using the last good configuration" in appliance.logs()
    assert appliance.read("/data/berth.toml") == BROKEN


def test_unreadable_file_is_named_with_its_reason(boot):
    appliance = boot(DEMO_TOML)
    for spoil, reason in (
        ("rm /data/berth.toml", "No such file or directory; `berth config default` prints one to begin with"),
        ("ln -s last-good.toml /data/berth.toml", "it is a symbolic link, and links are not followed; "),
        ("rm /data/berth.toml; mkdir /data/berth.toml", "it is a directory; "),
        ("rmdir /data/berth.toml; truncate -s 1048577 /data/berth.toml", "it is larger than 1 MiB; "),
    ):
        appliance.sh(spoil)
        applied = appliance.exec(["berth", "apply"], check=False)
        sentence = f"/data/berth.toml: {reason}"
        assert applied.status == 1 and sentence in applied.stdout, applied
        assert why_not(appliance)[0].startswith(sentence) and sentence in appliance.service_log("reconcile")
    assert appliance.configure(DEMO_TOML)["good"] and why_not(appliance) == []


def test_changed_file_is_noted_until_it_is_applied(boot):
    def notes(**options):
        return [note["what"] for note in appliance.berth("status", check=False, **options)["notes"]]

    appliance = boot(DEMO_TOML)
    assert notes() == []
    appliance.write("/data/berth.toml", DEMO_TOML + 'env.EDITOR = "vi"\n', mode=0o640)
    changed, = notes()
    assert re.fullmatch(r"berth.toml was changed at \d\d:\d\d and isn't in use yet", changed)
    assert notes(user=900) == []                    # who may not read it says nothing of it
    assert appliance.status_of("status", "--quiet") == 0
    appliance.berth("apply")
    assert notes() == []
    appliance.write("/data/berth.toml", BROKEN)
    assert appliance.status_of("apply") == 1
    assert notes() == [] and len(why_not(appliance)) == 1       # it was looked at, and said what is wrong
    appliance.write("/data/berth.toml", DEMO_TOML)
    assert len(notes()) == 1
    appliance.restart()
    assert notes() == [] and why_not(appliance) == []


def test_lost_file_comes_back(boot):
    appliance = boot(DEMO_TOML + '\n[delivery]\nhuman_idle = "3s"\n')
    was = appliance.read("/data/berth.toml")
    session = appliance.agent("demo")["session"]
    appliance.exec(["rm", "/data/berth.toml"])
    appliance.restart()
    assert appliance.read("/data/berth.toml") == was
    assert appliance.agent("demo")["session"] == session
    assert "/data/berth.toml was gone" in appliance.logs()


def test_broken_variable_is_named(boot):
    appliance = boot(env={"BERTH__DELIVERY__MAX_QUEUE": "many"}, wait=False)
    appliance.wait(lambda: appliance.agent("demo")["state"] == "ready", 60, "the default's agent runs")
    assert "BERTH__DELIVERY__MAX_QUEUE" in why_not(appliance)[0] and "many" in why_not(appliance)[0]


def test_default_is_good(boot):
    appliance = boot(toml=None)
    assert appliance.read("/data/berth.toml") == appliance.berth("config", "default", json=False)
    assert appliance.berth("config", "check") == {"good": True, "errors": []}
    assert appliance.ask("hello", "demo")["answer"] == "You said: hello"


# ---- the environment -------------------------------------------------------------------------

def test_variables_override_the_file(appliance):
    shown = appliance.berth("config", "show", json=False)
    for line in shown.splitlines():
        if "human_idle" in line:
            assert "5s" in line and "BERTH__DELIVERY__HUMAN_IDLE" in line
            break
    else:
        raise AssertionError(shown)
    assert said(appliance, "first", 'echo "[$EDITOR] in $PWD"') == ["[vi] in /var/tmp"]
    assert said(appliance, "second", 'echo "[$EDITOR] in $PWD"') == ["[] in /tmp"]


def test_agents_know_what_they_were_granted_and_nothing_else(appliance):
    ask = 'echo "[$FROM_FILE] [$FROM_ENV] [$MISSING] [$GRANTED] [$OTHER] [$PUID]"'
    assert said(appliance, "first", ask) == ["[one] [by the environment] [] [] [] []"]
    assert said(appliance, "second", ask) == ["[two] [] [] [] [] []"]


def test_new_secret_restarts_only_who_has_it(appliance):
    before = {row["name"]: row["pid"] for row in appliance.agents()}
    appliance.write("/data/secrets/second-key", "three\n", mode=0o600)
    assert appliance.berth("apply")["changes"] == ["~ agent second (restarts)"]
    appliance.wait(lambda: appliance.agent("second")["pid"] not in (0, before["second"]), 20, "second is restarted")
    appliance.wait_ready()
    assert said(appliance, "second", 'echo "[$FROM_FILE]"') == ["[three]"]
    after = {row["name"]: row["pid"] for row in appliance.agents()}
    assert (after["demo"], after["first"]) == (before["demo"], before["first"])


def test_agents_are_the_user_that_was_asked_for(appliance):
    assert said(appliance, "first", "id -u; id -g; echo $USER $HOME") == ["1234", "2345", "agent /data/home/agent"]
    assert said(appliance, "second", "id -u; id -g") == ["2001", "2001"]
    uids = {p.pid: p.uid for p in appliance.pids()}
    assert {row["name"]: uids[row["pid"]] for row in appliance.agents()} == {"demo": 1234, "first": 1234, "second": 2001}
    assert appliance.sh("stat -c '%u %g' /data/home/agent").text == "1234 2345"
    said(appliance, "first", "touch /projects/made")
    made = os.stat(appliance.projects / "made")
    assert (made.st_uid, made.st_gid) in ((1234, 2345), (os.getuid(), os.getgid()))       # rootless: mapped to us


def test_times_are_local(appliance):
    tokyo = datetime.timezone(datetime.timedelta(hours=9))
    row = appliance.ask("when?", "demo")
    then = datetime.datetime.fromtimestamp(row["created_at"] / 1000, tokyo)
    prompt = appliance.berth("log", "demo", "-n", 1)[0]["prompt"]
    assert prompt == f"[berth {row['id']} {then:%H:%M} cli] when?"
    assert said(appliance, "first", "date +%z") == ["+0900"]
    assert f"{then:%H:%M}" in appliance.berth("log", "demo", "-n", 1, json=False)

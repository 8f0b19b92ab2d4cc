"""Backups: taken while all goes on, checked, put to use on another machine, and refused where they can't be used."""

import io
import json
import tarfile
from collections import Counter

import pytest
from berthtest import read_ledger

TOML = """\
[agents.demo]
driver = "demo"
env.BERTH_DEMO_LEDGER = "1"
secrets.TOKEN = "token"

[agents.idle]
driver = "demo"
start = "manual"
"""
FILES = {"secrets/token": "s3cret"}


def back_up(appliance):
    """The file's bytes."""
    return appliance.exec(["berth", "backup", "-"], user=0, text=False, timeout=120).stdout


def restore(appliance, backup):
    said = appliance.exec(["berth", "restore", "--json", "-"], user=0, input=backup, timeout=120)
    appliance.restart()
    return json.loads(said.stdout)


def refused(appliance, backup):
    """What is said of one that can't be used; nothing of it is left."""
    ran = appliance.exec(["berth", "restore", "-"], user=0, input=backup, check=False, timeout=120)
    assert ran.status == 1
    assert appliance.sh("ls -A /data/.restore 2>/dev/null || :", user=0).stdout == ""
    return ran.stderr


def changed(backup, name, change):
    """The same backup, with what change makes of one of its files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(backup)) as old, tarfile.open(fileobj=out, mode="w") as new:
        for member in old:
            content = old.extractfile(member).read() if member.isfile() else None
            if member.name == name:
                content = change(content)
                member.size = len(content)
            new.addfile(member, io.BytesIO(content) if content is not None else None)
    return out.getvalue()


@pytest.fixture
def appliance(boot):
    return boot(TOML, files=FILES)


def test_backup_goes_on_on_another_machine(appliance, boot):
    answered = appliance.ask("[[say one]]", "demo")
    waiting = appliance.send("[[say two]]", "idle")
    session = appliance.agent("demo")["session"]
    backup = back_up(appliance)
    appliance.ask("[[say after it]]", "demo")
    other = boot(env={"BERTH_NAME": "other"})
    other.ask("[[say here before]]", "demo")
    about = restore(other, backup)
    assert about["db_bytes"] > 0 and about["berth"]
    assert other.agent("demo")["session"] == session
    assert {row["id"] for row in other.berth("inbox", "-n", 100)} == {answered["id"], waiting}
    assert other.read("/data/secrets/token") == "s3cret"
    other.berth("start", "idle")
    other.wait_message(waiting, "answered")
    assert other.ask("[[say three]]", "demo")["state"] == "answered"
    kept, = other.sh("ls -d /data/before-restore-*", user=0).stdout.split()
    assert other.sh('ls -A "$1"', kept, user=0).stdout.split().count("berth.db") == 1
    assert other.sh("ls -A /data | grep -F .restore", user=0, check=False).stdout == ""
    other.restart()                                                    # once only
    assert other.agent("demo")["session"] == session


def test_what_is_delivered_while_it_is_taken_is_not_delivered_again(appliance, boot, soak):
    """The database is of an earlier moment than the conversations beside it."""
    appliance.sh("head -c 200M /dev/zero > ~agent/large", user="agent")       # so that they are read some time later
    sent = appliance.background('i=0; while [ ! -e /tmp/enough ]; do berth send --to demo "[[sleep 100]] [[say $i]]"; i=$((i + 1)); sleep 0.01; done')
    backups = []
    for number in range(8 if soak else 2):
        appliance.wait(lambda: len(appliance.berth("inbox", "demo", "-n", 1000)) > 20 * (number + 1), 60, "some are there")
        backups.append(back_up(appliance))
    appliance.sh("touch /tmp/enough", user=0)
    sent.communicate(timeout=60)
    other = boot()
    for backup in backups:
        restore(other, backup)
        other.wait(lambda: set(other.berth("status")["launcher"]["queue"]) <= {"answered", "unanswered"}, 60, "all has ended")
        rows = {row["id"] for row in other.berth("inbox", "demo", "-n", 1000)}
        seen = Counter(entry.id for entry in read_ledger(other))
        assert rows and not {name: n for name, n in seen.items() if n > 1}
        assert all(seen[name] == 1 for name in rows)


def test_backup_that_cannot_be_used_is_refused_and_said(appliance):
    backup = back_up(appliance)
    newer = changed(backup, ".backup/manifest.json", lambda text: json.dumps({**json.loads(text), "schema": 999, "berth": "9.1"}).encode())
    assert "it was made by berth 9.1 (format 1, database version 999)" in refused(appliance, newer)
    damaged = changed(backup, ".backup/berth.db", lambda data: data[:5000] + b"\xff" + data[5001:])
    assert "the file is damaged" in refused(appliance, damaged)
    assert "is it whole, and a backup of berth?" in refused(appliance, backup[:len(backup) // 2])
    assert "is it whole, and a backup of berth?" in refused(appliance, b"something else")
    other = changed(backup, ".backup/manifest.json", lambda text: b"{")
    assert "its manifest isn't JSON" in refused(appliance, other)
    before = appliance.agent("demo")["session"]
    appliance.restart()
    assert appliance.agent("demo")["session"] == before


def test_file_gets_its_name_when_it_has_been_checked(appliance):
    appliance.exec(["berth", "backup", "/data/b.tar"], user=0)
    assert appliance.sh("ls /data; stat -c %a /data/b.tar", user=0).stdout.split()[-1] == "600"
    again = appliance.exec(["berth", "backup", "/data/b.tar"], user=0, check=False)
    assert again.status == 1 and "File exists" in again.stderr
    assert appliance.exec(["berth", "restore", "--check", "/data/b.tar"], user=0).stdout.startswith("/data/b.tar: good, of ")
    assert appliance.exec(["berth", "backup", "/no/such/b.tar"], user=0, check=False).status == 111
    assert appliance.exec(["berth", "backup", "/tmp/b.tar"], user="berth", check=False).status == 13
    assert "b.tar.part" not in appliance.sh("ls /data", user=0).stdout


def test_restore_that_is_cut_off_anywhere_goes_on(boot_faulty, dice, soak):
    appliance = boot_faulty(TOML, files=FILES)
    faults = appliance.faults
    asked = appliance.ask("[[say one]]", "demo")
    backup = back_up(appliance)
    faults.arm("init", "rename", 0)
    restore(appliance, backup)
    count, _, _ = faults.disarm()
    assert count > 10
    for n in range(1, count + 1) if soak else dice.sample(range(1, count + 1), 4):
        print(f"rename {n} of {count}")
        appliance.ask(f"[[say before {n}]]", "demo")
        appliance.exec(["berth", "restore", "-"], user=0, input=backup, timeout=120)
        appliance.stop()
        faults.arm("init", "rename", n)
        appliance.start()
        appliance.wait(lambda: not appliance.running() or faults.counted() >= n, 20, "it has come so far")
        if appliance.running():
            appliance.power_cut()
        faults.disarm()
        appliance.start()
        appliance.wait_ready()
        assert {row["id"] for row in appliance.berth("inbox", "-n", 100)} == {asked["id"]}
        assert appliance.ask("[[say after]]", "demo")["state"] == "answered"

"""FIFOs: a line is a message, from whomever; none is lost, torn or mixed with another."""

from collections import Counter

import pytest

TOML = """\
[agents.main]
driver = "demo"
batch = "together"

[agents.other]
driver = "demo"
"""


@pytest.fixture(scope="module")
def appliance(boot_shared):
    return boot_shared(TOML)


def write(appliance, data, name="in", **options):
    """As a person or script does, by exec."""
    appliance.sh('cat > "/run/berth/$1"', name, input=data, text=not isinstance(data, bytes), **options)


def messages(appliance, channel="fifo"):
    """Those that came by a channel, oldest first."""
    return [row for row in appliance.berth("inbox", "-n", 1000) if row["channel"] == channel][::-1]


def wait_messages(appliance, count, channel="fifo", timeout=30):
    return appliance.wait(lambda: (found := messages(appliance, channel)) and len(found) >= count and found, timeout,
                          f"{count} messages by {channel}")


def make(appliance, name):
    """A FIFO as an adapter makes one."""
    appliance.sh('mkfifo -m 644 "/run/berth/in.$1"', name, user=0)
    appliance.wait(lambda: f"fifo=in.{name} open" in appliance.service_log("launcher"), 10, f"in.{name} is found")


def texts(rows):
    return [row["text"] for row in rows]


def refusals(appliance):
    return [(event["id"], event["cause"]) for event in appliance.events("fifo") if event["new"] == "refused"]


@pytest.mark.parametrize("name, line, expected", [
    ("plain", "hello\n", [("hello", "main", None, None)]),
    ("json", '{"content": "hi", "agent": "other", "meta": {"sender": "Anna", "thread": "42"}}\n',
     [("hi", "other", "Anna", "42")]),
    ("bad-json", '{"content": "no end\n', [('{"content": "no end', "main", None, None)]),
    ("no-content", '{"text": "x"}\n', [('{"text": "x"}', "main", None, None)]),
    ("several", "one\n\n \ntwo\r\n", [("one", "main", None, None), ("two\r", "main", None, None)]),
    ("unfinished", "no newline", [("no newline", "main", None, None)]),
    ("chinese", "你好，世界 😀\n", [("你好，世界 😀", "main", None, None)]),
    ("bytes", b"bad \xff\xfe utf-8\n", [("bad \ufffd\ufffd utf-8", "main", None, None)]),
])
def test_line_is_a_message(appliance, name, line, expected):
    make(appliance, name)
    write(appliance, line, f"in.{name}")
    rows = wait_messages(appliance, len(expected), name)
    assert [(row["text"], row["agent"], row["sender"], row["thread"]) for row in rows] == expected
    assert {appliance.wait_message(row["id"], "answered")["state"] for row in rows} == {"answered"}
    appliance.sh('rm "/run/berth/in.$1"', name, user=0)


def test_line_to_nobody_is_refused_and_said(appliance):
    write(appliance, '{"content": "hello", "agent": "nobody"}\nhello to main\n')
    assert texts(wait_messages(appliance, 1))[-1] == "hello to main"
    assert refusals(appliance)[-1][0] == "in" and "no such agent" in refusals(appliance)[-1][1]


def test_half_a_line_waits_for_its_rest(appliance):
    make(appliance, "slow")
    writing = appliance.background("(printf 'first half, '; until [ -e /tmp/go ]; do sleep 0.05; done; "
                                   "echo 'second half'; echo whole) > /run/berth/in.slow; echo $?")
    write(appliance, "a line of another\n")
    wait_messages(appliance, 1)
    assert messages(appliance, "slow") == []
    appliance.sh("touch /tmp/go")
    assert writing.communicate(timeout=20)[0] == "0\n"
    assert texts(wait_messages(appliance, 2, "slow")) == ["first half, second half", "whole"]


def test_line_without_end_is_refused_and_the_next_is_not(appliance):
    make(appliance, "long")
    write(appliance, "x" * 900000 + "\n" + "y" * 3000000 + "\nafter it\n", "in.long", timeout=60)
    rows = wait_messages(appliance, 2, "long")
    assert [(len(text), text[-8:]) for text in texts(rows)] == [(900000, "x" * 8), (8, "after it")]
    assert any(fifo == "in.long" for fifo, _ in refusals(appliance))


def test_five_writers_do_not_mix_their_lines(appliance):
    """AC-01: up to PIPE_BUF a write is whole."""
    make(appliance, "many")
    writing = 'exec 3> /run/berth/in.many; for i in $(seq 40); do echo "$1 $i $(printf "%0200d" "$i")" >&3; done'
    writers = [appliance.background(writing, letter) for letter in "abcde"]
    assert [writer.communicate(timeout=60) for writer in writers] == [("", "")] * 5
    found = texts(wait_messages(appliance, 200, "many"))
    assert Counter(found) == Counter(f"{letter} {i} {i:0200d}" for letter in "abcde" for i in range(1, 41))
    for letter in "abcde":
        numbers = [int(text.split()[1]) for text in found if text.startswith(letter)]
        assert numbers == sorted(numbers)


def test_new_fifo_is_found_and_in_is_made_again(appliance):
    make(appliance, "test")
    write(appliance, "by test\n", "in.test")
    assert texts(wait_messages(appliance, 1, "test")) == ["by test"]
    before = appliance.sh("rm /run/berth/in.test; ls -i /run/berth/in; rm /run/berth/in", user=0).text
    again = appliance.wait(lambda: appliance.sh("test -p /run/berth/in && ls -i /run/berth/in").text, 10, "in is there again")
    assert again != before and appliance.sh("stat -c '%a %u %g' /run/berth/in").text == "620 900 902"
    count = len(messages(appliance))
    write(appliance, "by the new one\n")
    assert texts(wait_messages(appliance, count + 1))[-1] == "by the new one"
    make(appliance, "again")
    assert appliance.berth("status")["healthy"]


def test_file_in_the_place_of_in_is_said_and_replaced(appliance):
    """A shell's `> in` where no FIFO is makes a file, and what is written there reaches nobody."""
    appliance.sh("s6-svc -wd -d /run/s6/fifo && rm /run/berth/in && echo lost > /run/berth/in && s6-svc -u /run/s6/fifo", user=0)
    said = "/run/berth/in is no FIFO, and the 5 bytes in it reach nobody"
    appliance.wait(lambda: said in appliance.service_log("fifo"), 20, "the file is said")
    appliance.berth("apply")
    assert appliance.sh("stat -c '%F %a %u %g' /run/berth/in").text == "fifo 620 900 902"
    assert "the 5 bytes in it have reached nobody" in appliance.service_log("reconcile")
    count = len(messages(appliance))
    write(appliance, "by the new one\n")
    assert texts(wait_messages(appliance, count + 1))[-1] == "by the new one"
    appliance.sh("rm /run/berth/in; su -s /bin/sh -c 'echo lost > /run/berth/in' berth", user=0, check=False)   # may be too late
    appliance.wait(lambda: appliance.sh("test -p /run/berth/in", check=False).status == 0, 10, "berth's own file is replaced")


def test_no_line_is_lost_when_the_launcher_dies(appliance, soak):
    """AC-01 and more: each line at least once; what the pipe holds while nobody reads it is read later."""
    kills = 20 if soak else 2
    make(appliance, "killed")
    writing = 'for i in $(seq "$1"); do echo "line $i" > /run/berth/in.killed || echo "not written: $i"; sleep 0.01; done'
    writer = appliance.background(writing, 100 * kills)
    for _ in range(kills):
        pid = appliance.service("launcher").pid
        appliance.sh('kill -9 "$1"', pid, user=0)
        appliance.wait(lambda: appliance.service("launcher").pid != pid, 20, "another launcher")
    assert writer.communicate(timeout=120) == ("", "")
    appliance.sh("s6-svc -wd -d /run/s6/launcher && for i in 1 2 3; do echo waiting $i > /run/berth/in.killed; done; "
                 "s6-svc -u /run/s6/launcher", user=0, timeout=20)
    expected = {f"line {i}" for i in range(1, 100 * kills + 1)} | {f"waiting {i}" for i in range(1, 4)}
    appliance.wait(lambda: set(texts(messages(appliance, "killed"))) >= expected, 30, "all lines are messages")
    counts = Counter(texts(messages(appliance, "killed")))
    assert set(counts) == expected and max(counts.values()) <= 2


def test_agents_and_strangers_cannot_write(appliance):
    for user in "agent", "nobody", "900:900":
        result = appliance.sh("echo hello > /run/berth/in", user=user, check=False)
        assert (result.status == 0) == (user == "900:900"), user
    assert appliance.sh("echo hello > /run/berth/in", user="65534:902", check=False).status == 0      # group berth-in
    answer = appliance.exec(["cat", "/run/berth/in"], user="agent", check=False)
    assert answer.status != 0 and "ermission denied" in answer.stderr
    assert appliance.sh("mkfifo /run/berth/in.mine", user="agent", check=False).status != 0

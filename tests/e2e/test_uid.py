"""An agent whose user changes, by PUID or by its `uid`, goes on: nothing of it is left to the user it was."""

import os

import pytest
from berthtest import DEMO_TOML, SHELL_TOML, Appliance

from conftest import APPLIANCES, new_name

SHELL = SHELL_TOML.format("shell")


@pytest.fixture
def boot_again(engine, image, request, tmp_path):
    """Boots another container with what a stopped one left on its volume."""
    made = []

    def make(before, **options):
        appliance = Appliance(engine, image, new_name(), os.getpid(), before.projects, None, **options)
        made.append(appliance)
        request.node.stash.setdefault(APPLIANCES, []).append(appliance)
        engine("run", "--rm", "--entrypoint", "cp", "-v", f"{before.volume}:/before", "-v", f"{appliance.volume}:/data",
               image, "-a", "/before/.", "/data/")
        appliance.start()
        appliance.wait_ready()
        return appliance

    yield make
    for appliance in made:
        appliance.remove()


def owners(appliance, *paths):
    return [tuple(map(int, line.split())) for line in appliance.sh('stat -c "%u %g" "$@"', *paths).text.splitlines()]


def never_crashed(appliance, agent):
    return "crashed" not in [event["new"] for event in appliance.events("agent", agent)]


def test_puid_changes_and_the_conversation_goes_on(boot, boot_again):
    first = boot(DEMO_TOML, env={"PUID": "1000", "PGID": "1000"})
    assert first.ask("hello", "demo")["answer"] == "You said: hello"
    first.sh("umask 077; cd /data/home/agent; mkdir -p kept/deep; echo mine > kept/deep/file; ln -s /data/berth.toml kept/link",
             user="1000:1000")
    first.sh("echo roots > /data/home/agent/kept/roots", user=0)
    session = first.agent("demo")["session"]
    assert first.stop().status == 0

    second = boot_again(first, env={"PUID": "1005", "PGID": "1006"})
    agent = second.agent("demo")
    assert agent["session"] == session and agent["uid"] == 1005 and never_crashed(second, "demo")
    row = second.ask("again", "demo")
    assert row["state"] == "answered" and second.agent("demo")["session"] == session
    assert [turn["prompt"].split("] ")[-1] for turn in second.berth("log", "demo")][:2] == ["again", "hello"]
    home = "/data/home/agent"
    assert set(owners(second, home, f"{home}/kept", f"{home}/kept/deep/file", f"{home}/kept/link", "/data/spool/demo",
                      "/data/spool/demo/hooks.jsonl", "/run/berth/shim/demo", "/run/berth/shim/demo/lock")) == {(1005, 1006)}
    assert owners(second, "/data/berth.toml", f"{home}/kept/roots") == [(0, 0), (0, 0)]
    assert second.sh('find /data/home /data/spool -uid 1000 | wc -l').text == "0"
    assert f"{home} belongs to uid 1005 now, was 1000" in second.logs()


def test_puid_of_root_is_refused_and_said_once(boot):
    appliance = boot(DEMO_TOML + SHELL, env={"PUID": "0", "PGID": "1005"})
    assert {row["uid"] for row in appliance.agents()} == {1000}
    assert appliance.logs().count("PUID=0 can't be an agent's") == 1


@pytest.mark.parametrize("hardened", [False, True], ids=["usual", "hardened"])
def test_uid_is_given_to_a_running_agent(boot, hardened):
    appliance = boot(DEMO_TOML + SHELL, hardened=hardened)
    appliance.ask("hello", "demo")
    before = {row["name"]: row["pid"] for row in appliance.agents()}
    for uid, gid, lines in (2001, 2001, "uid = 2001\n"), (2001, 2002, "uid = 2001\ngid = 2002\n"), (2003, 2003, "uid = 2003\n"):
        appliance.configure(SHELL + lines + DEMO_TOML + lines)
        appliance.wait(lambda: all(row["pid"] not in (0, before[row["name"]]) for row in appliance.agents()), 30,
                       "both are restarted")
        appliance.wait_ready()
        before = {row["name"]: row["pid"] for row in appliance.agents()}
        row = appliance.ask("id -u; id -g", "shell")
        assert row["answer"].split()[-3:-1] == [str(uid), str(gid)], row
        assert appliance.ask("still there?", "demo")["answer"] == "You said: still there?"
        for name in "demo", "shell":
            assert never_crashed(appliance, name)
            spool = "/data/spool/demo/hooks.jsonl" if name == "demo" else "/data/spool/shell"
            found = owners(appliance, f"/data/spool/{name}", f"/run/berth/shim/{name}", f"/run/berth/shim/{name}/lock", spool)
            assert {owner[0] for owner in found} == {uid} and found[0] == found[1] == (uid, gid)
    appliance.configure(SHELL + DEMO_TOML + "uid = 2003\n")
    appliance.wait(lambda: appliance.agent("shell")["pid"] not in (0, before["shell"]), 30, "shell is the default user's again")
    appliance.wait_ready()
    assert appliance.ask("id -u", "shell")["answer"].split()[-2] == "1000"
    assert owners(appliance, "/data/home/agent", "/data/home/agent2001", "/data/home/agent2003") == [
        (1000, 1000), (2001, 2001), (2003, 2003)]

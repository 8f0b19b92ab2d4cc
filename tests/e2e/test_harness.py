"""What the other tests stand on: the harness finds, kills, restarts and reports what it says it does."""

import pytest

from berthtest import CommandFailed, TimedOut
from berthtest.engine import LABEL


def test_processes_are_seen_with_their_users(appliance):
    processes = {p.pid: p for p in appliance.pids()}
    assert processes[1].comm == "s6-svscan" and processes[1].uid == 0
    launcher = appliance.service("launcher")
    assert launcher.uid == 900 and launcher.args[0].endswith("launcher")
    agent = processes[appliance.agent("demo")["pid"]]
    assert agent.uid == 1000 and processes[agent.ppid].uid == 1000
    assert not appliance.find(r"^head$")


def test_killed_service_comes_back(appliance):
    before = appliance.service("launcher")
    assert before.pid in [p.pid for p in appliance.kill9(r"^launcher$")]
    appliance.wait(lambda: appliance.service("launcher").pid != before.pid, 20, "another launcher")
    appliance.wait_ready("demo")
    assert appliance.ask("hello", "demo")["state"] == "answered"


def test_stop_says_how_long_it_took_and_how_it_ended(appliance):
    stopped = appliance.stop()
    assert stopped.status == 0 and stopped.seconds < 10
    assert not appliance.running()


@pytest.mark.parametrize("way", ["restart", "power_cut"])
def test_what_was_said_outlives_the_container(appliance, way):
    sent = appliance.send("remember this", "demo")
    appliance.wait_message(sent, "answered")
    session = appliance.agent("demo")["session"]
    getattr(appliance, way)()
    if way == "power_cut":
        appliance.start()
        appliance.wait_ready()
    assert appliance.message(sent)["state"] == "answered"
    assert appliance.agent("demo")["session"] == session


def test_command_that_fails_says_what_and_why(appliance):
    with pytest.raises(CommandFailed, match="exit status 7\n    \\| no luck"):
        appliance.sh("echo no luck >&2; exit 7")
    assert appliance.exec(["false"], check=False).status == 1
    assert appliance.exec(["cat"], input="ä\n").stdout == "ä\n"
    assert appliance.exec(["id", "-un"], user="agent").text == "agent"


def test_wait_that_is_in_vain_shows_the_state(appliance):
    with pytest.raises(TimedOut) as caught:
        appliance.wait(lambda: appliance.agent("demo")["state"] == "limited", 0.5, "demo is limited")
    assert "after 0.5 s still not: demo is limited" in str(caught.value)
    assert "launcher" in str(caught.value) and "demo" in str(caught.value)


def test_all_that_may_tell_is_kept_of_a_failure(appliance, tmp_path):
    appliance.ask("keep me", "demo")
    appliance.collect(tmp_path / "kept")
    kept = {str(file.relative_to(tmp_path / "kept")) for file in (tmp_path / "kept").rglob("*") if file.is_file()}
    assert {"container.log", "commands.txt", "processes.txt", "status.txt", "screens.txt", "data/berth.toml",
            "data/berth.db", "data/log/launcher/current"} <= kept
    assert any(name.startswith("data/home/agent/") for name in kept)
    assert "keep me" in (tmp_path / "kept" / "screens.txt").read_text()
    appliance.power_cut()
    appliance.collect(tmp_path / "dead")
    assert "agent=demo" in (tmp_path / "dead" / "data/log/launcher/current").read_text()


def test_leftovers_of_a_killed_run_are_removed(engine, image, appliance):
    name = "berth-test-999999999-1"          # no process has this number
    engine("volume", "create", "--label", f"{LABEL}=999999999", f"{name}-data")
    engine("create", "--name", name, "--label", f"{LABEL}=999999999", "-v", f"{name}-data:/data", image)
    engine.remove_leftovers()
    assert engine("container", "inspect", name, check=False).status != 0
    assert engine("volume", "inspect", f"{name}-data", check=False).status != 0
    assert appliance.running()


def test_configuration_is_applied_and_projects_are_shared(boot):
    appliance = boot('[agents.one]\ndriver = "demo"\n', env={"BERTH__HOST__NAME": "elsewhere"})
    (appliance.projects / "given").write_text("x")
    assert appliance.read("/projects/given") == "x"
    assert appliance.berth("status")["launcher"]["host"] == "elsewhere"
    appliance.configure('[agents.one]\ndriver = "demo"\n[agents.two]\ndriver = "demo"\n')
    appliance.wait_ready("one", "two")


def test_hardened_appliance_runs(boot):
    appliance = boot(hardened=True)
    assert appliance.ask("hello", "demo")["state"] == "answered"
    assert appliance.sh("touch /usr/x", check=False).status != 0


def test_claude_is_asked_once_and_answers(claude_appliance):
    endpoint = claude_appliance.endpoint
    answered = claude_appliance.ask('[[tool Bash {"command":"echo made > made"}]] [[say done]]', "claude")
    assert (answered["state"], answered["answer"]) == ("answered", "done")
    assert (claude_appliance.projects / "made").read_text() == "made\n"
    assert [message["id"] for message in endpoint.messages()] == [answered["id"]]
    assert [request["answer"]["status"] for request in endpoint.requests()] == [200, 200]


def test_endpoint_may_go_and_come_back(claude_appliance):
    endpoint = claude_appliance.endpoint
    sent = claude_appliance.send("[[sleep 60000]] [[say never]]", "claude")
    assert endpoint.requests(wait_ms=20000)
    endpoint.restart()
    endpoint.script("[[say after the restart]]")
    assert claude_appliance.wait_message(sent, "answered")["answer"] == "after the restart"


def test_endpoint_outlives_the_appliance(claude_appliance):
    first = claude_appliance.ask("first", "claude", timeout=30)
    claude_appliance.restart()
    second = claude_appliance.ask("second", "claude", timeout=30)
    assert [first["state"], second["state"]] == ["answered"] * 2
    assert [(m["id"], m["text"]) for m in claude_appliance.endpoint.messages()] == [
        (first["id"], "first"), (second["id"], "second")]
    assert second["answer"].endswith(" 2")      # the conversation was resumed

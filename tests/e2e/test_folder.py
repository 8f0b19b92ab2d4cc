"""The folder that an agent works in: one that it can't write to is said, and alarms nobody, for it may be meant so."""

from berthtest import DEMO_TOML

AGENT = '\n[agents.{}]\ndriver = "demo"\ncwd = "{}"\n'


def notes(appliance):
    return {note["agent"]: note["why"] for note in appliance.berth("status")["notes"]}


def test_folder_that_cannot_be_written_is_said_until_it_can(boot, tmp_path):
    shut, fixed = tmp_path / "shut", tmp_path / "fixed"
    shut.mkdir(mode=0o755)
    shut.chmod(0o555)
    fixed.mkdir()
    fixed.chmod(0o777)
    appliance = boot(DEMO_TOML + AGENT.format("shut", "/projects/shut") + AGENT.format("fixed", "/fixed"),
                     flags=["-v", f"{shut}:/projects/shut", "-v", f"{fixed}:/fixed:ro"])
    appliance.wait(lambda: set(notes(appliance)) == {"shut", "fixed"}, 20, "both are said")
    said = notes(appliance)
    owner = appliance.sh("stat -c %u:%g /projects/shut").text
    assert said["shut"] == f"/projects/shut belongs to {owner}, mode 0555, and the agent is 1000:1000"
    assert said["fixed"] == "/fixed is on a read-only mount"
    assert appliance.status_of("status", "--quiet") == 0
    assert "all is well, and notes" in appliance.berth("status", json=False)
    assert appliance.service_log("launcher").count("agent=shut can't write to its folder") == 1

    before = appliance.service("launcher").pid
    appliance.kill9("^launcher$")
    appliance.wait(lambda: appliance.service("launcher").pid != before and notes(appliance) == said, 30,
                   "its successor hears it too")
    appliance.sh("chmod 777 /projects/shut")
    appliance.wait(lambda: set(notes(appliance)) == {"fixed"}, 30, "the other one is mended")
    appliance.berth("stop", "fixed")
    assert notes(appliance) == {}

"""`permissions = "sandbox"`: what the Bash tool runs can write where the agent works and nowhere else, without anybody being
asked; and where no sandbox can be made, the agent doesn't start with less."""

import json

from berthtest import CLAUDE_TOML

SANDBOX = CLAUDE_TOML.replace('"dangerous"', '"sandbox"')
TOML = SANDBOX + 'allow = ["WebFetch(domain:allowed.invalid)"]\n' + SANDBOX.replace("agents.claude", "agents.other")


def bash(claude, command, **more):
    """What its Bash tool says to a command; nobody may be asked."""
    call = json.dumps({"command": command, "description": "test", **more})
    asked = claude.ask(f"[[tool Bash {call}]] [[say done]]", "claude")
    assert asked["answer"] == "done" and claude.berth("approvals") == []
    return claude.endpoint.requests()[-1]["results"][0]


def test_command_writes_where_it_works_and_nowhere_else(claude):
    inside = bash(claude, "echo made > /projects/made && cat /projects/made")
    assert (inside["text"].strip(), inside["error"]) == ("made", False)
    claude.sh("mkdir -m 777 /tmp/open && echo its > /data/home/agent/its && chown 1000:1000 /data/home/agent/its", user=0)
    for path in "/tmp/open/x", "/data/home/agent/x", "/data/home/agent/its", "/var/tmp/x":
        outside = bash(claude, f"echo written > {path}")
        assert outside["error"] and "ead-only file system" in outside["text"], (path, outside)
    assert claude.sh("ls /tmp/open /data/home/agent/x /var/tmp/x; cat /data/home/agent/its", user=0, check=False).stdout.split() \
        == ["/tmp/open:", "its"]


def test_model_cannot_leave_the_sandbox(claude):
    outside = bash(claude, "touch /var/tmp/left", dangerouslyDisableSandbox=True)
    assert outside["error"] and "ead-only file system" in outside["text"]


def test_what_berth_keeps_for_agents_of_the_user_is_closed_to_commands(claude):
    claude.sh("touch /data/spool/other/kept && chown 1000:1000 /data/spool/other/kept", user=0)
    for folder in "/data/spool/other", "/run/berth/shim/claude", "/run/berth/shim/other", "/run/berth/agent/other":
        assert claude.sh('ls "$1"', folder, user=0).stdout != ""
        said = bash(claude, f"ls {folder}; cat {folder}/kept")
        assert said["error"] and not {"kept", "lock", "sock", "hook.sock"} & set(said["text"].split()), (folder, said)
    for agent in "claude", "other":
        assert bash(claude, f"socat -u OPEN:/dev/null UNIX-CONNECT:/run/berth/shim/{agent}/hook.sock")["error"]


def test_network_is_reached_by_leave_only(claude):
    """A host of an `allow` rule is asked for nothing; for another the CLI asks at the terminal."""
    assert bash(claude, "socat -u OPEN:/dev/null TCP:192.0.2.1:80")["error"]
    allowed = bash(claude, "timeout 10 git ls-remote http://allowed.invalid/x")
    assert allowed["error"] and "allowed.invalid" in allowed["text"]
    call = json.dumps({"command": "timeout 60 git ls-remote http://other.invalid/x", "description": "test"})
    sent = claude.send(f"[[tool Bash {call}]] [[say done]]", "claude")
    claude.wait(lambda: "Network request outside of sandbox" in claude.screen("claude"), 20, "it asks at the terminal")
    claude.wait_state("claude", "awaiting-approval", "busy")     # 2.1.197 doesn't say that it waits
    claude.answer_dialog(claude.agent("claude")["pane"], "Network request outside of sandbox", "Escape")
    claude.wait_message(sent, "answered", "unanswered")


def test_where_no_sandbox_can_be_made_the_agent_is_held(boot_claude):
    appliance = boot_claude(SANDBOX + 'start = "manual"\n[restart]\nmax_crashes = 2\nbackoff_min = "100ms"\n')
    appliance.sh("mv /usr/bin/bwrap /usr/bin/bwrap.not && printf '%s\\n' '#!/bin/sh' "
                 "'echo bwrap: No permissions to create new namespace >&2; exit 1' > /usr/bin/bwrap && chmod 755 /usr/bin/bwrap",
                 user=0)
    appliance.berth("start", "claude")
    held = appliance.wait_state("claude", "held")
    assert "no sandbox can be made here" in held["reason"] and "No permissions to create new namespace" in held["reason"]
    assert appliance.find("^claude$") == []
    waits = appliance.send("[[say here]]", "claude")
    appliance.sh("mv /usr/bin/bwrap.not /usr/bin/bwrap", user=0)
    appliance.berth("start", "claude")
    assert appliance.wait_message(waits, "answered")["answer"] == "here"

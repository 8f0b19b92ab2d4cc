"""permissions = "sandbox": commands run unasked, and can't write outside; where there is no sandbox, nothing runs."""

import json

TOML = """\
[restart]
backoff_min = "100ms"
backoff_max = "200ms"
max_crashes = 2
[agents.claude]
driver = "claude"
permissions = "sandbox"
secrets.ANTHROPIC_API_KEY = "api-key"
env.ANTHROPIC_BASE_URL = "{url}"
env.CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC = "1"
"""


def bash(command, **more):
    return f"[[tool Bash {json.dumps({'command': command, **more})}]] [[say over]]"


def run(claude, command, **more):
    """Has it run this, unasked; returns what the model was told of it."""
    row = claude.ask(bash(command, **more), "claude", timeout=30)
    assert (row["state"], row["answer"]) == ("answered", "over"), row
    assert claude.berth("approvals") == []
    return claude.endpoint.requests()[-1]["results"][-1]


def test_a_command_writes_where_the_agent_works_and_nowhere_else(claude):
    assert "inside" in str(run(claude, "echo inside > made; cat made"))
    for outside in "/var/tmp/made", "/data/home/agent/made", "/data/home/agent/.claude/settings.json":
        said = str(run(claude, f"echo outside > {outside}"))
        assert "ead-only file system" in said or "ermission denied" in said, said
    # asked not to be confined, it is all the same
    assert "ead-only" in str(run(claude, "echo outside > /var/tmp/made", dangerouslyDisableSandbox=True))
    assert claude.sh("cat /projects/made", user=0).stdout.split()[-1:] == ["inside"]
    assert claude.sh("ls -A /var/tmp; ls /data/home/agent", user=0).stdout == ""


def test_without_a_sandbox_it_is_held_and_says_why(claude):
    session = claude.agent("claude")["session"]
    claude.sh("mv /usr/bin/bwrap /usr/bin/gone", user=0)
    claude.berth("restart", "claude", check=False)
    held = claude.wait_state("claude", "held", timeout=40)
    assert "exit status 1: perhaps its sandbox can't be made here" in held["reason"]
    claude.sh("mv /usr/bin/gone /usr/bin/bwrap", user=0)
    claude.berth("start", "claude")
    claude.wait_ready()
    assert claude.agent("claude")["session"] == session

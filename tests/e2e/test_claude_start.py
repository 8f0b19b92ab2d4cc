"""First starts of the real Claude Code, with nobody there to answer: no dialog stops one, whatever lies in its home and
in its project, and what lies there stays as it was; and each agent works as the user that it was given."""

import json
from pathlib import Path

import pytest
from berthtest import CLAUDE_TOML

PUID, PGID = 1234, 2345
ENV = {"PUID": str(PUID), "PGID": str(PGID)}
OWN = {"own": 2001, "kept": 2002, "keys": 2003, "state": 2004}       # who has a user, and so a home, of its own


def agent(name, *lines):
    return CLAUDE_TOML.replace("agents.claude", f"agents.{name}") + "".join(f"{line}\n" for line in lines)


def asking(toml):
    return toml.replace('"dangerous"', '"allowlist"').replace("i_accept_the_danger = true\n", "")


TOML = agent("fresh") + asking(agent("own", "uid = 2001")) + "".join(
    make(agent(name, 'start = "manual"', f'cwd = "/projects/{name}"'))
    for name in ("tools", "hooked") for make in (asking,)) + "".join(
    agent(name, 'start = "manual"', f"uid = {OWN[name]}") for name in ("kept", "keys", "state"))

"""What the demo agent accepted, by its own ledger, of which the launcher knows nothing. It keeps one where its
environment says BERTH_DEMO_LEDGER=1; agents of one user share it."""

import json
import re
from collections import namedtuple

# Of a message as the agent got it: docs/protocols.md, "A message's header"
HEADER = re.compile(r"^\[berth ([0-9A-HJKMNP-TV-Z]{26}) \d\d:\d\d ([^\]]*)\] ", re.M)

Accepted = namedtuple("Accepted", "id about text session prompt")


def read_ledger(appliance, user="agent"):
    """All messages in the order in which the demo accepted them. What was typed at its terminal has id None;
    `prompt` numbers the prompts."""
    path = f"/data/home/{user}/.berth-demo/ledger.jsonl"
    text = appliance.sh('cat "$1" 2>/dev/null || :', path).stdout
    return [message for number, line in enumerate(text.splitlines())
            for message in messages(json.loads(line), number)]


def messages(entry, number):
    prompt, headers = entry["prompt"], list(HEADER.finditer(entry["prompt"]))
    if not headers:
        return [Accepted(None, None, prompt, entry["session"], number)]
    ends = [header.start() for header in headers[1:]] + [len(prompt)]
    return [Accepted(header[1], header[2], prompt[header.end():end].rstrip("\n"), entry["session"], number)
            for header, end in zip(headers, ends)]

#!/usr/bin/env python3
"""A scripted model endpoint: the Anthropic Messages API, answered by what the prompt says.

    python3 endpoint.py --port 8199 --log requests.jsonl [--host 127.0.0.1] [--verbose]

The last user turn is the script. Its directives, in order, say what the model does:

    [[say TEXT]]                 the text of the answer (several are joined by newlines)
    [[tool NAME {json}]]         call a tool; what follows is for the answer after its result
    [[tools [{"name":..,"input":{..}},..]]]   call several tools in one answer
    [[sleep MS]]                 wait before the first byte
    [[stream N MS]]              send the text in N pieces, MS apart (without a text: N words)
    [[fill N]]                   N bytes of text
    [[usage IN OUT READ WRITE]]  the token numbers to report
    [[stop REASON]]              stop_reason: max_tokens, refusal, ...
    [[header NAME VALUE]]        add a response header; +N means N seconds from now, as an epoch
    [[error CODE TYPE MESSAGE]]  an HTTP error, each time (TYPE and MESSAGE have defaults)
    [[errors N CODE TYPE MESSAGE]]  the same, the first N times only, then go on
    [[cut]] [[cut N]]            drop the connection in mid-answer, each time or the first N times
    [[hang]]                     accept the request and never answer

A directive with a number left out or not a number says so in the answer. A prompt with nothing
to say for its last answer is answered `ok <digest> <n>`: the first 12 hex digits of the SHA-256
of the prompt as received (unwrapped and stripped, see below), and the prompt's ordinal in the
conversation, which shows that the history before it was there.

Where in the script a conversation stands is read from the conversation alone (tool calls carry
their position in their id), so the endpoint may be restarted at any moment. Only `errors N` and
`cut N` count attempts in memory. A turn may have several prompts: those queued while the agent was
busy arrive together, or after a tool result in the running turn. Their scripts run one after the
other. A prompt that was never answered (an error, a killed agent) is not run again by the next.

Prompts are unwrapped: what the CLI put around a paste or a queued message is taken off, the raw text
is kept. The messages in a prompt, each headed `[berth ID ...] `, are listed. What the CLI itself
says in a user's place (reminders, notifications, outputs of local commands) is no prompt.

Requests of the CLI's own (session titles, summaries, suggestions, quota probes, compaction) run no
script; they are logged as kind `aux`. Sub-agents' requests run the script in the sub-agent's prompt,
kind `agent`.

Control:
    GET  /__control/health
    GET  /__control/requests[?since=N][&wait=MS][&kind=main]   after number N; wait for one to come
    GET  /__control/prompts[?agents=1]   each prompt once for each time it was delivered, in order;
         `request` is the number of the request in which it was first seen
    POST /__control/script   a script, or {"script":..,"times":N}, or a list of them: the next main
         answers, whatever the prompts say; times 0: until reset
    POST /__control/reset    forget requests, prompts and scripts; numbers go on

Where its port can't be reached, but a command can be run, `endpoint.py --control --port 8199` does that
in its place: it reads lines `METHOD PATH [JSON]` and writes the answers, a line of JSON each.
"""

import argparse
import collections
import hashlib
import json
import os
import re
import secrets
import select
import signal
import socket
import sys
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODELS = ("claude-opus-4-8", "claude-opus-5-5", "claude-sonnet-4-6", "claude-haiku-4-5")
KEEP_REQUESTS = 20000     # in memory; the log has all
MAX_BODY = 64 << 20
EXCERPT = 2000            # characters kept of reminders, results, system and answer in a record
LIMIT_RESETS_S = 3600     # when a usage limit ends, unless a header says otherwise
AUTH_HEADERS = ("x-api-key", "authorization", "proxy-authorization", "cookie")


# ---- scripts ---------------------------------------------------------------------------------

def digest(text):
    """What an unscripted prompt is answered with: 12 hex digits of the prompt's SHA-256."""
    return hashlib.sha256(text.strip().encode("utf-8", "surrogatepass")).hexdigest()[:12]


def reply(text, n):
    """The answer to the unscripted prompt `text`, the n-th of its conversation."""
    return f"ok {digest(text)} {n}"


def parse_script(text):
    """The directives in text, [(verb, arguments)]. Arguments may hold JSON with ]] inside."""
    found, at = [], 0
    while (at := text.find("[[", at)) >= 0:
        match = re.compile(r"\[\[([a-z]+)(?=[\s\]])").match(text, at)
        end = match and match[1] in VERBS and closing(text, match.end())
        if not end:
            at += 2
            continue
        found.append((match[1], text[match.end():end].strip()))
        at = end + 2
    return found


def closing(text, at):
    """Where the ]] is that closes a directive whose arguments start at `at`, or None."""
    depth, string = 0, False
    while at < len(text):
        char = text[at]
        if string:
            if char == "\\":
                at += 1
            string = char != '"'
        elif char == '"' and depth:
            string = True
        elif char in "{[":
            depth += 1
        elif char in "}]" and depth:
            depth -= 1
        elif text.startswith("]]", at):
            return at
        at += 1
    return None


@dataclass
class Answer:
    """One answer of the model: what to send, and how to misbehave."""
    said: list = field(default_factory=list)
    tools: list = field(default_factory=list)
    sleep_ms: int = 0
    stream: tuple = (1, 0)
    usage: tuple = ()
    headers: dict = field(default_factory=dict)
    stop: str = ""
    error: tuple = ()          # code, type, message
    error_times: int = -1      # -1: each time
    cut_times: int = 0
    hang: bool = False

    @property
    def text(self):
        return "\n".join(self.said)


def number(words, index, default=None):
    """The index-th word as a number that is not negative."""
    value = int(words[index]) if index < len(words) else default
    if value is None or value < 0:
        raise ValueError("needs a number")
    return value


def op_tool(answer, args):
    name, given = (args.split(None, 1) + ["{}"])[:2]
    answer.tools = [{"name": name, "input": json.loads(given)}]


def op_tools(answer, args):
    answer.tools = [{"name": tool["name"], "input": tool.get("input", {})} for tool in json.loads(args)]


def op_say(answer, args):
    answer.said.append(args)


def op_fill(answer, args):
    answer.said.append(fill(number(args.split(), 0)))


def op_sleep(answer, args):
    answer.sleep_ms += number(args.split(), 0)


def op_stream(answer, args):
    words = args.split()
    answer.stream = (max(1, number(words, 0)), number(words, 1, 0))


def op_usage(answer, args):
    answer.usage = tuple(number(args.split(), n, 0) for n in range(len(args.split())))


def op_header(answer, args):
    name, _, value = args.partition(" ")
    if re.fullmatch(r"\+\d+", value):
        value = str(int(time.time()) + int(value))
    answer.headers[name.lower()] = value


def op_error(answer, args):
    words = args.split(None, 2)
    answer.error = (number(words, 0), *words[1:])


def op_errors(answer, args):
    times, _, rest = args.partition(" ")
    op_error(answer, rest)
    answer.error_times = number([times], 0)


def op_cut(answer, args):
    answer.cut_times = number(args.split(), 0) if args else -1


def op_hang(answer, _args):
    answer.hang = True


def op_stop(answer, args):
    answer.stop = args


VERBS = {
    "tool": op_tool, "tools": op_tools, "say": op_say, "fill": op_fill, "sleep": op_sleep,
    "stream": op_stream, "usage": op_usage, "header": op_header, "error": op_error,
    "errors": op_errors, "cut": op_cut, "hang": op_hang, "stop": op_stop,
}


def fill(size):
    """`size` bytes of text in numbered lines, so that a missing piece shows."""
    line = "{:07d} the quick brown fox jumps over the lazy dog and back\n"
    width = len(line.format(0))
    text = "".join(line.format(n) for n in range(size // width + 1))[:size]
    return text[:-1] + "." if text.endswith("\n") else text       # the CLI trims its answers


def apply_script(script, answers):
    """Runs a script's directives onto the last of `answers`; each tool call begins a new one."""
    for verb, args in script:
        try:
            VERBS[verb](answers[-1], args)
        except (ValueError, KeyError, TypeError) as error:
            answers[-1].said.append(f"bad directive [[{verb} {args}]]: {error}")
        if answers[-1].tools:
            answers.append(Answer())


def answers_of(prompts):
    """The answers that a turn's prompts ask for, in order; the last one ends the turn."""
    answers = [Answer()]
    for prompt in prompts:
        before, begun = answers[-1], len(answers[-1].said)
        apply_script(prompt.script, answers)
        last = answers[-1]
        if len(last.said) > (begun if last is before else 0):
            continue
        if last.stream[0] > 1:
            last.said.append(" ".join(f"word{n}" for n in range(last.stream[0])))
        else:
            last.said.append(reply(prompt.text, prompt.n))
    return answers


# ---- reading a conversation ------------------------------------------------------------------

REMINDER = re.compile(r"\s*<system-reminder>\n?(.*?)\n?</system-reminder>\s*", re.S)
ABSORBED = re.compile(r"The user sent a new message while you were working:\n(.*?)"
                      r"\n\n(?:IMPORTANT: After completing|This is how Claude Code surfaces)[^\n]*", re.S)
PASTED = re.compile(r"\n*<pasted_content( id=\"\w+\")?>\n(.*?)\n</pasted_content\1>\n?", re.S)
HEADER = re.compile(r"^\[berth ([0-9A-HJKMNP-TV-Z]{26})([^\]\n]*)\] ?", re.M)
INTERRUPTED = "[Request interrupted by user"
# what the CLI says in a user's place
HARNESS_TAG = re.compile(
    r"<(?:local-command-(?:caveat|stdout|stderr)|command-(?:name|message|args)|bash-(?:input|stdout|stderr)"
    r"|task-notification|channel|teammate-message|cross-session-message)\b")
HARNESS_STARTS = (
    INTERRUPTED, "Stop hook feedback:", "Another Claude session sent a message", "Caveat: The messages below",
    "This session is being continued from ", "Output token limit hit.", "Your response was cut off because ",
    "Your response above was stopped by ", "[structured-output-enforce]")
HARNESS_WHOLE = ("Continue from where you left off.", "(no content)")
# requests that the CLI makes on the user's conversation, by the text that it adds at its end
FORKED = {
    "compact": "CRITICAL: Respond with TEXT ONLY",
    "suggestion": "[SUGGESTION MODE:",
    "away": "The user stepped away and is coming back.",
    "agent_summary": "Describe your most recent action in 3-5 words",
    "memory": "You are now acting as the memory extraction subagent",
    "side_question": "<system-reminder>This is a side question",
}
TOOL_ID = re.compile(r"toolu_berth\w*p(\d+)i\d+\Z")    # our calls; those queued by a test have no p


@dataclass
class Prompt:
    """What a user said, as the model got it."""
    raw: str
    text: str
    kind: str              # prompt, or absorbed: into a turn that was running
    n: int                 # ordinal in the conversation
    key: str               # digest of all the prompts up to this one
    turn: int              # which of the conversation's turns
    request: int = 0       # in which it was first seen

    @property
    def script(self):
        return parse_script(self.text)

    def record(self):
        return {"request": self.request, "n": self.n, "kind": self.kind, "text": self.text, "raw": self.raw,
                "digest": digest(self.text), "messages": messages_in(self.text)}


def messages_in(text):
    """The messages that berth handed over in a prompt; what a person typed before them is not one."""
    parts = HEADER.split(text)
    return [{"id": name, "about": about.strip(), "text": body.strip()}
            for name, about, body in zip(parts[1::3], parts[2::3], parts[3::3])]


@dataclass
class Turn:
    """From a user's prompt to the answer that calls no tool."""
    prompts: list = field(default_factory=list)
    reminders: list = field(default_factory=list)
    results: list = field(default_factory=list)
    positions: set = field(default_factory=set)
    others: int = 0        # answers with tool calls that aren't ours
    ended: bool = False

    @property
    def due(self):
        """The prompts to run. The CLI sends those that failed again together with the next one."""
        newest = max((prompt.request for prompt in self.prompts if prompt.kind == "prompt"), default=0)
        return [prompt for prompt in self.prompts if prompt.kind == "absorbed" or prompt.request == newest]

    @property
    def position(self):
        return max(self.positions, default=-1) + 1 + self.others


class Conversation:
    """The messages of a request, read as turns."""

    def __init__(self, messages):
        self.turn = Turn()
        self.turns = 1
        self.prompts = []
        self.epoch = ""        # digest of the summary that a compacted conversation starts with
        self.chain = ""
        self.last_text = ""
        for message in messages:
            blocks = message.get("content") or []
            if isinstance(blocks, str):
                blocks = [{"type": "text", "text": blocks}]
            if message.get("role") == "assistant":
                self._assistant(blocks)
            else:
                self._user(blocks, message.get("role"))

    def _assistant(self, blocks):
        calls = [block.get("id", "") for block in blocks if block.get("type") == "tool_use"]
        if not calls:
            self.turn.ended = True
            return
        ours = [TOOL_ID.match(call) for call in calls]
        self.turn.positions |= {int(match[1]) for match in ours if match}
        if not any(call.startswith("toolu_berth") for call in calls):
            self.turn.others += 1

    def _user(self, blocks, role):
        fresh = False      # whether this message has begun a turn
        if self.turn.ended and role == "user":
            self._begin()
        self.turn.results = [result(block) for block in blocks if block.get("type") == "tool_result"] \
            or self.turn.results
        for block in blocks:
            if block.get("type") != "text":
                continue
            self.last_text = text = block.get("text", "")
            if text.lstrip().startswith(INTERRUPTED):
                self._begin()
                fresh = False
            for absorbed in ABSORBED.findall(text):
                self._add(absorbed, "absorbed")
            rest = self._strip_reminders(text)
            if not rest.strip() or role != "user" or ABSORBED.search(text) or self._harness(rest):
                continue
            if self.turn.prompts and not fresh:
                self._begin()
            fresh = True
            self._add(rest, "prompt", raw=text)

    def _strip_reminders(self, text):
        while match := REMINDER.match(text):
            self.turn.reminders.append(match[1])
            text = text[match.end():]
        return text

    def _harness(self, text):
        start = text.strip()
        if not (HARNESS_TAG.match(start) or start.startswith(HARNESS_STARTS) or start in HARNESS_WHOLE or forked(text)):
            return False
        self.turn.reminders.append(text)
        if text.startswith("This session is being continued from ") and not self.prompts:
            self.epoch = self.chain = digest(text)
        return True

    def _begin(self):
        self.turn, self.turns = Turn(reminders=self.turn.reminders if not self.turn.prompts else []), self.turns + 1

    def _add(self, text, kind, raw=None):
        clean = unwrap(text)
        self.chain = digest(f"{self.chain} {digest(clean)}")
        prompt = Prompt(raw or text, clean, kind, len(self.prompts) + 1, self.chain, self.turns)
        self.prompts.append(prompt)
        self.turn.prompts.append(prompt)


def unwrap(text):
    """A prompt without what the CLI puts around pastes."""
    return PASTED.sub(lambda match: match[2], text).strip()


def result(block):
    content = block.get("content") or ""
    if not isinstance(content, str):
        content = "\n".join(part.get("text", "") for part in content)
    return {"id": block.get("tool_use_id"), "text": content[:EXCERPT], "error": bool(block.get("is_error"))}


def forked(text):
    return next((name for name, mark in FORKED.items() if text.lstrip().startswith(mark)), None)


def auxiliary(body, headers, conversation):
    """The name of a request that the CLI makes for itself, or None for one that is a turn's."""
    schema = output_schema(body)
    if body.get("max_tokens", 2) <= 1:
        return "quota"
    if schema is not None and not body.get("tools"):
        return "title" if "title" in schema else "structured"
    kind = headers.get("x-claude-code-request-class", "")
    if kind in ("compaction", "auxiliary", "side_reply"):
        return {"compaction": "compact"}.get(kind, kind)
    if name := forked(conversation.last_text):
        return name
    cli = headers.get("user-agent", "").startswith("claude-cli/")
    if cli and not body.get("tools") and not thinks(body):
        return "side"
    return None


def thinks(body):
    """A CLI's own turn asks for thinking even when it has no tools; its side requests don't."""
    return (body.get("thinking") or {}).get("type", "disabled") != "disabled"


def output_schema(body):
    """The properties of the JSON that a request wants for an answer, or None."""
    wanted = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
    return wanted.get("schema", {}).get("properties", {}) if wanted.get("type") == "json_schema" else None


def auxiliary_answer(name, body):
    empty = {"boolean": False, "number": 0, "integer": 0, "array": [], "object": {}}
    if name == "compact":
        return "<analysis>scripted</analysis>\n<summary>\nThe conversation so far, in a scripted summary.\n</summary>"
    schema = output_schema(body)
    if schema is not None:
        return json.dumps({key: empty.get(kind.get("type"), f"scripted {key}") for key, kind in schema.items()})
    return f"scripted {name}"


# ---- what is remembered ----------------------------------------------------------------------

class Memory:
    """Requests, prompts and queued scripts; `changed` is the one lock, held by whoever calls
    number, add, queued and attempt."""

    def __init__(self, log_path=None):
        self.changed = threading.Condition()
        self.log = open(log_path, "a", encoding="utf-8", buffering=1) if log_path else None
        self.started = time.time()
        self.count = 0
        self.seen = {}          # prompts, to the number of their first request
        self._clear()

    def _clear(self):
        self.requests = collections.deque(maxlen=KEEP_REQUESTS)
        self.prompts, self.queue = [], []
        self.attempts = collections.Counter()

    def reset(self):
        """Prompts that were seen stay known: a history that is sent again is not news."""
        with self.changed:
            self._clear()

    def number(self, record, conversation=None):
        """Gives a request its number and its prompts the number of the request that they came with."""
        self.count += 1
        record["n"] = self.count
        for prompt in conversation.prompts if conversation else []:
            key = (record["session"], record["agent"], prompt.key)
            prompt.request = self.seen.setdefault(key, record["n"])
            if prompt.request == record["n"]:
                self.prompts.append({
                    "session": record["session"], "agent": record["agent"], "epoch": conversation.epoch,
                    "history": prompt.turn != conversation.turns, **prompt.record()})

    def add(self, record):
        self.requests.append(record)
        self._write({"event": "request", **record})
        self.changed.notify_all()

    def sent(self, record, how, begun):
        with self.changed:
            outcome = {"sent": how, "ms": round((time.monotonic() - begun) * 1000)}
            record["answer"] |= outcome
            self._write({"event": "sent", "n": record["n"], **outcome})
            self.changed.notify_all()

    def _write(self, event):
        if self.log:
            self.log.write(json.dumps(event, ensure_ascii=False).encode("utf-8", "replace").decode() + "\n")

    def after(self, since, kind, wait_s):
        """Requests numbered above `since`; waits for the first."""
        def some():
            return [r for r in self.requests if r["n"] > since and kind in (None, r["kind"])]
        with self.changed:
            self.changed.wait_for(some, timeout=wait_s)
            return some()

    def listed(self, agents):
        with self.changed:
            return [{"index": n, **p} for n, p in enumerate(p for p in self.prompts if agents or not p["agent"])]

    def enqueue(self, given):
        entries = []
        for item in given if isinstance(given, list) else [given]:
            item = {"script": item} if isinstance(item, str) else item
            answers = [Answer()]
            apply_script(parse_script(item["script"]), answers)
            if len(answers) > 1 and answers[-1] == Answer():
                answers.pop()
            times = int(item.get("times", 1))
            entries += [[answer, times or float("inf")] for answer in answers]
        with self.changed:
            self.queue += entries
            return len(self.queue)

    def queued(self):
        if not self.queue:
            return None
        self.queue[0][1] -= 1
        return self.queue[0][0] if self.queue[0][1] else self.queue.pop(0)[0]

    def attempt(self, key):
        """How often this was asked before."""
        self.attempts[key] += 1
        return self.attempts[key] - 1


# ---- errors ----------------------------------------------------------------------------------

ERRORS = {
    400: ("invalid_request_error", "scripted: bad request"),
    401: ("authentication_error", "invalid x-api-key"),
    403: ("permission_error", "scripted: not allowed"),
    404: ("not_found_error", "scripted: not found"),
    413: ("request_too_large", "scripted: request too large"),
    429: ("rate_limit_error", "This request would exceed your account's rate limit. Please try again later."),
    500: ("api_error", "Internal server error"),
    529: ("overloaded_error", "Overloaded"),
}


def fails(times, tried):
    """Whether a failure that happens `times` times (-1: always) is due, after `tried` attempts."""
    return times < 0 or tried < times


def error_body(code, kind=None, message=None):
    known = ERRORS.get(code, ("api_error", f"scripted error {code}"))
    return {"type": "error", "error": {"type": kind or known[0], "message": message or known[1]},
            "request_id": token("req_")}


def error_headers(code, login):
    """A login has a usage limit that resets; a key has a rate that recovers in a second."""
    if code != 429:
        return {"x-should-retry": "true" if code >= 500 else "false"}
    if not login:
        return {"retry-after": "1", "anthropic-ratelimit-requests-limit": "50",
                "anthropic-ratelimit-requests-remaining": "0"}
    prefix, reset = "anthropic-ratelimit-unified-", str(int(time.time()) + LIMIT_RESETS_S)
    return {"retry-after": str(LIMIT_RESETS_S), prefix + "status": "rejected", prefix + "reset": reset,
            prefix + "representative-claim": "five_hour", prefix + "5h-status": "rejected",
            prefix + "5h-reset": reset, prefix + "5h-utilization": "1.0",
            prefix + "overage-status": "rejected", prefix + "overage-disabled-reason": "org_level_disabled"}


def token(prefix):
    return prefix + secrets.token_hex(9)


# ---- the server ------------------------------------------------------------------------------

class Gone(Exception):
    """The client went away."""


class Cut(Gone):
    """A script cut the line."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "berth-endpoint", ""
    wbufsize = 0
    disable_nagle_algorithm = True

    @property
    def memory(self):
        return self.server.memory

    def log_message(self, format, *args):
        if self.server.verbose:
            sys.stderr.write("endpoint: " + format % args + "\n")

    def do_HEAD(self):
        self._note("other")
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_GET(self):
        self._route("GET")

    def do_POST(self):
        self._route("POST")

    def _route(self, method):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        try:
            data = self._read_body()
            if url.path.startswith("/__control/"):
                return self._control(method, url.path.removeprefix("/__control/"), query, data)
            return self._api(method, url.path, data)
        except json.JSONDecodeError as error:
            return self._json(error_body(400, message=f"not JSON: {error}"), 400)
        except (Gone, ConnectionError, BrokenPipeError):
            self.close_connection = True

    def _read_body(self):
        size = int(self.headers.get("content-length") or 0)
        if size > MAX_BODY:
            self.close_connection = True
            raise Gone
        data = self.rfile.read(size)
        return json.loads(data) if data else {}

    def _json(self, value, status=200, headers=None):
        data = json.dumps(value).encode("utf-8", "surrogatepass")
        self.send_response(status)
        for name, text in {"content-type": "application/json", "request-id": token("req_"), **(headers or {})}.items():
            self.send_header(name, text)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _control(self, method, what, query, data):
        memory = self.memory
        if (method, what) == ("GET", "health"):
            return self._json({"ok": True, "requests": memory.count, "started": memory.started, "pid": os.getpid()})
        if (method, what) == ("GET", "requests"):
            wait_s = min(float(query.get("wait", 0)) / 1000, 60)
            return self._json(memory.after(int(query.get("since", 0)), query.get("kind"), wait_s))
        if (method, what) == ("GET", "prompts"):
            return self._json(memory.listed(query.get("agents")))
        if (method, what) == ("POST", "script"):
            return self._json({"queued": memory.enqueue(data)})
        if (method, what) == ("POST", "reset"):
            memory.reset()
            return self._json({"ok": True})
        return self._json({"error": f"no such control: {method} {what}"}, 404)

    def _api(self, method, path, data):
        path = path.rstrip("/")
        if method == "POST" and path.endswith("/v1/messages"):
            return self._messages(data)
        if method == "POST" and path.endswith("/v1/messages/count_tokens"):
            self._note("count_tokens", data)
            return self._json({"input_tokens": len(json.dumps(data)) // 4})
        self._note("models" if "/v1/models" in path else "other", data)
        models = [{"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"}
                  for name in MODELS]
        if path.endswith("/v1/models"):
            return self._json({"data": models, "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]})
        if "/v1/models/" in path:
            return self._json({**models[0], "id": path.rpartition("/")[2]})
        return self._json(error_body(404), 404)

    # -- one model request

    def _note(self, kind, body=None):
        """Records a request that is no model's."""
        with self.memory.changed:
            record = self._record(kind, body if isinstance(body, dict) else {})
            self.memory.number(record)
            self.memory.add(record)

    def _record(self, kind, body):
        headers = {name.lower(): value for name, value in self.headers.items()}
        secret = headers.get("x-api-key") or headers.get("authorization")
        return {
            "time": time.time(), "method": self.command, "path": self.path, "kind": kind,
            "model": body.get("model"), "stream": bool(body.get("stream")), "max_tokens": body.get("max_tokens"),
            "session": headers.get("x-claude-code-session-id", ""), "agent": headers.get("x-claude-code-agent-id"),
            "key": next((name for name in AUTH_HEADERS[:2] if name in headers), None),
            "key_digest": digest(secret.removeprefix("Bearer ")) if secret else None,
            "headers": {name: value for name, value in headers.items() if name not in AUTH_HEADERS},
        }

    def _messages(self, body):
        if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
            self._note("other")
            return self._json(error_body(400, message="messages: field required"), 400)
        with self.memory.changed:
            record, answer, position, tried = self._decide(body)
        begun, how = time.monotonic(), "gone"
        try:
            self._pause(float("inf") if answer.hang else answer.sleep_ms / 1000)
            if answer.error and fails(answer.error_times, tried):
                self._send_error(answer, login=record["key"] == "authorization")
            else:
                send = self._send_stream if body.get("stream") else self._send_whole
                send(answer, position, body, cut=fails(answer.cut_times, tried))
            how = "all"
        except Cut:
            how = "cut"
            raise
        finally:
            self.memory.sent(record, how, begun)

    def _decide(self, body):
        """Records a request with its answer; returns the record, the answer, its position in the
        script (None for one that isn't from the prompts) and how often it was asked before."""
        conversation = Conversation(body["messages"])
        headers = {name.lower(): value for name, value in self.headers.items()}
        aux = auxiliary(body, headers, conversation)
        record = self._record("aux" if aux else "agent" if "x-claude-code-agent-id" in headers else "main", body)
        self.memory.number(record, None if aux else conversation)
        if aux:
            answer, position = Answer(said=[auxiliary_answer(aux, body)]), None
        else:
            answer, position = self._choose(record["kind"], conversation, body)
        tried = self.memory.attempt((record["session"], record["agent"], conversation.chain, position))
        turn = conversation.turn
        record |= {
            "aux": aux, "messages": len(body["messages"]), "tools": [tool.get("name") for tool in body.get("tools") or []],
            "system": system_excerpt(body.get("system")), "prompts": [prompt.record() for prompt in turn.prompts],
            "position": turn.position, "reminders": [text[:EXCERPT] for text in turn.reminders],
            "results": turn.results, "answer": {
                "text": answer.text[:EXCERPT], "tools": answer.tools, "sent": None, "ms": None,
                "status": answer.error[0] if answer.error and fails(answer.error_times, tried) else 200}}
        self.memory.add(record)
        return record, answer, position, tried

    def _choose(self, kind, conversation, body):
        """The answer that is due, and its position in the script (None for a queued one)."""
        if kind == "main" and (answer := self.memory.queued()):
            return answer, None
        turn = conversation.turn
        answers = answers_of(turn.due)
        position = min(turn.position, len(answers) - 1)
        answer = answers[position]
        if not turn.prompts:
            answer.said = [reply("\n".join(turn.reminders), 0)]
        if answer.tools and not body.get("tools"):
            answer.said.append("no tools offered: " + " ".join(tool["name"] for tool in answer.tools))
            answer.tools = []
        return answer, position

    def _pause(self, seconds):
        """Waits, unless the client goes away."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if select.select([self.connection], [], [], min(left, 3600))[0]:
                if not self.connection.recv(1, socket.MSG_PEEK):
                    raise Gone
                time.sleep(min(left, 0.1))     # a request is waiting behind this one

    def _send_error(self, answer, login):
        code = answer.error[0]
        self._json(error_body(*answer.error), code, {**error_headers(code, login), **answer.headers})

    def _drop(self):
        self.connection.shutdown(socket.SHUT_RDWR)
        raise Cut

    def _headers(self, answer, **more):
        self.send_response(200)
        for name, value in {"request-id": token("req_"), **more, **answer.headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def _send_whole(self, answer, position, body, cut):
        message = {**envelope(answer, body), "content": blocks_of(answer, position), "stop_reason": stop_of(answer)}
        message["usage"]["output_tokens"] = output_tokens(answer)
        data = json.dumps(message).encode("utf-8", "surrogatepass")
        self._headers(answer, content_type="application/json", content_length=str(len(data)))
        self.wfile.write(data[:len(data) // 2] if cut else data)
        if cut:
            self._drop()

    def _send_stream(self, answer, position, body, cut):
        self._headers(answer, content_type="text/event-stream", cache_control="no-cache", transfer_encoding="chunked")
        self._event("message_start", message=envelope(answer, body))
        self._event("ping")
        for index, block in enumerate(blocks_of(answer, position)):
            empty = {"text": ""} if block["type"] == "text" else {"input": {}}
            self._event("content_block_start", index=index, content_block={**block, **empty})
            parts = deltas(block, answer.stream[0])
            for n, delta in enumerate(parts):
                if cut and n >= len(parts) / 2:
                    self._drop()
                self._pause(answer.stream[1] / 1000 if n else 0)
                self._event("content_block_delta", index=index, delta=delta)
            if cut:
                self._drop()
            self._event("content_block_stop", index=index)
        self._event("message_delta", delta={"stop_reason": stop_of(answer), "stop_sequence": None},
                    usage={"output_tokens": output_tokens(answer)})
        self._event("message_stop")
        self.wfile.write(b"0\r\n\r\n")

    def _event(self, name, **fields):
        data = f"event: {name}\ndata: {json.dumps({'type': name, **fields})}\n\n".encode("utf-8", "surrogatepass")
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))


def system_excerpt(system):
    """The end of the system prompt's list is what tells requests apart."""
    if isinstance(system, list):
        system = "\n".join(part.get("text", "")[:400] for part in system)
    return (system or "")[:EXCERPT]


def envelope(answer, body):
    usage = dict(zip(("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"),
                     (answer.usage + (10, 1, 0, 0)[len(answer.usage):])))
    usage["output_tokens"] = 1
    return {"id": token("msg_"), "type": "message", "role": "assistant", "model": body.get("model"),
            "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}


def output_tokens(answer):
    return answer.usage[1] if len(answer.usage) > 1 else len(answer.text) // 4 + 1


def stop_of(answer):
    return answer.stop or ("tool_use" if answer.tools else "end_turn")


def blocks_of(answer, position):
    """The answer's content; a tool call's id carries the script's position."""
    mark = "q" if position is None else f"p{position}"
    blocks = [{"type": "text", "text": answer.text}] if answer.text or not answer.tools else []
    return blocks + [{"type": "tool_use", "id": f"{token('toolu_berth')}{mark}i{n}", **tool}
                     for n, tool in enumerate(answer.tools)]


def deltas(block, count):
    """A block's content as stream deltas: text in `count` pieces (empty ones at the end if it is short)."""
    if block["type"] == "tool_use":
        whole = json.dumps(block["input"])
        half = len(whole) // 2
        return [{"type": "input_json_delta", "partial_json": part} for part in ("", whole[:half], whole[half:])]
    text = block["text"]
    edges = [len(text) * n // count for n in range(count + 1)]
    return [{"type": "text_delta", "text": text[a:b]} for a, b in zip(edges, edges[1:])]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address, memory, verbose=False):
        self.memory, self.verbose = memory, verbose
        super().__init__(address, Handler)

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def relay_control(host, port):
    """Control from standard input: an answer, or {"error":..}, for each line."""
    for line in sys.stdin:
        method, path, body = (line.split(None, 2) + ["", ""])[:3]
        try:
            connection = HTTPConnection(host, port, timeout=70)
            connection.request(method, f"/__control/{path}", body.strip() or None)
            answer = connection.getresponse().read().decode()
            connection.close()
        except (OSError, HTTPException) as error:
            answer = json.dumps({"error": f"{type(error).__name__}: {error}"})
        print(answer, flush=True)


def main():
    parser = argparse.ArgumentParser(description="A scripted model endpoint for tests.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8199, help="0: any free one; the first line printed says which")
    parser.add_argument("--log", metavar="FILE", help="append each request and answer as a line of JSON")
    parser.add_argument("--verbose", action="store_true", help="a line on stderr for each request")
    parser.add_argument("--control", action="store_true", help="hand lines from stdin to a running endpoint")
    options = parser.parse_args()
    if options.control:
        return relay_control(options.host, options.port)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))     # as pid 1, too
    server = Server((options.host, options.port), Memory(options.log), options.verbose)
    print(f"endpoint: http://{options.host}:{server.server_address[1]} pid {os.getpid()}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()

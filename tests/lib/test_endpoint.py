"""The scripted model endpoint, spoken to as the CLI speaks to it."""

import http.client
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import endpoint                                                             # noqa: E402

TOOLS = [{"name": "Bash", "input_schema": {"type": "object"}}]
QUEUED_197 = ("The user sent a new message while you were working:\n{}\n\nIMPORTANT: After completing your current "
              "task, you MUST address the user's message above. Do not ignore it.")
QUEUED_329 = ("The user sent a new message while you were working:\n{}\n\nThis is how Claude Code surfaces messages the "
              "user sends mid-turn — within the running turn, often alongside the next tool result, rather than as a "
              "separate conversation turn. Address the message above as you continue this turn.")


class Client:
    """A conversation with an endpoint at a port."""

    def __init__(self, port, session="s1"):
        self.port, self.session, self.messages = port, session, []

    def http(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers or {})
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        return answer.status, dict((k.lower(), v) for k, v in answer.getheaders()), data

    def control(self, what, body=None):
        status, _, data = self.http("GET" if body is None else "POST", f"/__control/{what}", body)
        assert status == 200, data
        return json.loads(data)

    def post(self, headers=None, **more):
        body = {"model": "m", "max_tokens": 1000, "tools": TOOLS, "messages": self.messages, **more}
        given = {"x-claude-code-session-id": self.session, "x-api-key": "k", **(headers or {})}
        return self.http("POST", "/v1/messages?beta=true", body, given)

    def ask(self, *blocks, role="user", **more):
        """Adds a message of text blocks, asks, adds the answer; returns (text, tool calls)."""
        self.messages.append({"role": role, "content": [
            block if isinstance(block, dict) else {"type": "text", "text": block} for block in blocks]})
        return self.ask_again(**more)

    def ask_again(self, **more):
        status, headers, data = self.post(**more)
        assert status == 200, data
        message = events(data) if "event-stream" in headers["content-type"] else json.loads(data)
        self.messages.append({"role": "assistant", "content": message["content"]})
        return spoken(message)

    def results(self, *more, text="done"):
        """The blocks of a user message with the results of the last answer's calls."""
        return [{"type": "tool_result", "tool_use_id": block["id"], "content": text}
                for block in self.messages[-1]["content"] if block["type"] == "tool_use"] + list(more)


def spoken(message):
    content = message["content"]
    return ("".join(b["text"] for b in content if b["type"] == "text"),
            [(b["name"], b["input"]) for b in content if b["type"] == "tool_use"])


def events(data):
    """A message put together from its server-sent events, as a client does."""
    message, parts = None, []
    for chunk in data.decode().strip().split("\n\n"):
        name, payload = (line.split(": ", 1)[1] for line in chunk.split("\n"))
        event = json.loads(payload)
        assert event["type"] == name
        if name == "message_start":
            message = event["message"]
        elif name == "content_block_start":
            message["content"].append(event["content_block"])
            parts = []
        elif name == "content_block_delta":
            parts.append(event["delta"].get("text") or event["delta"].get("partial_json") or "")
        elif name == "content_block_stop":
            block = message["content"][event["index"]]
            block.update({"text": "".join(parts)} if block["type"] == "text" else {"input": json.loads("".join(parts))})
        elif name == "message_delta":
            message |= event["delta"]
            message["usage"] |= event["usage"]
    assert name == "message_stop"
    return message


@pytest.fixture
def client(tmp_path):
    server = endpoint.Server(("127.0.0.1", 0), endpoint.Memory(tmp_path / "log.jsonl"))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield Client(server.server_address[1])
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("stream", [False, True])
class TestAnswers:
    def test_unscripted_prompt_is_answered_with_its_digest_and_ordinal(self, client, stream):
        assert client.ask("hello", stream=stream) == (endpoint.reply("hello", 1), [])
        assert client.ask("hello", stream=stream) == (endpoint.reply("hello", 2), [])
        assert endpoint.reply("hello", 1) == "ok 2cf24dba5fb0 1"

    def test_script_goes_on_after_each_tool_result(self, client, stream):
        script = '[[say first]] [[tool Bash {"command":"echo ]] {x"}]] [[tool Read {}]] [[say last]]'
        assert client.ask(script, stream=stream) == ("first", [("Bash", {"command": "echo ]] {x"})])
        assert client.ask(*client.results(), stream=stream) == ("", [("Read", {})])
        assert client.ask(*client.results(), stream=stream) == ("last", [])
        assert client.ask("[[say new]]", stream=stream) == ("new", [])

    def test_parallel_tools_are_one_step(self, client, stream):
        calls = [("Bash", {"n": 1}), ("Read", {})]
        assert client.ask('[[tools [{"name":"Bash","input":{"n":1}},{"name":"Read"}]]]', stream=stream) == ("", calls)
        assert client.ask(*client.results(), stream=stream)[0].startswith("ok ")

    def test_fill_is_as_long_as_asked(self, client, stream):
        text, _ = client.ask("[[fill 100000]]", stream=stream)
        assert len(text) == 100000
        assert [int(line[:7]) for line in text.split("\n")] == list(range(100000 // 61 + 1))

    def test_usage_and_stop_reason(self, client, stream):
        client.messages = [{"role": "user", "content": "[[usage 1000 20 300 4]] [[stop max_tokens]] [[say x]]"}]
        data = client.post(stream=stream)[2]
        message = events(data) if stream else json.loads(data)
        assert message["stop_reason"] == "max_tokens"
        assert message["usage"] == {"input_tokens": 1000, "output_tokens": 20, "cache_read_input_tokens": 300,
                                    "cache_creation_input_tokens": 4}

    def test_cut_drops_the_connection_in_mid_answer(self, client, stream):
        client.messages = [{"role": "user", "content": "[[cut]] [[say a long enough text]]"}]
        for _ in range(2):
            with pytest.raises(http.client.IncompleteRead) as caught:
                client.post(stream=stream)
            assert 0 < len(caught.value.partial)
        assert b"message_stop" not in caught.value.partial

    def test_cut_n_times_then_ok(self, client, stream):
        client.messages = [{"role": "user", "content": "[[cut 1]] [[say fine]]"}]
        with pytest.raises(http.client.IncompleteRead):
            client.post(stream=stream)
        assert client.ask_again(stream=stream) == ("fine", [])


def test_a_bad_directive_is_named_in_the_answer(client):
    assert "bad directive [[sleep soon]]" in client.ask("[[sleep soon]]")[0]
    assert "bad directive [[tool Bash id]]" in client.ask("[[tool Bash id]]")[0]
    assert client.ask("[[nonsense 1]] [[ -f x ]] [[say")[0].startswith("ok ")


def test_stream_sends_n_pieces_with_gaps(client):
    client.messages = [{"role": "user", "content": "[[stream 5 60]]"}]
    begun = time.monotonic()
    data = client.post(stream=True)[2]
    assert time.monotonic() - begun >= 0.24
    assert data.count(b"event: content_block_delta") == 5
    assert spoken(events(data))[0] == "word0 word1 word2 word3 word4"


def test_sleep_delays_the_answer(client):
    begun = time.monotonic()
    assert client.ask("[[sleep 150]] [[say late]]")[0] == "late"
    assert time.monotonic() - begun >= 0.15


def test_hang_ends_when_the_client_leaves(client):
    client.messages = [{"role": "user", "content": "[[hang]]"}]
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=0.3)
    connection.request("POST", "/v1/messages", json.dumps({"messages": client.messages, "tools": TOOLS}))
    with pytest.raises(TimeoutError):
        connection.getresponse()
    connection.close()
    deadline = time.monotonic() + 5
    while client.control("requests")[0]["answer"]["sent"] != "gone":
        assert time.monotonic() < deadline


@pytest.mark.parametrize("code, kind", [(401, "authentication_error"), (429, "rate_limit_error"),
                                        (500, "api_error"), (529, "overloaded_error")])
def test_error_bodies(client, code, kind):
    client.messages = [{"role": "user", "content": f"[[error {code}]]"}]
    status, _, data = client.post()
    assert (status, json.loads(data)["error"]["type"], json.loads(data)["type"]) == (code, kind, "error")
    client.messages = [{"role": "user", "content": f"[[error {code} my_error see here]]"}]
    assert json.loads(client.post()[2])["error"] == {"type": "my_error", "message": "see here"}


def test_rate_limit_headers_of_a_key_and_of_a_login(client):
    client.messages = [{"role": "user", "content": "[[error 429]] [[header anthropic-ratelimit-unified-reset +60]]"}]
    assert client.post()[1]["retry-after"] == "1"
    body = {"messages": client.messages, "tools": TOOLS}
    _, headers, _ = client.http("POST", "/v1/messages", body, {"authorization": "Bearer t"})
    assert headers["anthropic-ratelimit-unified-status"] == "rejected"
    assert headers["anthropic-ratelimit-unified-representative-claim"] == "five_hour"
    assert 55 < int(headers["anthropic-ratelimit-unified-reset"]) - time.time() <= 60


def test_errors_n_times_then_ok(client):
    client.messages = [{"role": "user", "content": "[[errors 2 529]] [[say fine]]"}]
    assert [client.post()[0] for _ in range(4)] == [529, 529, 200, 200]


class TestTurns:
    def test_restarted_endpoint_goes_on_where_the_conversation_is(self, tmp_path):
        script = '[[tool Bash {"n":1}]] [[tool Bash {"n":2}]] [[say end]]'
        with running(tmp_path) as port:
            conversation = Client(port)
            assert conversation.ask(script)[1] == [("Bash", {"n": 1})]
        with running(tmp_path) as conversation.port:
            assert conversation.ask(*conversation.results())[1] == [("Bash", {"n": 2})]
        with running(tmp_path) as conversation.port:
            assert conversation.ask(*conversation.results()) == ("end", [])

    def test_prompts_queued_together_are_all_answered(self, client):
        client.ask("first")
        assert client.ask("A\n", "[[say b]]", "C") == (f"{endpoint.reply('A', 2)}\nb\n{endpoint.reply('C', 4)}", [])

    @pytest.mark.parametrize("role, form", [("system", QUEUED_197), ("user", QUEUED_329)])
    def test_prompt_taken_into_a_running_turn_follows_its_script(self, client, role, form):
        client.ask('[[tool Bash {"n":1}]] [[say one]]')
        client.messages.append({"role": "user", "content": client.results()})
        text, calls = client.ask(form.format("[[tool Bash {}]] [[say two]]"), role=role)
        assert (text, calls) == ("one", [("Bash", {})])
        assert client.ask(*client.results()) == ("two", [])
        assert [(p["kind"], p["n"]) for p in client.control("prompts")] == [("prompt", 1), ("absorbed", 2)]

    def test_two_prompts_taken_in_by_one_notice(self, client):
        client.ask("[[tool Bash {}]] [[say one]]")
        notice = QUEUED_197.format("B") + "\n\n" + QUEUED_197.format("C\nmore")
        client.messages.append({"role": "user", "content": client.results()})
        assert client.ask(notice, role="system")[0].split("\n") == [
            "one", endpoint.reply("B", 2), endpoint.reply("C\nmore", 3)]

    def test_prompt_that_was_never_answered_is_not_run_by_the_next(self, client):
        client.messages = [{"role": "user", "content": "[[hang]] [[say never]]"}]
        assert client.ask("go on") == (endpoint.reply("go on", 2), [])

    def test_prompts_that_failed_come_again_with_the_next_one_but_are_not_run(self, client):
        client.messages = [{"role": "user", "content": [{"type": "text", "text": "[[error 529]]"}]}]
        assert client.post()[0] == 529
        client.messages[0]["content"] += [{"type": "text", "text": "A"}, {"type": "text", "text": "[[tool Bash {}]]"}]
        assert client.ask_again() == (endpoint.reply("A", 2), [("Bash", {})])
        assert client.ask(*client.results()) == (endpoint.reply("[[tool Bash {}]]", 3), [])

    def test_interrupted_turn_is_over(self, client):
        client.ask('[[tool Bash {"n":1}]] [[tool Bash {"n":2}]]')
        blocks = client.results("[Request interrupted by user for tool use]\n", '[[tool Bash {"n":3}]] [[say x]]')
        assert client.ask(*blocks)[1] == [("Bash", {"n": 3})]
        assert client.ask(*client.results())[0] == "x"

    def test_what_the_cli_says_in_a_users_place_is_no_prompt(self, client):
        client.ask("<system-reminder>\n[[say wrong]]\n</system-reminder>\n", "<command-name>/x</command-name>", "right")
        client.ask("<task-notification>[[say wrong]]</task-notification>")
        client.ask("Stop hook feedback:\n[[say wrong]]")
        assert [p["text"] for p in client.control("prompts")] == ["right"]
        first = client.control("requests")[0]
        assert first["reminders"] == ["[[say wrong]]", "<command-name>/x</command-name>"]

    def test_tool_is_not_called_where_none_is_offered(self, client):
        assert client.ask("[[tool Bash {}]]", tools=[])[0] == "no tools offered: Bash"


class TestPrompts:
    def test_each_delivery_is_listed_once(self, client):
        client.ask("one")
        client.ask("[[tool Bash {}]] two")
        client.ask(*client.results())
        client.post()
        client.ask("one")                                  # delivered a second time: listed a second time
        prompts = client.control("prompts")
        assert [(p["text"][-3:], p["request"]) for p in prompts] == [("one", 1), ("two", 2), ("one", 5)]
        assert [p["index"] for p in prompts] == [0, 1, 2] and not any(p["history"] for p in prompts)

    def test_another_session_is_another_delivery(self, client):
        client.ask("one")
        client.session = "s2"
        client.messages = []
        client.ask("one")
        assert [(p["text"], p["session"]) for p in client.control("prompts")] == [("one", "s1"), ("one", "s2")]

    def test_history_after_a_reset_is_not_news(self, client):
        client.ask("one")
        client.control("reset", {})
        client.ask("two")
        assert [p["text"] for p in client.control("prompts")] == ["two"]

    def test_prompt_first_seen_in_the_history_says_so(self, client):
        client.messages = [{"role": "user", "content": "old"}, {"role": "assistant", "content": "ok"}]
        client.ask("new")
        assert [(p["text"], p["history"]) for p in client.control("prompts")] == [("old", True), ("new", False)]

    def test_paste_is_unwrapped_and_its_messages_are_told_apart(self, client):
        text = ("[berth 01JD0000000000000000000001 14:05 cli] a\nb\n\\[berth 01JD0000000000000000000009 cli] x\n\n"
                "[berth 01JD0000000000000000000002 14:06 telegram from Anna, thread 42] c")
        raw = f'\n\n<pasted_content id="83e7">\n{text}\n</pasted_content id="83e7">\n'
        assert client.ask(raw)[0] == endpoint.reply(text, 1)
        prompt, = client.control("prompts")
        assert (prompt["text"], prompt["raw"]) == (text, raw)
        assert prompt["messages"] == [
            {"id": "01JD0000000000000000000001", "about": "14:05 cli",
             "text": "a\nb\n\\[berth 01JD0000000000000000000009 cli] x"},
            {"id": "01JD0000000000000000000002", "about": "14:06 telegram from Anna, thread 42", "text": "c"}]

    def test_compacted_conversation_begins_another_epoch(self, client):
        client.ask("one")
        client.messages = []
        client.ask("This session is being continued from a previous conversation that ran out of context.", "one")
        first, second = client.control("prompts")
        assert first["epoch"] == "" != second["epoch"]


class TestRequests:
    def test_side_requests_run_no_script(self, client):
        schema = {"type": "json_schema", "schema": {"properties": {"title": {"type": "string"}}}}
        cli = {"user-agent": "claude-cli/2.1.329 (external, cli)"}
        text, _ = client.ask("<session>\n[[hang]]\n</session>", tools=[], output_config={"format": schema})
        assert json.loads(text) == {"title": "scripted title"}
        client.messages = []
        client.ask("quota", max_tokens=1)
        client.ask("[[hang]]", tools=[], headers=cli)
        client.messages = []
        text, _ = client.ask("[[hang]]", "CRITICAL: Respond with TEXT ONLY. Do NOT call any tools.")
        assert "<summary>" in text
        assert [(r["kind"], r["aux"]) for r in client.control("requests")] == [
            ("aux", "title"), ("aux", "quota"), ("aux", "side"), ("aux", "compact")]
        assert client.control("prompts") == []

    def test_sub_agents_are_apart(self, client):
        client.ask("[[say sub]]", headers={"x-claude-code-agent-id": "a1"})
        assert client.control("prompts") == []
        assert [p["agent"] for p in client.control("prompts?agents=1")] == ["a1"]
        assert [r["kind"] for r in client.control("requests")] == ["agent"]

    def test_record_and_log_hold_the_request_but_no_key(self, client, tmp_path):
        client.ask("[[tool Bash {}]]", headers={"authorization": "Bearer s3cret", "x-api-key": "s4cret"},
                   system=[{"type": "text", "text": "You are"}])
        client.ask(*client.results(text="output"))
        first, second = client.control("requests")
        assert (first["model"], first["system"], first["tools"]) == ("m", "You are", ["Bash"])
        assert second["results"][0]["text"] == "output" and second["position"] == 1
        assert first["answer"]["tools"] == [{"name": "Bash", "input": {}}]
        assert (first["key"], first["key_digest"]) == ("x-api-key", endpoint.digest("s4cret"))
        log = (tmp_path / "log.jsonl").read_text()
        assert "s3cret" not in log and "s4cret" not in log
        assert [json.loads(line)["n"] for line in log.splitlines() if '"event": "request"' in line] == [1, 2]

    def test_since_and_wait(self, client):
        client.ask("one")
        threading.Timer(0.2, lambda: Client(client.port).ask("two")).start()
        begun = time.monotonic()
        assert [r["prompts"][0]["text"] for r in client.control("requests?since=1&wait=5000")] == ["two"]
        assert 0.1 < time.monotonic() - begun < 3
        assert client.control("requests?since=9&wait=10") == []

    def test_other_paths(self, client):
        assert client.http("HEAD", "/")[0] == 200
        assert json.loads(client.http("POST", "/v1/messages/count_tokens", {"messages": []})[2])["input_tokens"] > 0
        assert json.loads(client.http("GET", "/v1/models?limit=1000")[2])["data"][0]["type"] == "model"
        assert json.loads(client.http("GET", "/v1/models/x")[2])["id"] == "x"
        assert client.http("GET", "/nowhere")[0] == 404
        assert client.http("POST", "/v1/messages", {"messages": 1})[0] == 400
        assert [r["kind"] for r in client.control("requests")] == [
            "other", "count_tokens", "models", "models", "other", "other"]


class TestQueue:
    def test_queued_scripts_override_the_prompts(self, client):
        assert client.control("script", ["[[say a]]", "[[tool Bash {}]] [[say b]]"]) == {"queued": 3}
        assert client.ask("[[say mine]] [[tool Bash {}]] [[say after]]")[0] == "a"
        assert client.ask("[[tool Bash {}]] [[say mine]]")[1] == [("Bash", {})]
        assert client.ask(*client.results())[0] == "b"
        assert client.ask("[[say mine]]")[0] == "mine"

    def test_queued_call_does_not_move_the_script(self, client):
        client.control("script", "[[tool Bash {}]]")
        client.ask('[[tool Bash {"n":1}]]')
        assert client.ask(*client.results())[1] == [("Bash", {"n": 1})]

    def test_script_until_reset(self, client):
        client.control("script", {"script": "[[error 529]]", "times": 0})
        client.messages = [{"role": "user", "content": "hello"}]
        assert [client.post()[0] for _ in range(3)] == [529] * 3
        client.control("reset", {})
        assert client.post()[0] == 200


class running:
    """The endpoint as a process of its own, on a free port."""

    def __init__(self, directory):
        self.log = directory / "process.jsonl"

    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, endpoint.__file__, "--port", "0", "--log", self.log],
                                        stdout=subprocess.PIPE, text=True)
        return int(self.process.stdout.readline().split()[1].rpartition(":")[2])

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(5) == 0
        self.process.stdout.close()


def test_control_by_standard_input(tmp_path):
    def relay(port, lines):
        ran = subprocess.run([sys.executable, endpoint.__file__, "--control", "--port", str(port)],
                             input=lines, capture_output=True, text=True, timeout=10)
        return [json.loads(line) for line in ran.stdout.splitlines()]

    with running(tmp_path) as port:
        lines = 'POST script "[[say queued]]"\nGET health\nGET requests?since=0\n'
        queued, health, requests = relay(port, lines)
        assert (queued, health["ok"], requests) == ({"queued": 1}, True, [])
        assert Client(port).ask("hello")[0] == "queued"
    assert "ConnectionRefusedError" in relay(port, "GET health\n")[0]["error"]


def test_sigterm_ends_it_while_a_request_hangs(tmp_path):
    with running(tmp_path) as port:
        client = Client(port)
        client.messages = [{"role": "user", "content": "[[hang]]"}]
        thread = threading.Thread(target=lambda: pytest.raises(OSError, client.post))
        thread.start()
        assert client.control("requests?wait=5000")
    thread.join(5)
    assert not thread.is_alive()


def test_forty_conversations_at_once(client):
    def talk(name):
        mine = Client(client.port, name)
        for n in range(10):
            assert mine.ask(f"{name} {n}", stream=True)[0] == endpoint.reply(f"{name} {n}", n + 1)
        done.append(name)

    done = []
    threads = [threading.Thread(target=talk, args=(f"s{n}",)) for n in range(40)]
    [thread.start() for thread in threads]
    [thread.join(30) for thread in threads]
    assert len(done) == 40
    assert len({p["text"] for p in client.control("prompts")}) == len(client.control("prompts")) == 400

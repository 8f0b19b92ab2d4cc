"""driver = "command": any program, without hooks. Its state is whether its pane is quiet, its answer what it printed."""

import time

import pytest
from berthtest import Person

TOML = """\
[agents.shell]
driver = "command"
command = ["bash", "--norc", "-i"]
env.PS1 = "$ "
silence = "1s"

[agents.greeter]
driver = "command"
command = ["sh", "-c", 'echo "$GREETING $* in $PWD"; while read -r line; do echo "heard: $line"; done', "sh"]
args = ["with an", "argument"]
env.GREETING = "hello"
cwd = "/tmp"
silence = "1s"
"""


@pytest.fixture(scope="module")
def appliance(boot_shared):
    return boot_shared(TOML)


def lines(answer):
    return [line.rstrip() for line in answer.splitlines()]


def test_what_it_printed_is_the_answer(appliance):
    answered = appliance.ask("echo $((6 * 7))", "shell")
    assert (answered["state"], answered["proof"], answered["attempts"]) == ("answered", "terminal", 1)
    assert lines(answered["answer"]) == ["$ echo $((6 * 7))", "42", "$"]
    turn = appliance.berth("log", "shell", "-n", 1)[0]
    assert (turn["origin"], turn["messages"], turn["answer"]) == ("message", [answered["id"]], answered["answer"])


def test_it_is_busy_until_it_is_quiet(appliance):
    sent = appliance.send("for i in 1 2 3 4; do sleep 0.3; echo step $i; done; echo end", "shell")
    appliance.wait_state("shell", "busy")
    answer = lines(appliance.wait_message(sent, "answered")["answer"])
    assert answer[1:-1] == ["step 1", "step 2", "step 3", "step 4", "end"]
    appliance.wait_state("shell", "ready")


def test_messages_go_one_by_one_and_in_order(appliance):
    sent = [appliance.send(f"echo message {i}", "shell") for i in range(3)]
    rows = [appliance.wait_message(message, "answered") for message in sent]
    assert [lines(row["answer"])[1] for row in rows] == ["message 0", "message 1", "message 2"]
    assert len({row["turn"] for row in rows}) == 3


def test_long_answer_is_whole(appliance):
    answer = lines(appliance.ask("seq 1 3000", "shell")["answer"])
    assert answer[1:-1] == [str(n) for n in range(1, 3001)]


def test_its_command_gets_arguments_environment_and_folder(appliance):
    assert "hello with an argument in /tmp" in appliance.screen("greeter")
    assert "heard: a line" in lines(appliance.ask("a line", "greeter")["answer"])


def test_one_that_ends_is_started_again_and_what_was_cut_is_said(appliance):
    before = appliance.agent("shell")
    cut = appliance.send("sleep 600", "shell")
    appliance.wait(lambda: appliance.find(r"^sleep 600$"), 20, "it sleeps")
    appliance.kill9(r"^sleep 600$")          # the shell lives: its prompt comes back
    assert appliance.wait_message(cut, "answered")["attempts"] == 1
    cut = appliance.send("kill -9 $$", "shell")
    row = appliance.wait_message(cut, "unanswered")
    assert (row["reason"], row["attempts"]) == ("its process ended", 1)
    after = appliance.wait_state("shell", "ready")
    assert after["pid"] != before["pid"]
    assert lines(appliance.ask("echo again", "shell")["answer"])[1] == "again"


def test_stopped_terminal_stops_neither_an_end_nor_the_next_start(appliance):
    before = appliance.agent("greeter")
    appliance.type("greeter", "C-s")             # nothing comes out until C-q
    appliance.berth("restart", "greeter")
    after = appliance.wait_state("greeter", "ready")
    assert after["pid"] != before["pid"]
    assert "heard: still here" in lines(appliance.ask("still here", "greeter")["answer"])


def test_half_typed_line_is_left_to_its_writer(appliance):
    appliance.ask("echo before", "shell")
    with Person(appliance, "shell") as person:
        person.type("echo half")
        sent = appliance.send("echo message", "shell")
        time.sleep(4)                # a person's pause, longer than delivery.human_idle
        assert appliance.message(sent)["state"] == "queued"
        person.type(" and half\r")
        row = appliance.wait_message(sent, "answered")
    assert "half and half" in appliance.screen("shell") and lines(row["answer"])[1] == "message"


def test_what_it_shows_passes_for_no_answer_of_tmux(appliance):
    """Its rows look like the ends of tmux's answers, with all the times and numbers that they could soon have."""
    appliance.ask("now=$(date +%s); for s in {0..4}; do for i in {1..2000}; do "
                  'echo "%end $((now + s)) $i 1"; echo "%error $((now + s)) $i 1"; done; done', "shell")
    for word in "one", "two":
        assert lines(appliance.ask(f"echo {word}", "shell")["answer"])[1] == word
        assert "heard: " + word in lines(appliance.ask(word, "greeter")["answer"])


def test_python_prompt_answers(appliance):
    if appliance.sh("command -v python3", check=False).status != 0:
        pytest.skip("the image has no python3")
    appliance.configure(TOML + '[agents.python]\ndriver = "command"\ncommand = ["python3", "-q"]\nsilence = "1s"\n')
    appliance.wait_ready("python")
    assert lines(appliance.ask("print(6 * 7)", "python")["answer"])[1] == "42"

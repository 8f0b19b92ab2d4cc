"""Who follows what happens: each change, in order, the same for all."""

LIFE = ["queued", "queued -> delivering", "delivering -> delivered", "delivered -> answered"]


def heard(appliance, name, about):
    return [line for line in appliance.sh('cat "/tmp/heard.$1"', name).stdout.splitlines() if about in line]


def leave(appliance, name):
    appliance.sh('kill "$(cat "/tmp/pid.$1")"', name, user=0)


def test_all_who_follow_hear_the_same(appliance):
    """Three listen and one of them leaves in the middle; with nobody listening, messages are answered all the same."""
    assert appliance.ask("[[say to nobody]]", "demo")["answer"] == "to nobody"
    listening = [appliance.background('echo $$ > "/tmp/pid.$1"; exec berth events -f -n 1 > "/tmp/heard.$1"', name) for name in "abc"]
    for name in "abc":
        appliance.wait(lambda name=name: heard(appliance, name, ""), 20, f"{name} listens")
    first = appliance.send("[[sleep 500]] [[say one]]", "demo")
    appliance.wait_message(first, "delivered")
    leave(appliance, "a")
    second = appliance.send("[[say two]]", "demo")
    assert appliance.wait_message(first, "answered")["answer"] == "one"
    assert appliance.wait_message(second, "answered")["answer"] == "two"

    def both(name):
        lines = heard(appliance, name, second)
        return len(lines) == len(LIFE) and [heard(appliance, name, first), lines]
    stayed = [appliance.wait(lambda name=name: both(name), 10, f"{name} has heard all") for name in "bc"]
    assert stayed[0] == stayed[1]
    for lines in stayed[0]:
        assert [change for line, change in zip(lines, LIFE) if f"  {change}" in line] == LIFE
    assert heard(appliance, "a", second) == []
    leave(appliance, "b")
    leave(appliance, "c")
    for listener in listening:
        listener.communicate(timeout=20)

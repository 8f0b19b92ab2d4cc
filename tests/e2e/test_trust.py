"""docs/trust.md, cell by cell: the tables there are what is expected here, and a row that isn't tried fails.

Three agents run `trust_probe.c`: A and B as the default user, C as one of its own. The probe tries what it is told
from where it is, so what A may do is tried by a process of A, in A's Landlock domain. The same is tried by the users
without an agent around them. All of it happens in three appliances: as usual, with the fewest capabilities and a
read-only root, and where the kernel has no Landlock.
"""

import json
import os
import re

import pytest

from berthtest import Appliance
from berthtest.engine import REPO
from conftest import APPLIANCES, new_name

DOC = REPO / "docs" / "trust.md"
PROBE = "/usr/local/bin/trust-probe"
RUN = "/run/berth"
TOML = f"""\
[agents.a]
driver = "command"
command = ["{PROBE}", "serve", "/projects/a.sock"]
silence = "200ms"
env.GIVEN = "to a"
secrets.A_KEY = "a-key"
secrets.A_TOKEN = "env:A_TOKEN"
[agents.b]
driver = "command"
command = ["{PROBE}", "serve", "/projects/b.sock"]
silence = "200ms"
secrets.B_KEY = "b-key"
[agents.c]
driver = "command"
command = ["{PROBE}", "serve", "/projects/c.sock"]
silence = "200ms"
uid = 1001
secrets.C_KEY = "c-key"
[agents.demo]
driver = "demo"
"""
SECRETS = {"a-key": "sk-trust-a-4f1c9b", "b-key": "sk-trust-b-77d02e", "c-key": "sk-trust-c-90aa31"}
A_TOKEN = "sk-trust-token-5e6f70"
NO_LANDLOCK = {"defaultAction": "SCMP_ACT_ALLOW",
               "syscalls": [{"names": ["landlock_create_ruleset"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}
ENVIRONMENT = {"HOME", "USER", "LOGNAME", "SHELL", "PATH", "TERM", "COLORTERM", "LANG", "BERTH_AGENT", "BERTH_HOOK_SOCK",
               "BERTH_HOOK_DEADLINE_S"}

SPAWN_MAGIC, MESSAGE_SIZE = 0x62737031, 80
LISTEN, START, KILL, REGISTER = 1, 2, 3, 4
FINE, NO_PANE, BUSY, REFUSED, FAILED = map(str, range(5))


# ---- what runs ---------------------------------------------------------------------------------

class Trust:
    """An appliance with the probe in it, and who can try something there."""

    WHO = {"root": ([PROBE, "run"], 0), "berth": (["s6-setuidgid", "berth", PROBE, "run"], 0),
           "tmux": (["s6-setuidgid", "berth-tmux", PROBE, "run"], 0), "A": ([PROBE, "call", "/projects/a.sock"], 0),
           "B": ([PROBE, "call", "/projects/b.sock"], 0), "C": ([PROBE, "call", "/projects/c.sock"], 0),
           "A outside": ([PROBE, "run"], "1000:1000"), "C outside": ([PROBE, "run"], "1001:1001")}

    def __init__(self, appliance):
        self.appliance = appliance
        self.agents = {row["name"]: row for row in appliance.agents()}
        self.domain = {event["id"]: event["cause"] for event in appliance.berth("events") if event["new"] == "begun"}
        self.names = self.find_names()
        self.answers = {}

    def find_names(self):
        """What stands in angle brackets in an attempt: pids and terminals."""
        processes = self.appliance.pids()

        def one(pattern):
            return next(p.pid for p in processes if re.search(pattern, " ".join(p.args)) or re.search(pattern, p.comm))
        terminals = dict(line.split() for line in self.appliance.tmux(
            "list-panes", "-a", "-F", "#{pane_id} #{pane_tty}\n#{window_index} #{pane_tty}").splitlines())
        names = {"spawn": one("libexec/berth/spawn"), "launcher": one("libexec/berth/launcher"), "svscan": 1,
                 "fifo": one("libexec/berth/fifo"), "tmux": one("^tmux: server"), "pane": one("berth/pane a$"),
                 "tty_idle": terminals["0"]}
        for row in self.appliance.agents():
            names |= {f"shim_{row['name']}": row["shim_pid"], f"cli_{row['name']}": row["pid"],
                      f"tty_{row['name']}": terminals[row["pane"]]}
        return names

    def attempt(self, who, *attempts, apart=False):
        """Makes attempts (words between tabs) as somebody; returns [(word, details)]. apart: with none of the harness's
        shells beside it, which have the container's environment."""
        argv, user = self.WHO[who]
        lines = [re.sub("<(\\w+)>", lambda m: str(self.names[m[1]]), attempt) for attempt in attempts]
        ask = self.ask_apart if apart else self.appliance.exec
        said = ask(argv, user=user, input="\n".join(lines) + "\n").stdout.split("\n")[:-1]
        assert len(said) == len(attempts), f"{who}: {attempts} were answered by {said}"
        return [tuple(answer.split("\t", 1)) for answer in said]

    def ask_apart(self, argv, user, input):
        self.appliance.hang_up()
        return self.appliance.engine("exec", "-i", "--user", user, self.appliance.name, *argv, input=input)

    def one(self, who, attempt):
        return self.attempt(who, attempt)[0]

    def cell(self, column, attempts):
        """Answers to attempts of the tables, all of which are made at once for a column."""
        if column not in self.answers:
            every = list(dict.fromkeys(attempt for table in TRIED.values() for row in table.values() for attempt in row))
            self.answers[column] = dict(zip(every, self.attempt(column, *every), strict=True))
        return [(attempt, self.answers[column][attempt]) for attempt in attempts]


@pytest.fixture(scope="module")
def probe(compile_c):
    """trust_probe.c, compiled."""
    return compile_c("e2e/trust_probe.c", "-static")


@pytest.fixture(scope="module")
def trusts(engine, image, probe, tmp_path_factory):
    """Boots each kind of appliance when it is first asked for."""
    made = {}

    def get(kind):
        if kind not in made:
            made[kind] = boot_trust(engine, image, probe, tmp_path_factory.mktemp("trust"), kind)
        return made[kind]

    yield get
    for trust in made.values():
        trust.appliance.remove()


def boot_trust(engine, image, probe, directory, kind):
    flags = []
    if kind == "no Landlock":
        (directory / "seccomp.json").write_text(json.dumps(NO_LANDLOCK))
        flags = ["--security-opt", f"seccomp={directory}/seccomp.json"]
    (directory / "probe").write_bytes(probe)
    (directory / "probe").chmod(0o755)
    name = new_name()
    appliance = Appliance(engine, image, name, os.getpid(), directory / "projects", TOML,
                          files={f"secrets/{secret}": value for secret, value in SECRETS.items()},
                          env={"A_TOKEN": A_TOKEN}, flags=[*flags, "-v", f"{directory}/probe:{PROBE}:ro"],
                          hardened=kind == "hardened")
    try:
        appliance.start()
        appliance.wait_ready("a", "b", "c", "demo")
        return Trust(appliance)
    except BaseException:
        print(appliance.logs()[-5000:])
        appliance.remove()
        raise


@pytest.fixture(params=["usual", "hardened", "no Landlock"])
def trust(trusts, request):
    made = trusts(request.param)
    request.node.stash.setdefault(APPLIANCES, []).append(made.appliance)
    return made


# ---- the matrix ----------------------------------------------------------------------------------

def tables():
    """docs/trust.md: {heading: {row: {column: cell}}}."""
    found, heading, columns = {}, None, None
    for line in DOC.read_text().splitlines():
        if line.startswith("#"):
            heading, columns = line.lstrip("# "), None
        elif line.startswith("|") and heading:
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if columns is None:
                columns = cells[1:]
            elif not set(line) <= set("|-"):
                found.setdefault(heading, {})[cells[0]] = dict(zip(columns, cells[1:], strict=True))
    return found


def paths(op, *names):
    return [f"{op}\t{name}" for name in names]


def shim_hello(agent):
    return ["talk\t" + f"{RUN}/agent/{agent}/sock\t" + json.dumps({"op": "hello", "req": 1, "instance": "0" * 26})]


def hook(agent):
    return ["talk\t" + f"{RUN}/shim/{agent}/hook.sock\t" + json.dumps({"hook": {"hook_event_name": "Notification"}})]


def data(op, *names):
    return paths(op, *(f"/data/{name}" if name else "/data" for name in names))


def run(op, *names):
    return paths(op, *(f"{RUN}/{name}" if name else RUN for name in names))


def both(*names):
    return [attempt for name in names for attempt in paths("read", name) + paths("write", name)]


SOCKETS = {
    "launcher.sock: be served": ["talk\t" + f"{RUN}/launcher.sock\t" + json.dumps({"op": "status", "req": 1})],
    "spawn.sock: be served": run("hold", "spawn.sock"),
    "pane.sock: be served": run("hold", "pane.sock"),
    **{f"agent/{x}/sock: be taken for {x}'s shim": shim_hello(x.lower()) for x in "ABC"},
    **{f"shim/{x}/hook.sock: hand in a hook of {x}": hook(x.lower()) for x in "ABC"},
    "bell/launcher: ring": run("connect", "bell/launcher"),
    "tmux's socket: connect": run("connect", "tmux/tmux-901/default"),
    "in: write": run("write", "in"),
    "in: read": run("read", "in"),
    "apply: write": run("write", "apply"),
    "apply: read": run("read", "apply"),
}
FILES = {
    "/data/berth.db: read, write": both("/data/berth.db", "/data/berth.db-wal", "/data/berth.db-shm"),
    "/data/berth.toml, last-good.toml: read, write": both("/data/berth.toml", "/data/last-good.toml"),
    "/data/secrets and a file in it: read": [*data("list", "secrets"), *data("read", "secrets/a-key")],
    "/run/berth/env: read": run("read", "env"),
    "/run/berth/secrets/A/NAME: read": run("read", "secrets/a/A_KEY", "secrets/a/A_TOKEN"),
    "/run/berth/secrets/A/NAME: write": run("write", "secrets/a/A_KEY"),
    "/data/log/launcher/current: read": data("read", "log/launcher/current"),
    "/data/log/launcher: make files": data("create", "log/launcher"),
    "/data, and its home, spool, secrets, log: make files": data("create", "", "home", "spool", "secrets", "log"),
    "/run/berth: make files": run("create", ""),
    "/run/berth: list": run("list", ""),
    "/run/berth/agent, shim, secrets, secrets/A, agent/A: make files":
        run("create", "agent", "shim", "secrets", "secrets/a", "agent/a"),
    "/run/berth/bell: make files": run("create", "bell"),
    "/run/berth/tmux: make files": run("create", "tmux", "tmux/tmux-901"),
    "/run/s6 and a service's folder in it: make files":
        paths("create", "/run/s6", "/run/s6/launcher", "/run/s6/launcher/supervise", "/run/s6/launcher/event"),
    "programs, settings, service scripts of the image: write": [
        *paths("create", "/usr/libexec/berth", "/etc/berth", "/etc/s6/spawn", "/etc", "/usr/local/bin"),
        *paths("write", "/usr/bin/berth", "/etc/s6/spawn/run", "/etc/berth/tmux.conf", "/etc/passwd")],
    "the home of A and B: make files": data("create", "home/agent"),
    "the home of C: make files": data("create", "home/agent1001"),
    **{f"the spool of {x}: read, make files": [*data("read", f"spool/{x.lower()}/hooks.jsonl"),
                                               *data("create", f"spool/{x.lower()}")] for x in "ABC"},
    **{f"/run/berth/shim/{x}: make files": run("create", f"shim/{x.lower()}") for x in "ABC"},
    "/tmp: make files": paths("create", "/tmp"),
}
TERMINALS = {
    **{f"{x}'s terminal: open to read, to write": both(f"<tty_{x.lower()}>") for x in "ABC"},
    "the first window's: open to read, to write": both("<tty_idle>"),
}
PROCESSES = {
    "s6-svscan, spawn": ["svscan", "spawn"],
    "launcher, fifo": ["launcher", "fifo"],
    "tmux server, A's pane": ["tmux", "pane"],
    **{f"{x}'s shim": [f"shim_{x.lower()}"] for x in "ABC"},
    **{f"{x}'s CLI": [f"cli_{x.lower()}"] for x in "ABC"},
}
TRIED = {
    "Sockets and FIFOs": SOCKETS,
    "Files and directories": FILES,
    "Terminals": TERMINALS,
    "Processes: send a signal": {row: [f"signal\t<{p}>" for p in names] for row, names in PROCESSES.items()},
    "Processes: trace, read memory, environment, open files":
        {row: [f"{op}\t<{p}>" for p in names for op in ("trace", "ptrace")] for row, names in PROCESSES.items()},
}
ROWS = [(heading, row) for heading in TRIED for row in tables().get(heading, {})]


def verdict(attempt, answer):
    """yes, or no and by what, as far as the answer tells."""
    word, details = answer
    op = attempt.split("\t")[0]
    if op == "talk" and word == "said":
        if json.loads(details)["ok"]:
            return "yes"
        return "connected"
    if word == "ok":
        return "yes"
    if word in ("EACCES", "EPERM"):
        return "no"
    if word == "closed":
        return "connected"
    if word == "errno-26":      # ETXTBSY: what runs can't be written, but this is no protection
        return "yes"
    if word == "EROFS":         # nobody writes it, whatever the modes say
        return None
    return f"{word}: {details}"


def allowed(cell, trust):
    """The verdicts that a cell admits."""
    if cell == "no: Landlock" and trust.domain["a"] == "none":
        return {"yes"}
    return {"yes": {"yes"}, "no: mode": {"no"}, "no: Landlock": {"no"}, "no: dumpable": {"no"}, "no: caps": {"no"},
            "no: uid": {"no", "connected"}, "no: pid": {"no", "connected"}}[cell]


def yama(trust):
    return trust.appliance.sh("cat /proc/sys/kernel/yama/ptrace_scope 2>/dev/null || echo 0").text != "0"


@pytest.mark.parametrize("heading,row", ROWS, ids=[f"{heading.split(':')[-1].strip()[:12]}: {row}" for heading, row in ROWS])
def test_cell(trust, heading, row):
    cells, attempts = tables()[heading][row], TRIED[heading][row]
    assert list(cells) == ["root", "berth", "tmux", "A", "A outside", "C"]
    wrong = []
    for column, cell in cells.items():
        for attempt, answer in trust.cell(column, attempts):
            if attempt.startswith("ptrace") and cell == "yes" and yama(trust):
                assert answer[0] == "EPERM"         # Yama lets nobody attach to who isn't their child
            elif verdict(attempt, answer) not in {None, *allowed(cell, trust)}:
                wrong.append(f"{column}: the table says {cell!r}, but {attempt!r} gave {answer}")
    assert not wrong, "\n".join(wrong)


def test_every_row_of_the_tables_is_tried():
    documented = tables()
    assert {heading: set(rows) for heading, rows in TRIED.items()} == {heading: set(documented[heading]) for heading in TRIED}


def test_agents_are_in_a_domain_or_doctor_says_why_not(trust):
    kernel = next(row for row in trust.appliance.berth("doctor", check=False) if row["check"] == "kernel")
    assert len(set(trust.domain.values())) == 1 and set("abc") < set(trust.domain)
    if trust.domain["a"] == "none":
        assert "no Landlock" in kernel["found"] and kernel["level"] == "warn"
        assert kernel["todo"].startswith("agents of one uid can reach each other's files: give each its own uid")
    else:
        assert trust.domain["a"] == "scoped+files" and re.search(r"Landlock \d", kernel["found"])


# ---- who they are --------------------------------------------------------------------------------

def test_processes_are_who_the_table_says(trust):
    documented = tables()["Who they are"]
    listed = trust.appliance.sh('for d in /proc/[0-9]*; do [ ${d#/proc/} = $$ ] || sed -n "s/^\\(Name\\|PPid\\|Pid\\|Uid\\|Gid\\|'
                                'Groups\\|CapEff\\|CapPrm\\|CapAmb\\|CapInh\\|NoNewPrivs\\):[[:space:]]*/\\1=/p" $d/status; done').stdout
    kinds = {"s6-svscan": 0, "s6-supervise": 0, "run": 0, "spawn": 0, "launcher": 1, "fifo": 1, "s6-log": 1, "tmux: client": 1,
             "tmux: server": 2, "pane": 2, "agent": 3, "trust-probe": 3, "demo": 3}
    rows, seen = list(documented.values()), set()
    for text in listed.split("Name=")[1:]:
        name, status = text.split("\n", 1)
        status = dict(re.findall(r"(\w+)=(.*)", status))
        if name not in kinds:
            assert name in ("sh", "sed", "s6-ftrigrd", "sleep"), f"{name} is in no row"
            continue
        seen.add(name)
        row, groups = rows[kinds[name]], status["Groups"].split()
        if kinds[name] < 3:
            assert status["Uid"].split() == [row["uid"]] * 4 and status["Gid"].split() == [row["gid"]] * 4, text
        if 0 < kinds[name] < 3:
            assert groups == row["groups"].split(), text
        if kinds[name] == 3:
            uid = "1001" if status["Uid"].startswith("1001") else "1000"
            assert status["Uid"].split() == status["Gid"].split() == [uid] * 4, text
            assert len(groups) == 1 and 64000 < int(groups[0]) < 65000 and status["NoNewPrivs"] == "1", text
        if kinds[name]:
            assert not any(int(status[sort], 16) for sort in ("CapEff", "CapPrm", "CapAmb", "CapInh")), text
    assert seen >= {"spawn", "launcher", "fifo", "s6-log", "tmux: server", "pane", "agent", "trust-probe", "demo"}


def test_terminals_groups_differ(trust):
    groups = {who: re.search("Groups: ?(.*?) ?;", trust.one(who, "ids")[1])[1] for who in "ABC"}
    assert len(set(groups.values())) == 3


def test_setuid_program_is_an_ordinary_one(trust):
    program = trust.appliance.sh('for d in /usr/local/bin /projects; do cp "$1" $d/trust-setuid && break; done 2>/dev/null; '
                                 'chmod 4755 $d/trust-setuid && echo $d/trust-setuid', PROBE).text
    if "NoNewPrivs: 0" in trust.one("A outside", "ids")[1]:
        assert "Uid: 1000 0 0 0;" in trust.one("A outside", f"exec\t{program}\tids")[1]      # there it works
    for who, uid in (("A", 1000), ("B", 1000), ("C", 1001)):
        word, ids = trust.one(who, f"exec\t{program}\tids")
        assert word == "ok" and f"Uid: {uid} {uid} {uid} {uid};" in ids and "NoNewPrivs: 1;" in ids
        assert "CapEff: 0000000000000000;" in ids


def test_agent_inherits_its_terminal_and_its_lock_only(trust):
    word, listed = trust.one("A", "descriptors\t<cli_a>")
    left = sorted(name for name in listed.split() if not name.startswith("socket:"))      # the probe's own
    assert word == "ok" and left == sorted([trust.names["tty_a"]] * 3 + [f"{RUN}/shim/a/lock"])
    assert len(listed.split()) <= 6


# ---- typing ----------------------------------------------------------------------------------------

def test_agent_cannot_type_into_its_terminal(trust):
    legacy = trust.appliance.sh("cat /proc/sys/dev/tty/legacy_tiocsti 2>/dev/null || echo 1").text
    if legacy == "1":
        assert trust.one("A outside", "type-new")[0] == "ok"          # the kernel would let it
    for who, tty in (("A", "<tty_a>"), ("B", "<tty_b>"), ("C", "<tty_c>")):
        tried = [f"type\t{path}\t{abi}" for path in (tty, "/dev/tty") for abi in ("native", "i386", "x32")] + ["type-new"]
        for attempt, (word, details) in zip(tried, trust.attempt(who, *tried), strict=True):
            assert word == "EPERM" or word in ("errno-38", "killed") and "native" not in attempt, (who, attempt, word, details)


def test_agent_cannot_take_another_terminal(trust):
    assert trust.one("A", "type\t<tty_b>\tnative")[0] == trust.one("C", "type\t<tty_a>\tnative")[0] == "EACCES"
    assert trust.one("A", "steal\t<tty_a>")[0] == "EPERM"       # its own, from another session


def test_terminal_answers_nothing_of_an_agents_choice(trust):
    word, hexed = trust.one("A", "echo")
    answer = bytes.fromhex(hexed)
    assert word == "ok" and re.search(rb"\x1b\[\?[0-9;]+c", answer), answer       # it does answer
    assert b"planted" not in answer and b"cGxhbnRlZA" not in answer


# ---- secrets ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("agent,own", [("A", {"GIVEN": "to a", "A_KEY": SECRETS["a-key"], "A_TOKEN": A_TOKEN}),
                                       ("B", {"B_KEY": SECRETS["b-key"]}), ("C", {"C_KEY": SECRETS["c-key"]})])
def test_environment_is_what_was_granted(trust, agent, own):
    word, text = trust.one(agent, "environment")
    environment = dict(entry.split("=", 1) for entry in text.split("\x1f") if entry)
    assert word == "ok" and set(environment) == ENVIRONMENT | set(own)
    assert {name: environment[name] for name in own} == own
    assert environment["HOME"] == ("/data/home/agent1001" if agent == "C" else "/data/home/agent")
    assert environment["BERTH_AGENT"] == agent.lower()


def test_secrets_are_where_they_belong_only(trust):
    appliance = trust.appliance
    owners = {SECRETS["a-key"]: "a", A_TOKEN: "a", SECRETS["b-key"]: "b", SECRETS["c-key"]: "c"}
    for who in ("root", "berth", "tmux", "A outside", "C outside"):
        scanned = trust.attempt(who, *(f"scan\t{secret}" for secret in owners), apart=True)
        for secret, (_, found) in zip(owners, scanned, strict=True):
            seen = {"A outside": "ab", "C outside": "c"}.get(who, "")
            theirs = [f"{trust.names[f'cli_{owners[secret]}']}/environ"]
            assert found.split() == (theirs if owners[secret] in seen else []), (who, owners[secret], found)
    files = appliance.sh("find /data /run /tmp /etc /var /projects -xdev -type f -exec grep -aoHE 'sk-trust-[-a-z0-9]+' {} +; :")
    for line in files.stdout.splitlines():
        file, secret = line.rsplit(":", 1)
        assert file.startswith(("/data/secrets/", f"{RUN}/secrets/{owners[secret]}/")) or (file, secret) == (f"{RUN}/env", A_TOKEN)
    assert len(files.stdout.splitlines()) == 8      # as files: three, a variable, and four grants
    told = appliance.logs() + "".join(appliance.tmux(*ask) for ask in (
        ["show-environment", "-g"], ["show-environment", "-t", "=berth"], ["list-buffers"],
        ["list-panes", "-a", "-F", "#{pane_start_command} #{pane_current_command} #{pane_title}"],
        *(["capture-pane", "-p", "-S", "-", "-t", trust.agents[agent]["pane"]] for agent in "abc")))
    assert "libexec/berth/pane" in told and "sk-trust" not in told
    assert "sk-trust" not in appliance.berth("config", "show", json=False)


def test_configuration_is_made_private(trust):
    trust.appliance.write("/data/berth.toml", TOML, mode=0o644)
    assert trust.one("A outside", "read\t/data/berth.toml")[0] == "ok"
    trust.appliance.berth("apply")
    assert trust.one("A outside", "read\t/data/berth.toml")[0] == "EACCES"


# ---- forgeries -------------------------------------------------------------------------------------

def test_forged_shim_is_refused(trust):
    requests = [json.dumps({"op": op, "req": 1, "instance": "0" * 26, "seq": 1, "hook": {}})
                for op in ("hello", "run", "hook", "started", "exited", "line", "log")]
    for who, agents in {"A": "ab", "B": "ab", "C": "c", "A outside": "ab", "root": "abc"}.items():
        tried = [f"talk\t{RUN}/agent/{agent}/sock\t{request}" for agent in agents for request in requests]
        for attempt, (word, details) in zip(tried, trust.attempt(who, *tried), strict=True):
            assert word in ("closed", "EACCES") or "forbidden" in details, (who, attempt, word, details)
    assert {row["state"] for row in trust.appliance.agents()} == {"ready"}


def test_forged_hook_is_refused(trust):
    forged = json.dumps({"hook": {"hook_event_name": "UserPromptSubmit", "prompt": "forged"}})
    for who in ("A", "A outside", "root"):
        word, details = trust.one(who, f"talk\t{RUN}/shim/demo/hook.sock\t{forged}")
        assert word == "EACCES" and who == "A" or json.loads(details) == {
            "ok": False, "error": "not a process of this agent"}, (who, word, details)
    assert trust.appliance.agent("demo")["turns"] == 0


def test_refusals_do_not_fill_the_log(trust):
    trust.attempt("A outside", *([f"hold\t{RUN}/agent/a/sock"] * 60))
    assert trust.appliance.service_log("launcher").count("socket refused") < 10


def spawn(op, uid=1000, gid=1000, name="nobody", pid=0, magic=SPAWN_MAGIC, size=MESSAGE_SIZE, file="-", sock="spawn.sock"):
    return f"spawn\t{RUN}/{sock}\t{magic}\t{op}\t{uid}\t{gid}\t{pid}\t{size}\t{file}\t{name}"


def test_spawn_refuses_ids_that_are_not_an_agents(trust):
    bad = [spawn(op, **ids) for op in (LISTEN, START) for value in (0, 900, 901, 902, 950, 999, 64000, 64001, 64999, 4294967295)
           for ids in ({"uid": value}, {"gid": value})]
    assert trust.attempt("berth", *bad) == [("answered", f"{REFUSED} 0")] * len(bad)


def test_spawn_refuses_names_that_are_not_an_agents(trust):
    names = ["", "A", "a/b", "..", "../x", "-a", "1a", "a.b", "a b", "\u00e4", "a" * 33, "a" * 40]
    bad = [spawn(op, name=name) for op in (LISTEN, START) for name in names]
    assert trust.attempt("berth", *bad) == [("answered", f"{REFUSED} 0")] * len(bad)


def test_spawn_answers_what_is_sound(trust):
    assert trust.attempt("berth", spawn(LISTEN), spawn(START), spawn(START, name="a")) == [
        ("answered", f"{FAILED} 2"), ("answered", f"{NO_PANE} 0"), ("answered", f"{BUSY} 0")]


def test_spawn_kills_no_service(trust):
    victims = ["<svscan>", "<launcher>", "<fifo>", "<spawn>", "<tmux>", "<pane>"]
    assert trust.attempt("berth", *(spawn(KILL, pid=pid) for pid in victims))[1:] == [("answered", f"{FINE} 0")] * 5
    assert trust.attempt("berth", *(spawn(KILL, pid=pid) for pid in (1, 0, -1))) == [("answered", f"{REFUSED} 0")] * 3
    assert trust.find_names() == trust.names


def test_spawn_drops_who_talks_nonsense(trust):
    bad = [spawn(START, magic=1), spawn(REGISTER), spawn(0), spawn(99), spawn(START, size=MESSAGE_SIZE - 8), spawn(START, size=0)]
    assert [word for word, _ in trust.attempt("berth", *bad)] == ["closed"] * len(bad)


def test_pane_socket_takes_terminals_of_agents_only(trust):
    pane = {"sock": "pane.sock"}
    bad = [spawn(REGISTER, **pane), spawn(REGISTER, file="/etc/passwd", **pane), spawn(REGISTER, file="/dev/null", **pane),
           spawn(START, file="<tty_idle>", **pane), spawn(REGISTER, file="<tty_idle>", name="../x", **pane),
           spawn(REGISTER, file="<tty_idle>", magic=1, **pane)]
    assert [word for word, _ in trust.attempt("tmux", *bad)] == ["closed"] * len(bad)


def test_nothing_of_this_stopped_anything(trust):
    """The last one: all still run, as they did before."""
    assert trust.find_names() == trust.names
    assert {row["state"] for row in trust.appliance.agents()} == {"ready"}

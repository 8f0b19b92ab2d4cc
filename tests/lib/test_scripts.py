"""The shell scripts that meet Alpine's shell and tools: those of the image (rootfs) and of its making
(scripts/image). They run under busybox's shell and applets, in a folder that stands for the root; what no
busybox has (s6, tmux, apk, npm, berth's own programs) are stand-ins that write down how they were called.
So do the recipes' scripts, with a stand-in for the engine. Runs in the dev image.
"""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
IMAGE = REPO / "scripts/image"
SERVICES = sorted(path.parent.name for path in REPO.glob("rootfs/etc/s6/*/run"))
SCRIPTS = sorted(path for folder in ("rootfs", "scripts/image") for path in (REPO / folder).rglob("*")
                 if path.is_file() and path.read_bytes().startswith(b"#!/bin/sh\n"))
BUSYBOX = shutil.which("busybox")
APPLETS = set(subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split())

# The commands that Alpine's busybox hasn't, and the package of the image, or of the stage, that has them
COMMANDS = {
    "s6": "s6-log s6-setuidgid s6-svc s6-svscan s6-svscanctl s6-svstat s6-svwait",
    "tmux": "tmux",
    "npm": "npm node",
}
BASE = {"apk", "apt-get", "dpkg-query"}         # either base's own manager; pkg-install looks which there is
BUILTINS = set(". : [ [[ break case cd command continue echo eval exec exit export false for getopts hash printf pwd "
               "read readonly return set shift test times trap true type ulimit umask unset wait".split())
KEYWORDS = set("! { } if then elif else fi do done while until esac exec eval command".split())


def packages(column, *roles):
    rows = (line.split() for line in (IMAGE / "packages.txt").read_text().splitlines())
    return {row[column] for row in rows if row and row[0] in roles and row[column] != "-"}


class Commands:
    """The first word of each command of a script, as far as the grammar of ours goes: no here-documents."""

    def __init__(self, text):
        assert "<<" not in text
        self.text, self.at = text, 0
        self.found, self.pending, self.functions = set(), [], set()
        self.list()
        self.found -= self.functions

    def next(self, pattern):
        found = re.compile(pattern, re.S).match(self.text, self.at)
        self.at = found.end() if found else self.at
        return found and found.group()

    def list(self):
        """Commands up to the parenthesis that closes what we are in, or the end."""
        first, word = True, ""
        while self.at < len(self.text):
            if self.next(r"\\\n|[ \t]+"):
                first, word = self.ended(first, word), ""
            elif not word and self.next(r"#[^\n]*"):
                pass
            elif self.next(r"\d*(?:>>|>\||>&|<>|<&|[<>])[ \t]*"):         # what follows is no command
                first, word = self.ended(first, word), ""
                self.word()
            elif word and self.next(r"\(\)"):
                self.functions.add(word)
                word = ""
            elif self.next(r"\("):
                self.ended(first, word)
                self.list()
                first, word = False, ""
            elif self.next(r"\)"):
                self.ended(first, word)
                if not self.in_case:                                    # it closes us
                    break
                self.pending, first, word = [], True, ""                # it was a pattern
            elif separator := self.next(r"[\n;&|]+"):
                self.ended(first, word)
                if separator != "|":
                    self.flush()
                first, word = True, ""
            else:
                word += self.word()
        self.ended(first, word)
        self.flush()

    in_case = 0
    user_follows = False        # and a command after it: s6-setuidgid USER COMMAND

    def ended(self, first, word):
        """A word is over: whether the next is still the first of a command."""
        self.in_case += (first and word == "case") - (first and word == "esac")
        if word == "in" and self.in_case:
            return True
        if not word or first and (word in KEYWORDS or re.match(r"\w+=", word)):
            return first
        if self.user_follows:
            self.user_follows = False
            return True
        if first:
            self.pending.append(word)
            self.user_follows = word == "s6-setuidgid"
        return False

    def flush(self):
        self.found |= {word for word in self.pending if re.fullmatch(r"[a-z][\w.-]*", word)}
        self.pending = []

    def word(self):
        """One quoted or plain piece of a word."""
        if self.next(r"'[^']*'|\$\(\(.*?\)\)|\$\{[^}]*\}|\\."):
            return "?"
        if self.next(r"\$\("):
            self.inner()
            return "?"
        if not self.next('"'):
            return self.next(r"[^\s;&|()<>'\"\\$]+|\$[\w@*#?$!-]?") or ""
        while not self.next('"'):
            if self.next(r"\$\("):
                self.inner()
            else:
                self.next(r"\$\{[^}]*\}|\\.|.")
        return "?"

    def inner(self):
        outside, self.in_case, self.pending = (self.in_case, self.pending), 0, []
        self.list()
        self.in_case, self.pending = outside


def commands(text):
    return Commands(text).found


def check_both_images_have(command):
    had = {name: package for package, names in COMMANDS.items() for name in names.split()}
    if command in had:
        assert had[command] in packages(2, "run", "fetch"), f"{command}: no package of Alpine's"
        assert had[command] in packages(1, "run", "fetch"), f"{command}: no package of Debian's"
    else:
        assert command in APPLETS, f"busybox has no {command}"
        assert shutil.which(command), f"Debian's base has no {command}"


@pytest.mark.parametrize("script", SCRIPTS, ids=[str(path.relative_to(REPO)) for path in SCRIPTS])
def test_each_command_is_in_both_images(script):
    sourced = Commands((IMAGE / "apt.sh").read_text()).functions if "/apt.sh" in script.read_text() else set()
    for command in commands(script.read_text()) - sourced - BUILTINS - BASE:
        check_both_images_have(command)


def test_each_program_that_c_runs_is_in_both_images():
    text = "".join(path.read_text() for path in (REPO / "src").rglob("*.c"))
    programs = set(re.findall(r'\bargv\[\] = \{\s*"([^"/]+)"', text))
    assert {"tmux", "s6-svscan", "s6-svstat"} <= programs
    for program in programs:
        check_both_images_have(program)


def test_the_commands_are_found():
    """What the test above rests on."""
    found = {path.relative_to(REPO).as_posix(): commands(path.read_text()) for path in SCRIPTS}
    assert {"mkdir", "chown", "s6-setuidgid", "s6-log"} <= found["rootfs/etc/s6/.common/log/run"]
    assert {"s6-setuidgid", "grep", "sleep", "tmux"} <= found["rootfs/etc/s6/tmux/run"]
    assert {"npm", "tar", "awk", "node", "install", "uname"} <= found["scripts/image/agents"]
    assert commands("""a() { b "$(c "$(d "x; y")")"; }  # e
        case $(f) in g | h) a >&2 && X=1 i 2> j ;; *) while read -r k < l; do m || { n; }; done ;; esac
        (o | p 'q; r') & s""") == set("bcdfimnops") | {"read"}


# ---- a root to run them in -------------------------------------------------------------------

class Root:
    """A folder with bin/ first in PATH, and copies of scripts in which absolute paths lead into it."""

    def __init__(self, path):
        self.path, self.bin = path, path / "bin"
        self.bin.mkdir()
        for folder in ("run/s6", "run/berth", "data/log", "etc", "tmp"):
            (path / folder).mkdir(parents=True)
        self.log = path / "calls"
        self.log.touch()

    def stand_in(self, name, body="exit 0", folder="bin"):
        program = self.path / folder / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f'#!{BUSYBOX} sh\necho "{name}${{*:+ $*}}" >> {self.log}\n{body}\n')
        program.chmod(0o755)

    def script(self, path, **replaced):
        """A copy of the script, and of its folder's other files."""
        home = self.path / "scripts" / path.parent.name
        shutil.copytree(path.parent, home, dirs_exist_ok=True)
        text = path.read_text()
        text = re.sub(r"(?<![\w/}.*])/(?=(?:data|projects|run|etc|tmp|var|lib/ld-musl|usr/libexec/berth)\b)",
                      f"{self.path}/", text)
        for old, new in replaced.items():
            assert old.replace("_", ":") in text
            text = text.replace(old.replace("_", ":"), new)
        (home / path.name).write_text(text)
        return home / path.name

    def environment(self, **more):
        applets = self.path / "applets"
        if not applets.exists():
            applets.mkdir()
            for name in APPLETS - {"dpkg", "rpm"}:
                (applets / name).symlink_to(BUSYBOX)
        return {"PATH": f"{self.bin}:{applets}", "HOME": str(self.path), **more}

    def run(self, script, *arguments, cwd=None, **environment):
        return subprocess.run(
            [BUSYBOX, "sh", str(script), *map(str, arguments)], cwd=cwd or self.path,
            env=self.environment(**environment), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)

    def calls(self):
        return self.log.read_text().replace(str(self.path), "").splitlines()


@pytest.fixture
def root(tmp_path):
    root = Root(tmp_path)
    root.stand_in("s6-setuidgid", 'shift; exec "$@"')
    for name in ("s6-log", "s6-svc", "s6-svwait", "s6-svscanctl", "s6-svscan"):
        root.stand_in(name)
    return root


def service(name, script):
    return REPO / "rootfs/etc/s6" / name / script


# ---- rootfs ----------------------------------------------------------------------------------

@pytest.mark.parametrize("name", SERVICES)
def test_a_log_has_a_folder_of_its_service(root, name):
    me = f"{os.getuid()}:{os.getgid()}"
    cwd = root.path / "run/s6" / name / "log"
    cwd.mkdir(parents=True)
    ran = root.run(root.script(service(name, "log/run"), berth_berth=me), cwd=cwd)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert (root.path / "data/log" / name).is_dir()
    assert root.calls()[-1].startswith("s6-log -b -- ") and root.calls()[-1].endswith(f" /data/log/{name}")


@pytest.mark.parametrize("file", ["finish", "log/run"])
def test_what_all_services_have_is_one_file(file):
    """In the image, from where init links to it, as here."""
    for name in SERVICES:
        assert service(name, file).resolve() == service(".common", file), name


@pytest.mark.parametrize("name", SERVICES)
def test_a_mistake_that_no_restart_mends_stays_down(root, name):
    finish = root.script(service(name, "finish"))
    assert [root.run(finish, status, 0).returncode for status in (100, 111, 0, 256)] == [125, 0, 0, 0]


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"tmux", "reconcile"}))
def test_a_service_says_when_it_is_ready(root, name):
    root.stand_in(name, folder="usr/libexec/berth")
    ran = root.run(root.script(service(name, "run")))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert root.calls()[-1] == f"{name} --ready-fd {service(name, 'notification-fd').read_text().strip()}"


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_the_end_is_orderly(root, name):
    assert root.run(root.script(service(".s6-svscan", name))).returncode == 0
    assert [line.split()[:2] for line in root.calls()] == [["s6-svc", "-O"], ["s6-svwait", "-D"], ["s6-svscanctl", "-t"]]


def test_after_a_crash_the_services_go_on(root):
    assert root.run(root.script(service(".s6-svscan", "crash"))).returncode == 0
    assert root.calls() == ["s6-svscan /run/s6"]


def test_tmux_is_ready_when_berth_may_connect(root):
    """Its configuration is read twice in vain; then the list of who may connect has berth in it."""
    root.stand_in("tmux", f"""case $* in
        *server-access*) echo x >> {root.path}/asked; [ $(wc -l < {root.path}/asked) -gt 2 ] && echo 'berth (W)'; exit 0 ;;
        *-D) sleep 1 ;;
        esac""")
    script = root.script(service("tmux", "run"))
    read, write = os.pipe()
    ran = subprocess.Popen(
        [BUSYBOX, "sh", "-c", f"exec 3>&{write} {write}>&-; exec {BUSYBOX} sh {script}"], cwd=root.path,
        env=root.environment(), pass_fds=[write], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read, "rb") as ready:
        assert ready.read() == b"\n"
    assert ran.wait(30) == 0
    calls = root.calls()
    assert sum("server-access -l" in line for line in calls if line.startswith("tmux")) == 3
    assert any(line.startswith("tmux -u -f ") and line.endswith(" -D") for line in calls)


def test_a_byte_runs_the_reconciler(root):
    root.stand_in("reconcile", folder="usr/libexec/berth")
    fifo = root.path / "run/berth/apply"
    os.mkfifo(fifo)
    ran = subprocess.Popen([BUSYBOX, "sh", str(root.script(service("reconcile", "run")))], cwd=root.path,
                           env=root.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        for count in (1, 2):
            end = os.open(fifo, os.O_RDWR)      # whether or not somebody reads
            os.write(end, b"\n")
            deadline = time.monotonic() + 20
            while root.calls().count("reconcile") < count:
                assert time.monotonic() < deadline and ran.poll() is None
                time.sleep(0.02)
            os.close(end)
    finally:
        ran.kill()
        ran.wait()


# ---- scripts/image ---------------------------------------------------------------------------

def apk(root, versions):
    """An apk that has all packages, in version 99 unless `versions` says otherwise."""
    cases = "".join(f"{name}) echo {name}-{version} ;;\n" for name, version in versions.items())
    root.stand_in("apk", f'[ "$1" != info ] || case $4 in {cases} *) echo $4-99-r0 ;; esac')


def test_all_roles_are_installed_with_apk(root):
    apk(root, {})
    ran = root.run(root.script(IMAGE / "pkg-install"), "build", "run", "fetch", "test", "dev")
    assert (ran.returncode, ran.stderr) == (0, "")
    added = root.calls()[0].split()
    assert added[:3] == ["apk", "add", "--no-cache"]
    assert sorted(added[3:]) == sorted(packages(2, "build", "run", "fetch", "test", "dev"))


def test_packages_can_be_named_beside_the_roles(root):
    apk(root, {})
    ran = root.run(root.script(IMAGE / "pkg-install"), "run", "--", "python3", "ripgrep")
    assert (ran.returncode, ran.stderr) == (0, "")
    added = root.calls()[0].split()[3:]
    assert set(added[:-2]) == packages(2, "run") and added[-2:] == ["python3", "ripgrep"]
    assert root.run(root.script(IMAGE / "pkg-install"), "run", "--").returncode == 0


@pytest.mark.parametrize("version, taken", [
    ("3.53.4-r0", True), ("3.51.3-r1", True), ("4.0-r0", True), ("3.51.2-r9", False), ("3.9.9-r0", False)])
def test_a_package_older_than_the_list_says_stops_the_build(root, version, taken):
    apk(root, {"sqlite-libs": version})
    ran = root.run(root.script(IMAGE / "pkg-install"), "run")
    assert (ran.returncode == 0) == taken
    assert taken or "sqlite-libs is " + version in ran.stderr


def test_a_role_that_is_not_in_the_list_is_refused(root):
    apk(root, {})
    assert root.run(root.script(IMAGE / "pkg-install"), "nonsense").returncode == 1
    assert root.run(root.script(IMAGE / "pkg-install")).returncode == 100


@pytest.mark.parametrize("tls", ["", "SSL connection failed: certificate verify failed", "No system certificates available."])
@pytest.mark.parametrize("date", ["", "E: Release file for https://m/InRelease is expired"])
def test_a_mirror_that_tls_or_its_date_speaks_against_is_taken_by_its_signature(root, tls, date):
    """In the final stage there is no CA bundle of the machine's, and a frozen mirror's Release file expires."""
    root.stand_in("apt-get", f"""
        case $* in *Verify-Peer=false*) ;; *) [ -z '{tls}' ] || {{ echo '{tls}' && exit 100; }} ;; esac
        case $* in *Valid-Until=false*) ;; *' update') [ -z '{date}' ] || {{ echo '{date}' && exit 100; }} ;; esac""")
    accepted = ["Verify-Peer=false"] * bool(tls) + ["Check-Valid-Until=false"] * bool(date)
    root.stand_in("dpkg-query", "echo 99")
    ran = root.run(root.script(IMAGE / "pkg-install"), "run")
    assert ran.returncode == 0, ran.stderr
    calls = [line for line in root.calls() if line.startswith("apt-get")]
    install = next(line for line in calls if " install " in line)
    assert ("Verify-Peer=false" in install) == ("Verify-Peer=false" in accepted) and " tmux" in install
    update = [line for line in calls if line.endswith(" update")][-1]
    assert all(flag in update for flag in accepted) and update.count("=false") == len(accepted)
    assert len(ran.stderr.splitlines()) == len(accepted)


def test_a_mirror_with_another_mistake_is_not_taken(root):
    root.stand_in("apt-get", 'echo "E: The repository is not signed."; exit 100')
    ran = root.run(root.script(IMAGE / "pkg-install"), "run")
    assert ran.returncode == 1 and "not signed" in ran.stderr
    assert len(root.calls()) == 1 and "=false" not in root.calls()[0]


def test_users_and_groups(root):
    for name in ("passwd", "group", "shadow"):
        (root.path / "etc" / name).write_text("root:x:0:0\n")
    ran = root.run(root.script(IMAGE / "users"))
    assert (ran.returncode, ran.stderr) == (0, "")
    users = dict(line.split(":", 1) for line in (root.path / "etc/passwd").read_text().splitlines())
    assert {"berth", "berth-tmux", "agent"} <= set(users)
    assert (root.path / "data").stat().st_mode & 0o7777 == 0o751
    assert (root.path / "projects").stat().st_mode & 0o7777 == 0o1777


@pytest.mark.parametrize("libc", ["", "musl"])
def test_an_agent_is_downloaded_and_told_of(root, libc):
    package = f"@anthropic-ai/claude-code-linux-{ {'x86_64': 'x64', 'aarch64': 'arm64'}[os.uname().machine] }"
    root.stand_in("npm", f"""mkdir -p package
        printf '#!/bin/sh\\necho "0.0.1 (Claude Code)"\\n' > package/claude
        tar -czf claude.tgz package && rm -r package && echo claude.tgz""")
    root.stand_in("node", "echo x")
    out = root.path / "out"
    ran = root.run(root.script(IMAGE / "agents"), out, "claude", CLAUDE_VERSION="0.0.1", AGENTS_LIBC=libc)
    assert ran.returncode == 0, ran.stderr
    assert os.access(out / "usr/lib/berth/agents/claude", os.X_OK)
    assert os.readlink(out / "usr/local/bin/claude") == "/usr/lib/berth/agents/claude"
    package += "-musl" if libc else ""
    assert f"claude 0.0.1 {package}\n" in (out / "usr/share/berth/agents").read_text()
    assert f"npm pack --silent {package}@0.0.1" in root.calls()


def test_a_download_with_another_hash_is_refused(root):
    root.stand_in("npm", "mkdir package; echo > package/claude; tar -czf claude.tgz package")
    root.stand_in("node", "echo another")
    ran = root.run(root.script(IMAGE / "agents"), root.path / "out", "claude", CLAUDE_VERSION="2.1.329")
    assert ran.returncode == 1 and "agents.txt says sha512-" in ran.stderr


# ---- the Dockerfile's own commands -------------------------------------------------------------

def test_busybox_can_what_the_dockerfile_asks(root):
    """find -exec +, touch -h -d @, install -m, nproc: options that not every busybox was built with."""
    text = (REPO / "Dockerfile").read_text()
    assert "-exec touch -h -d" in text and "install DESTDIR" in text and "nproc" in text
    (root.path / "out").mkdir()
    (root.path / "out/link").symlink_to("nowhere")
    script = root.path / "check"
    script.write_text("find out -exec touch -h -d @1000000 '{}' + && echo > a && install -m 755 a b && nproc > c\n")
    ran = root.run(script)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert os.lstat(root.path / "out/link").st_mtime == 1000000
    assert os.access(root.path / "b", os.X_OK)


def test_a_system_s_mirrors_are_found_in_either_form(root):
    apt = root.path / "etc/apt/sources.list.d"
    apt.mkdir(parents=True)
    (apt.parent / "sources.list").write_text("# deb http://no/debian sid main\ndeb [arch=amd64 signed-by=/x] https://a/debian forky main\n")
    (apt / "b.list").write_text("deb-src http://no/debian sid main\ndeb http://b/other stable main\n")
    (apt / "c.sources").write_text("Types: deb\nSuites: trixie trixie-updates\nURIs: http://c/debian\n\nURIs: http://d/debian/\nSuites: x\n")
    script = root.path / "asks"
    script.write_text(f"scripts={root.script(REPO / 'scripts/lib.sh').parent}; . $scripts/lib.sh; mirrors\n")
    assert root.run(script).stdout == "https://a/debian forky\nhttp://b/other stable\nhttp://c/debian trixie\nhttp://d/debian/ x\n"


# ---- the recipes' scripts ----------------------------------------------------------------------

ENGINE = """
for last; do :; done
case "$1 $*" in
info*Rootless*) [ -e "$ENGINE_DIR/rootless" ] && echo true || echo false ;;
info*SecurityOptions*) [ ! -e "$ENGINE_DIR/rootless" ] || echo "[name=seccomp,profile=builtin name=rootless]" ;;
unshare*) echo "0 100000 65536" ;;
*/nothing | build*) echo "/nothing: not found" >&2; exit 127 ;;
run*--taken*) echo "port is taken" >&2; exit 125 ;;
run*)
    for word; do printf '%s\\n' "$word"; done > "$ENGINE_DIR/run"
    env > "$ENGINE_DIR/environment" ;;
image*alpine*) exit 1 ;;
create*--bogus*) echo "unknown flag: --bogus" >&2; exit 125 ;;
create*) echo 1234abcd ;;
"rm rm 1234abcd") ;;
rm*) [ "$2" = -f ] || rm -f "$ENGINE_DIR/run" ;;
container*)
    grep -qsxF "$last" "$ENGINE_DIR/run" || exit 1
    case $* in
    *Running*) echo true ;;
    *Config.Image*) echo somebody/elses ;;
    *Config.Env*) cat "$ENGINE_DIR/environment" ;;
    *berth.*) sed -n "s/^$(expr "$*" : '.*"\\(berth[.a-z]*\\)"')=//p" "$ENGINE_DIR/run" ;;
    esac ;;
exec*id_map) cat "$ENGINE_DIR/map" ;;
exec*'test -w /projects') [ ! -e "$ENGINE_DIR/refused" ] ;;
exec*' cat /data/berth.toml') echo '# text' ;;
exec*send*) cat "$ENGINE_DIR/answer" ;;
exec*mv*) [ ! -e "$ENGINE_DIR/full" ] ;;
esac
"""


class Recipes:
    """A checkout in a folder with a space in its name, its scripts, and an engine that starts nothing."""

    def __init__(self, root):
        self.root, self.checkout, self.state = root, root.path / "a checkout", root.path / "state"
        self.engine_dir = root.path / "engine"
        self.engine_dir.mkdir()
        (self.engine_dir / "map").write_text("         0          0 4294967295\n")
        shutil.copytree(REPO / "scripts", self.checkout / "scripts")
        shutil.copytree(REPO / "compose", self.checkout / "compose")
        build = self.checkout / "scripts/build.sh"
        build.write_text(f'echo "build agents=${{AGENTS:-}} claude=${{CLAUDE_VERSION:-}} $*" >> {root.log}; echo localhost/an-image\n')
        (root.path / "podman.sh").write_text(ENGINE)
        root.stand_in("podman", f'. {root.path}/podman.sh')
        (root.bin / "cksum").symlink_to(shutil.which("cksum"))      # Alpine's busybox has it, Debian's hasn't

    def run(self, script, *arguments, **environment):
        return self.root.run(self.checkout / "scripts" / script, *arguments, ENGINE_DIR=str(self.engine_dir),
                             **{"BERTH_CACHE": str(self.root.path / "a cache"), "BERTH_STATE": str(self.state), **environment})

    def started(self):
        """The words of the engine's last run."""
        return (self.engine_dir / "run").read_text().splitlines()

    def given(self, variable):
        """What the container gets of it, or None."""
        if ["-e", variable] not in [self.started()[i:i + 2] for i in range(len(self.started()))]:
            return None
        return re.search(rf"^{variable}=(.*?)$(?=\n\w+=|\n*\Z)", (self.engine_dir / "environment").read_text(), re.M | re.S)[1]


@pytest.fixture
def recipes(root):
    return Recipes(root)


def test_up_goes_on_where_down_left(recipes):
    projects = recipes.root.path / "my code, *"
    projects.mkdir()
    key = "it's a \"key\"\nof two $lines"
    ran = recipes.run("up", AGENTS="claude", CLAUDE_VERSION="2.1.197", BERTH_PROJECTS=str(projects), BERTH_HARDENED="1",
                      BERTH_RUN_FLAGS="-p 80:80 --label x=*", ANTHROPIC_API_KEY=key, BERTH__HOST__NAME="h", TZ="Asia/Tokyo",
                      PUID="1234", PGID="1235")
    assert ran.returncode == 0, ran.stderr
    first = recipes.started()
    assert first[first.index("-v") + 1] == f"{projects}:/projects"
    assert {"--read-only", "SETUID", "80:80", "x=*"} <= set(first)
    assert recipes.root.calls().count("build agents=claude claude=2.1.197 ") == 1
    assert recipes.given("ANTHROPIC_API_KEY") == key

    assert recipes.run("down").returncode == 0
    assert not (recipes.engine_dir / "run").exists()
    kept = recipes.state / "berth"
    assert kept.stat().st_mode & 0o777 == 0o600 and recipes.state.stat().st_mode & 0o777 == 0o700
    assert not list(recipes.state.glob("*.*"))

    assert recipes.run("up").returncode == 0
    assert recipes.started() == first
    assert recipes.root.calls().count("build agents=claude claude=2.1.197 ") == 2
    assert {name: recipes.given(name) for name in ("ANTHROPIC_API_KEY", "BERTH__HOST__NAME", "TZ", "PUID", "PGID")} == {
        "ANTHROPIC_API_KEY": key, "BERTH__HOST__NAME": "h", "TZ": "Asia/Tokyo", "PUID": "1234", "PGID": "1235"}


def test_what_is_said_anew_counts_and_nothing_takes_it_back(recipes):
    recipes.run("up", AGENTS="claude", BERTH_PROJECTS="/tmp", ANTHROPIC_API_KEY="one")
    recipes.run("down")
    recipes.run("up", AGENTS="", BERTH_PROJECTS="", ANTHROPIC_API_KEY="two")
    recipes.run("down")
    assert recipes.run("up").returncode == 0
    assert "berth-projects:/projects" in recipes.started() and recipes.given("ANTHROPIC_API_KEY") == "two"
    assert "build agents= claude= " in recipes.root.calls()
    recipes.run("up", ANTHROPIC_API_KEY="")
    assert recipes.given("ANTHROPIC_API_KEY") is None and "two" not in (recipes.state / "berth").read_text()


def test_another_name_has_choices_of_its_own(recipes):
    recipes.run("up", BERTH_PROJECTS="/tmp")
    assert recipes.run("up", BERTH_NAME="second").returncode == 0
    assert "second-projects:/projects" in recipes.started()
    assert {"BERTH_NAME=second", "BERTH_IMAGE=localhost/an-image", "BERTH_PROJECTS=second-projects"} <= set(recipes.started())


def test_without_its_file_the_container_tells(recipes):
    recipes.run("up", BERTH_PROJECTS="/tmp", ANTHROPIC_API_KEY="one = 1")
    (recipes.state / "berth").unlink()
    before = (recipes.engine_dir / "run").stat().st_mtime_ns
    assert recipes.run("up").returncode == 0
    assert (recipes.engine_dir / "run").stat().st_mtime_ns == before
    assert recipes.run("down").returncode == 0 and recipes.run("up").returncode == 0
    assert "/tmp:/projects" in recipes.started() and recipes.given("ANTHROPIC_API_KEY") == "one = 1"


def test_a_container_of_somebody_else_is_left_alone(recipes):
    theirs = "run\n--name\nweb\nlocalhost/theirs\n"
    (recipes.engine_dir / "run").write_text(theirs)
    for script in "up", "down":
        ran = recipes.run(script, BERTH_NAME="web")
        assert ran.returncode == 1 and "container web that ./just up didn't make (of somebody/elses)" in ran.stderr
        assert (recipes.engine_dir / "run").read_text() == theirs
    assert not [line for line in recipes.root.calls() if "stop" in line or "rm" in line.split()]
    (recipes.engine_dir / "run").unlink()
    assert recipes.run("up", BERTH_NAME="web").returncode == 0 and "web-data:/data" in recipes.started()


def test_an_appliance_stays_in_its_engine(recipes):
    recipes.root.stand_in("docker", f'. {recipes.root.path}/podman.sh')
    assert recipes.run("up", BERTH_ENGINE="podman").returncode == 0
    before = len(recipes.root.calls())
    assert recipes.run("down").returncode == 0
    assert recipes.run("up").returncode == 0
    assert recipes.run("in", "true").returncode == 0
    calls = [line.split()[0] for line in recipes.root.calls()[before:]]
    assert "podman" in calls and "docker" not in calls
    assert recipes.run("down", "--forget").returncode == 0
    assert recipes.run("up").returncode == 0                 # Docker comes first where nothing was chosen
    assert any(line.startswith("docker run ") and " -d " in line for line in recipes.root.calls())


def test_an_engine_that_is_gone_is_said_and_can_be_forgotten(recipes):
    recipes.root.stand_in("docker", f'. {recipes.root.path}/podman.sh')
    assert recipes.run("up").returncode == 0
    recipes.root.stand_in("docker", "exit 1")
    for script in "up", "in":
        ran = recipes.run(script)
        assert ran.returncode == 1 and "docker, which berth is in, doesn't answer" in ran.stderr
    assert "apt-get" not in str(recipes.root.calls())
    ran = recipes.run("down", "--forget")
    assert ran.returncode == 1 and "what you chose is forgotten" in ran.stderr
    assert "apt-get" not in str(recipes.root.calls())
    (recipes.engine_dir / "run").unlink()
    assert recipes.run("up").returncode == 0
    assert any(line.startswith("podman run ") and " -d " in line for line in recipes.root.calls())


def test_an_engine_that_only_waits_is_no_reason_to_go_elsewhere(recipes):
    recipes.root.stand_in("docker", f'. {recipes.root.path}/podman.sh')
    assert recipes.run("up").returncode == 0
    recipes.root.stand_in("docker", DOCKER)
    recipes.root.stand_in("dockerd", "exit 1")
    ran = recipes.run("doctor")
    assert "docker is installed, its daemon isn't running; `./just up` would start it" in ran.stderr
    assert "BERTH_ENGINE=" not in ran.stderr
    recipes.root.stand_in("docker", 'case $1 in --version) echo "Docker version 28" ;; '
                                    '*) echo "Permission denied" >&2; exit 1 ;; esac')
    ran = recipes.run("in")
    assert "add the user to the group docker" in ran.stderr and "BERTH_ENGINE=" not in ran.stderr


def test_a_backup_gets_its_name_when_it_has_been_checked(recipes):
    assert recipes.run("backup").returncode == 4                       # it isn't running
    recipes.run("up")
    recipes.root.stand_in("podman", f'''case "$1 $*" in
    exec*'berth backup -') echo the text ;;
    exec*'restore --check -') [ ! -e "$ENGINE_DIR/damaged" ] && grep -q "the text" ;;
    exec*'berth restore -') cat > "$ENGINE_DIR/restored" ;;
    *) . {recipes.root.path}/podman.sh ;; esac''')
    file = recipes.root.path / "a copy.tar"
    ran = recipes.run("backup", str(file))
    assert ran.returncode == 0 and file.read_text() == "the text\n" and file.stat().st_mode & 0o777 == 0o600, ran.stderr
    assert "a copy.tar: " in ran.stderr and "checked; it holds secrets" in ran.stderr
    assert recipes.run("backup", str(file)).returncode == 1 and file.read_text() == "the text\n"
    (recipes.engine_dir / "damaged").touch()
    assert recipes.run("backup", f"{file}.2").returncode != 0
    assert not list(recipes.root.path.glob("a copy.tar.*"))

    assert recipes.run("restore", str(file)).returncode == 0
    assert (recipes.engine_dir / "restored").read_text() == "the text\n"
    assert [line for line in recipes.root.calls() if "restart" in line][-1].endswith("restart -t 60 berth")
    assert recipes.run("restore", "/no/such/file").returncode == 1 and recipes.run("restore").returncode == 1


def test_names_that_no_container_has_are_refused(recipes):
    for name in "a b", "-x", "a/b":
        ran = recipes.run("up", BERTH_NAME=name)
        assert ran.returncode == 1 and f"BERTH_NAME={name}: letters" in ran.stderr
    (recipes.root.path / "docs").mkdir()
    ran = recipes.run("up", BERTH_PROJECTS="docs")
    assert ran.returncode == 1 and "BERTH_PROJECTS=docs: give a whole path" in ran.stderr
    assert not any(" -d " in line for line in recipes.root.calls())


@pytest.mark.parametrize("engine", ["podman", "docker"])
def test_a_log_has_an_end_whatever_the_engine_s_own_driver_is(recipes, engine):
    recipes.root.stand_in("docker", f". {recipes.root.path}/podman.sh")
    ran = recipes.run("up", BERTH_ENGINE=engine)
    assert ran.returncode == 0, ran.stderr
    words = recipes.started()
    assert any(line.startswith(f"{engine} run ") and " -d " in line for line in recipes.root.calls())
    assert words[words.index("--log-driver") + 1] == "json-file" and words[words.index("--log-opt") + 1] == "max-size=10m"


@pytest.mark.parametrize("uid, gid, taken", [
    (1234, 899, "1234:899"), (65000, 63999, "65000:63999"), ("", "", "1234:1000"), (5, "", "5:1000")])
def test_the_owner_that_up_names_is_the_one_that_init_takes(recipes, uid, gid, taken):
    """Of the caller's own, one that no agent may have is 1000, and up says so."""
    recipes.root.stand_in("id", 'case $1 in -u) echo 1234 ;; -g) echo 984 ;; esac')
    ran = recipes.run("up", PUID=str(uid), PGID=str(gid))
    assert ran.returncode == 0, ran.stderr
    assert f"belong to {taken} (" in ran.stdout
    assert (recipes.given("PUID"), recipes.given("PGID")) == tuple(taken.split(":"))
    assert re.findall("no agent may have your own (P.ID)=", ran.stderr) == ([] if gid else ["PGID"])


@pytest.mark.parametrize("name, id", [
    ("PUID", "0"), ("PGID", "984"), ("PGID", "64999"), ("PUID", "900"), ("PUID", "64000"), ("PUID", "4294967295"), ("PUID", "a"),
    ("PGID", "99999999999"), ("PUID", "-1")])
def test_an_id_that_no_agent_may_have_replaces_nothing(recipes, name, id):
    recipes.run("up", PUID="1234", PGID="1235")
    ran = recipes.run("up", **{name: id})
    assert ran.returncode == 1 and f"{name}={id}: an agent may have any number but" in ran.stderr
    assert recipes.given("PUID") == "1234" and recipes.given("PGID") == "1235"
    assert recipes.run("up").returncode == 0 and recipes.given("PUID") == "1234"


def test_flags_that_the_engine_refuses_replace_nothing(recipes):
    assert recipes.run("up").returncode == 0
    before = recipes.started()
    ran = recipes.run("up", BERTH_RUN_FLAGS="-p 80:80 --bogus")
    assert ran.returncode == 1 and "refuses these flags (BERTH_RUN_FLAGS='-p 80:80 --bogus'); berth goes on" in ran.stderr
    assert recipes.started() == before
    assert recipes.run("up").returncode == 0 and recipes.started() == before
    assert recipes.run("up", BERTH_RUN_FLAGS="-p 80:80").returncode == 0 and "80:80" in recipes.started()
    created = [line.split(" ", 2)[2].split() for line in recipes.root.calls() if line.startswith("podman create")][-1]
    assert {"--restart", "-p", "80:80"} <= set(created) and "--name" not in created
    ran = recipes.run("up", BERTH_RUN_FLAGS="--taken")
    assert ran.returncode == 1 and "--taken': a plain ./just up goes back" in ran.stderr
    assert recipes.run("up").returncode == 0 and "80:80" in recipes.started()


def test_an_appliance_of_somebody_else_s_is_left_to_them(recipes):
    assert recipes.run("up", ANTHROPIC_API_KEY="mine").returncode == 0
    before, other = recipes.started(), str(recipes.root.path / "other state")
    for script in "up", "down":
        ran = recipes.run(script, BERTH_STATE=other)
        assert ran.returncode == 1 and f"was started with the choices in {recipes.state}: BERTH_STATE=" in ran.stderr
    assert recipes.started() == before and not Path(other).exists()
    assert recipes.run("up", BERTH_STATE=f"{recipes.state}/").returncode == 0      # the same
    (recipes.state / "berth").unlink()                     # lost, they are nobody's
    assert recipes.run("down", BERTH_STATE=other).returncode == 0


def test_a_container_that_ends_under_a_command_is_told(recipes):
    assert recipes.run("up").returncode == 0
    recipes.root.stand_in("podman", f'case "$1 $*" in exec*wait*) rm "$ENGINE_DIR/run"; exit 137 ;; esac; . {recipes.root.path}/podman.sh')
    assert recipes.run("in", "berth", "ls", status="3").returncode == 0
    ran = recipes.run("in", "berth", "wait", "x")
    assert ran.returncode == 8 and "berth stopped meanwhile; what it had accepted stays: ./just berth inbox" in ran.stderr


@pytest.mark.parametrize("engine, owner", [("docker", "100999:100099 here, 1000:100 inside"), ("podman", "1234:984 here, 1000:100 inside")])
def test_without_root_files_belong_to_who_up_says(recipes, engine, owner):
    """Rootless Podman makes the caller the agents' user; Docker can't, so agents are one of its subordinate ids."""
    recipes.root.stand_in("id", 'case $1 in -u) echo 1234 ;; -g) echo 984 ;; -un) echo me ;; esac')
    recipes.root.stand_in("docker", f'. {recipes.root.path}/podman.sh')
    (recipes.engine_dir / "rootless").touch()
    (recipes.engine_dir / "map").write_text("0 1234 1\n1 100000 65536\n")
    (recipes.engine_dir / "refused").touch()
    ran = recipes.run("up", BERTH_ENGINE=engine, PUID="1000", PGID="100")
    assert ran.returncode == 0, ran.stderr
    assert f"belong to {owner} (" in ran.stdout and ("--userns" in recipes.started()) == (engine == "podman")
    assert f"can't write to berth-projects: let {owner.split()[0]} do so" in ran.stderr
    recipes.run("dev", "make", BERTH_ENGINE=engine)
    assert "--user" not in recipes.started()


def test_down_forgets_when_asked_to(recipes):
    recipes.run("up", BERTH_PROJECTS="/tmp", ANTHROPIC_API_KEY="one")
    ran = recipes.run("down", "--forget")
    assert ran.returncode == 0 and "forgotten" in ran.stderr
    assert list(recipes.state.iterdir()) == []
    assert recipes.run("up").returncode == 0
    assert "berth-projects:/projects" in recipes.started() and recipes.given("ANTHROPIC_API_KEY") is None
    assert recipes.run("down", "--nonsense").returncode == 1


def test_what_could_not_start_is_not_remembered(recipes):
    recipes.run("up", BERTH_PROJECTS="/tmp")
    for wrong in "/no/such/folder", "relative/folder", "/tmp/a:b":
        ran = recipes.run("up", BERTH_PROJECTS=wrong)
        assert ran.returncode == 1 and wrong in ran.stderr
    assert recipes.run("up").returncode == 0
    assert "/tmp:/projects" in recipes.started()


def test_a_command_runs_where_berth_is_built(recipes):
    assert recipes.run("dev", "make", "a b").returncode == 0
    words = recipes.started()
    assert words[words.index("-w") + 1] == str(recipes.checkout)
    assert f"{recipes.checkout}:{recipes.checkout}" in words and words[-3:] == ["localhost/an-image", "make", "a b"]


DOCKER = 'case $1 in --version) echo "Docker version 28.5.1, build e180ab8" ;; *) exit 1 ;; esac'


def test_doctor_starts_and_installs_nothing(recipes):
    (recipes.root.bin / "podman").unlink()
    recipes.root.stand_in("apt-get")
    ran = recipes.run("doctor")
    assert ran.returncode == 1
    if Path("/etc/debian_version").exists():
        assert "no container engine is there; `./just up` would install podman" in ran.stderr
    for name, body in ("docker", DOCKER), ("dockerd", "sleep 60"):
        recipes.root.stand_in(name, body)
    ran = recipes.run("doctor")
    assert ran.returncode == 1
    assert "docker is installed, its daemon isn't running; `./just up` would start it" in ran.stderr
    assert "client 28.5.1, its daemon isn't running" in ran.stdout
    assert not [line for line in recipes.root.calls() if line.startswith(("apt-get", "dockerd"))]


def test_doctor_fetches_no_image(recipes):
    """The engine has none, and its registry has Alpine's."""
    ran = recipes.run("doctor")
    assert ran.returncode == 0, ran.stderr
    assert re.search(r"^base +docker.io/library/alpine:", ran.stdout, re.M) and re.search(r"^registry +answers", ran.stdout, re.M)
    assert not [line for line in recipes.root.calls() if "pull" in line.split()]


def test_an_edited_configuration_is_not_lost(recipes):
    recipes.root.stand_in("editor", 'echo "key = 1" >> "$1"')
    assert recipes.run("config", EDITOR="editor").returncode == 4          # it isn't running
    recipes.run("up")
    (recipes.engine_dir / "full").touch()
    ran = recipes.run("config", EDITOR="editor")
    file = Path(re.search(r"your text is in (.*)\n", ran.stderr)[1])
    assert ran.returncode == 1 and file.read_text() == "# text\nkey = 1\n" and file.stat().st_mode & 0o777 == 0o600
    file.unlink()
    (recipes.engine_dir / "full").unlink()
    assert recipes.run("config", EDITOR="editor").returncode == 0
    assert recipes.root.calls()[-1].endswith("exec berth berth apply") and not file.exists()
    assert not list((recipes.root.path / "a cache").glob("berth.toml*"))


@pytest.mark.parametrize("answer, good", [("You said: hello", True), ("", False)])
def test_alpine_is_tried_with_a_message(recipes, answer, good):
    (recipes.engine_dir / "answer").write_text(answer)
    ran = recipes.run("alpine.sh")
    assert (ran.returncode == 0) == good and ("hello" in ran.stderr)
    assert any("berth send demo --wait" in line for line in recipes.root.calls())
    assert list(recipes.state.iterdir()) == []


# ---- what tests/README.md promises -------------------------------------------------------------

def test_each_folder_of_tests_is_in_the_table():
    there = {path.name for path in (REPO / "tests").iterdir() if path.is_dir() and not path.name.startswith((".", "__"))}
    assert there == set(re.findall(r"^\| `(\w+)/` \|", (REPO / "tests/README.md").read_text(), re.M))


def test_each_criterion_names_tests_that_exist():
    text = (REPO / "tests/README.md").read_text()
    rows = dict(re.findall(r"^\| (AC-\d\d) \|(.*)\|$", text, re.M))
    assert sorted(rows) == [f"AC-{n:02}" for n in range(14)]
    named = re.findall(r"`([\w/.]+)::(\w+)`", text)
    assert len({test for _, test in named}) >= 14
    for file, test in named:
        source = (REPO / "tests" / file).read_text()
        assert re.search(rf"^def {test}\(" if file.endswith(".py") else rf"^{test}\(void \*\*state\)", source, re.M), (file, test)
        assert file.endswith(".py") or re.search(rf"\b(cmocka_unit_test\w*|[A-Z_]+)\({test}\b", source), (file, test)

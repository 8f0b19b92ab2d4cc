"""A newcomer's way: a clone, ./just up, send, down, up. All by the recipes, with an environment of their own."""

import json
import os
import shutil
import subprocess
import time
from types import SimpleNamespace

import pytest
from berthtest.engine import LABEL, REPO
from conftest import new_name

UP_AGAIN_MAX_S = 10
KEY = "sk-ant-of-the-first-up"


def git(*args):
    listed = subprocess.run(["git", "-C", REPO, *args], stdout=subprocess.PIPE, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name]


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """What is here, as a clone gets it: what git knows of, also if it isn't committed yet."""
    to = tmp_path_factory.mktemp("clone of") / "berth"
    subprocess.run(["git", "clone", "-q", "--no-hardlinks", REPO, to], check=True)
    for name in git("diff", "--name-only", "--no-renames", "-z", "HEAD") + git("ls-files", "-z", "--others", "--exclude-standard"):
        (to / name).unlink(missing_ok=True)
        if (REPO / name).exists():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPO / name, to / name)
    return to


class Newcomer:
    """Runs recipes in a clone. The image under test is there already, by another name."""

    def __init__(self, engine, image, clone, folder):
        self.engine, self.clone, self.name = engine, clone, new_name()
        self.image = f"localhost/{self.name}:latest"
        self.state = folder / "state"
        self.agents = engine("image", "inspect", "--format", '{{index .Config.Labels "berth.agents"}}', image).text
        self.flags = f"--label {LABEL}={os.getpid()}"           # so that leftovers of a killed run are found
        engine("tag", image, self.image)
        for volume in "data", "projects":
            engine("volume", "create", "--label", f"{LABEL}={os.getpid()}", f"{self.name}-{volume}")

    def first_up(self, flags="", **choices):
        return self.just("up", AGENTS=self.agents, BERTH_IMAGE=self.image, BERTH_RUN_FLAGS=f"{self.flags} {flags}", **choices)

    def just(self, *recipe, check=True, **environment):
        """In a new shell, which knows nothing of the last one's choices. Its output is standard output, then error."""
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith(("BERTH_", "ANTHROPIC_", "CLAUDE_", "AGENTS", "PUID", "PGID", "TZ"))
                or name in ("BERTH_ENGINE", "BERTH_CACHE")}
        begun = time.monotonic()
        ran = subprocess.run(["./just", *recipe], cwd=self.clone, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                             timeout=180, env={**kept, "BERTH_NAME": self.name, "BERTH_STATE": str(self.state), **environment})
        assert ran.returncode == 0 or not check, f"./just {' '.join(recipe)}: {ran.returncode}\n{ran.stdout}{ran.stderr}"
        return SimpleNamespace(status=ran.returncode, output=ran.stdout + ran.stderr, text=ran.stdout.strip(),
                               seconds=time.monotonic() - begun)

    def berth(self, *args):
        return json.loads(self.just("berth", args[0], "--json", *args[1:]).text)

    def inspect(self, what):
        return self.engine("container", "inspect", "--format", what, self.name).text

    def environment(self):
        return dict(line.split("=", 1) for line in self.inspect("{{range .Config.Env}}{{println .}}{{end}}").splitlines())

    def mounts(self):
        return dict(line.split("\t")[::-1] for line in self.inspect(
            "{{range .Mounts}}{{.Source}}\t{{.Destination}}\n{{end}}").splitlines() if line)

    def remove(self):
        self.engine("rm", "-f", self.name, check=False)
        for volume in "data", "projects":
            self.engine("volume", "rm", "-f", f"{self.name}-{volume}", check=False)
        self.engine("rmi", self.image, check=False)


@pytest.fixture
def newcomer(engine, image, clone, tmp_path):
    made = Newcomer(engine, image, clone, tmp_path)
    yield made
    made.remove()


def session(newcomer):
    row = next(row for row in newcomer.berth("ls") if row["name"] == "demo")
    return row["session"], row["state"]


def test_two_commands_lead_to_an_answer_and_the_next_up_goes_on(newcomer, tmp_path):
    projects = tmp_path / "my code, *"
    projects.mkdir()
    (projects / "given").write_text("x")
    owner = (1234, 1235)
    os.chown(projects, *owner) if os.getuid() == 0 else None
    puid, pgid = owner if os.getuid() == 0 else (os.getuid(), os.getgid())

    up = newcomer.first_up(BERTH_PROJECTS=str(projects), ANTHROPIC_API_KEY=KEY, TZ="Asia/Tokyo", PUID=str(puid), PGID=str(pgid))
    for said in (f"{newcomer.name} is up", f"BERTH_NAME={newcomer.name} ./just send AGENT 'hello'", "./just attach", "./just down",
                 str(projects)):
        assert said in up.output
    assert KEY not in up.output
    assert newcomer.just("send", "demo", "--wait", "hello").text == "You said: hello"
    first, before = newcomer.inspect("{{.Id}}"), session(newcomer)

    again = newcomer.just("up")
    assert newcomer.inspect("{{.Id}}") == first and again.seconds < UP_AGAIN_MAX_S

    newcomer.engine("exec", newcomer.name, "s6-setuidgid", f"{puid}:{pgid}", "sh", "-c", "test -r /projects/given && echo y > /projects/made")
    assert ((projects / "made").stat().st_uid, (projects / "made").stat().st_gid) == (puid, pgid)

    down = newcomer.just("down")
    assert f"{newcomer.name}-data" in down.output
    assert newcomer.engine("container", "inspect", newcomer.name, check=False).status != 0
    kept = newcomer.state / newcomer.name
    assert kept.stat().st_mode & 0o777 == 0o600

    newcomer.just("up")
    assert newcomer.inspect("{{.Id}}") != first
    assert session(newcomer) == before
    assert newcomer.just("send", "demo", "--wait", "and now?").text == "You said: and now?"
    assert newcomer.inspect('{{index .Config.Labels "berth.agents"}}') == newcomer.agents
    assert newcomer.inspect("{{.Config.Image}}") == newcomer.image
    assert newcomer.mounts()["/projects"] == str(projects)
    environment = newcomer.environment()
    assert {name: environment.get(name) for name in ("ANTHROPIC_API_KEY", "TZ", "PUID", "PGID")} == {
        "ANTHROPIC_API_KEY": KEY, "TZ": "Asia/Tokyo", "PUID": str(puid), "PGID": str(pgid)}

    newcomer.just("down", "--forget")
    assert not kept.exists()


def test_folder_that_agents_cannot_write_to_is_said(newcomer, tmp_path):
    projects = tmp_path / "projects"
    projects.mkdir()
    projects.chmod(0o555)
    newcomer.first_up(BERTH_PROJECTS=str(projects))
    assert newcomer.just("send", "demo", "--wait", "hello").text == "You said: hello"
    assert "agent demo can't write to its folder" in newcomer.just("up").output
    newcomer.just("down", "--forget")


def test_hardened_and_under_an_init_it_is_the_same(newcomer, tmp_path):
    """And a berth.toml that is a mount of its own is edited where it is."""
    mine = tmp_path / "berth.toml"
    mine.write_text('[agents.demo]\ndriver = "demo"\n')
    newcomer.first_up(f"--init -v {mine}:/data/berth.toml", BERTH_HARDENED="1")
    assert newcomer.inspect("{{.HostConfig.ReadonlyRootfs}}") == "true"
    status = newcomer.engine("exec", newcomer.name, "cat", "/proc/1/status", "/proc/1/comm").stdout
    assert status.splitlines()[-1] != "s6-svscan"
    bounding = newcomer.engine("exec", newcomer.name, "sed", "-n", "s/^CapBnd:\t//p", "/proc/self/status").text
    assert bin(int(bounding, 16)).count("1") == 6
    assert newcomer.engine("exec", newcomer.name, "grep", "-c", "^NoNewPrivs:.1", "/proc/1/status").text == "1"
    assert newcomer.just("send", "demo", "--wait", "hello").text == "You said: hello"
    install = newcomer.just("berth", "host", "install", "--docker").text
    for words in (f" --name {newcomer.name} ", f" -v {newcomer.name}-data:/data -v {newcomer.name}-projects:/projects ",
                  f" {newcomer.image}\n"):
        assert words in install + "\n"

    newcomer.just("config", EDITOR="sed -i s/agents.demo/agents.other/")
    assert mine.read_text() == '[agents.other]\ndriver = "demo"\n'
    assert newcomer.just("send", "other", "--wait", "hello").text == "You said: hello"
    assert newcomer.engine("exec", newcomer.name, "sh", "-c", "ls /data/*.edited", check=False).status != 0
    newcomer.just("down")


def test_an_image_without_an_agent_deletes_nothing(newcomer):
    """Its berth.toml is as an image with Claude wrote it: the agent stays, and says why it does not run."""
    if "claude" not in newcomer.agents:
        pytest.skip("the image was built without AGENTS=claude")
    newcomer.first_up()
    before = [row["name"] for row in newcomer.berth("ls")]
    assert "claude" in before
    newcomer.first_up("--tmpfs /usr/lib/berth/agents")
    assert [row["name"] for row in newcomer.berth("ls")] == before

"""Fixtures of the e2e tests: appliances, each with a runtime of its own. See tests/README.md.

BERTH_IMAGE         the image to drive; `./just e2e` sets it
BERTH_IMAGE_CLAUDE  the one with Claude Code in it, if that is another
BERTH_IMAGE_CLAUDE_OLD  one with the oldest version of Claude Code that berth is for; else it is built
BERTH_ENGINE        podman or docker; else what answers
BERTH_SOAK          1: longer loops, and the other engine too
"""

import itertools
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True
from berthtest import CLAUDE_TOML, DEMO_TOML, Appliance, Endpoint, Engine    # noqa: E402
from berthtest.appliance import API_KEY                                     # noqa: E402
from berthtest.engine import REPO                                           # noqa: E402
from berthtest.faults import Faults                                         # noqa: E402

OUTPUT = Path(__file__).parent / "output"
OLD_CLAUDE = "2.1.197"
APPLIANCES = pytest.StashKey[list]()
NUMBERS = itertools.count(1)


def new_name():
    return f"berth-test-{os.getpid()}-{next(NUMBERS)}"


# ---- fixtures --------------------------------------------------------------------------------

@pytest.fixture(scope="session")
def engine():
    found = Engine()
    found.remove_leftovers()
    return found


@pytest.fixture(scope="session")
def image():
    if not os.environ.get("BERTH_IMAGE"):
        pytest.exit("BERTH_IMAGE names no image to drive; ./just e2e builds one and sets it", returncode=2)
    return os.environ["BERTH_IMAGE"]


@pytest.fixture(scope="session")
def claude_image(engine, image):
    name = os.environ.get("BERTH_IMAGE_CLAUDE") or image
    has = engine("run", "--rm", "--entrypoint", "sh", name, "-c", "command -v claude", check=False)
    if has.status != 0:
        pytest.skip(f"{name} was built without AGENTS=claude")
    return name


@pytest.fixture(scope="session")
def old_claude_image(claude_image):
    """The oldest version of Claude Code that berth is for."""
    name = os.environ.get("BERTH_IMAGE_CLAUDE_OLD")
    if not name:
        environment = {**os.environ, "AGENTS": "claude", "CLAUDE_VERSION": OLD_CLAUDE,
                       "BERTH_IMAGE": f"localhost/berth:claude-{OLD_CLAUDE}"}
        built = subprocess.run(["sh", str(REPO / "scripts" / "build.sh")], stdout=subprocess.PIPE, text=True, check=True,
                               env=environment)
        name = built.stdout.strip()
    return name


@pytest.fixture(scope="session")
def soak():
    """Whether there is time for the long loops: BERTH_SOAK=1."""
    return os.environ.get("BERTH_SOAK", "") not in ("", "0")


@pytest.fixture
def dice():
    """What a test draws; BERTH_SEED draws the same again."""
    seed = int(os.environ.get("BERTH_SEED") or random.randrange(1 << 32))
    print(f"BERTH_SEED={seed}")
    return random.Random(seed)


@pytest.fixture(scope="session")
def dev_image():
    """The image that has Python, for the endpoint."""
    built = subprocess.run(["sh", str(REPO / "scripts" / "build.sh"), "--dev"], stdout=subprocess.PIPE, text=True, check=True)
    return built.stdout.strip()


@pytest.fixture(scope="session")
def compile_c(engine, dev_image, tmp_path_factory):
    """Makes programs and libraries: compile_c(source below tests, *flags); what it returns is the file's bytes."""
    def compile(source, *flags):
        out = tmp_path_factory.mktemp("compiled")
        engine("run", "--rm", "-v", f"{REPO}:{REPO}:ro", "-v", f"{out}:/out", "-w", f"{REPO}/tests", dev_image,
               "gcc", "-O1", "-Wall", "-Werror", *flags, "-o", "/out/made", source)
        return (out / "made").read_bytes()
    return compile


def booting(engine, image, node, folder):
    """What `boot` gives. What it makes goes at its end, and is kept when a test of `node` fails."""
    made = node.stash.setdefault(APPLIANCES, [])

    def make(toml=DEMO_TOML, wait=True, image=image, **options):
        name = new_name()
        appliance = Appliance(engine, image, name, os.getpid(), folder / name / "projects", toml, **options)
        made.append(appliance)
        appliance.start()
        if wait:
            appliance.wait_ready()
        return appliance

    yield make
    for appliance in reversed(made):
        appliance.remove()


@pytest.fixture
def boot(engine, image, request, tmp_path):
    """Makes appliances: boot(toml, wait=True, **options of Appliance). They go when the test ends."""
    yield from booting(engine, image, request.node, tmp_path)


@pytest.fixture
def boot_faulty(boot, compile_c, tmp_path):
    """As boot: an appliance whose programs' calls can be made to fail, by its `faults`."""
    def make(*args, **options):
        faults = Faults(tmp_path / "fault", compile_c("lib/fault/fault.c", "-shared", "-fPIC", "-D_GNU_SOURCE"))
        appliance = boot(*args, flags=faults.flags, **options)
        if appliance.sh("ls /lib/ld-musl-*", check=False).status == 0:
            pytest.skip("musl has no /etc/ld.so.preload, which puts a library before all others in each program")
        appliance.faults = faults
        return appliance
    return make


@pytest.fixture(scope="module")
def boot_shared(engine, image, request, tmp_path_factory):
    """As boot, for what the tests of a module share."""
    yield from booting(engine, image, request.node, tmp_path_factory.mktemp("shared"))


@pytest.fixture
def new_endpoint(engine, dev_image):
    """Makes scripted model endpoints; an appliance takes one as its option `endpoint`."""
    made = []

    def make():
        made.append(Endpoint(engine, dev_image, f"{new_name()}-model", os.getpid()))
        return made[-1]

    yield make
    for endpoint in made:
        endpoint.remove()


@pytest.fixture
def boot_claude(new_endpoint, boot, claude_image):
    """Makes appliances with the agent claude and an endpoint: boot_claude(toml, **options). In toml, {url} is
    the endpoint's."""
    def make(toml=CLAUDE_TOML, files=None, **options):
        endpoint = options.pop("endpoint", None) or new_endpoint()
        image = options.pop("image", claude_image)
        return boot(toml.replace("{url}", endpoint.url), image=image, endpoint=endpoint,
                    files={"secrets/api-key": API_KEY, **(files or {})}, **options)
    return make


@pytest.fixture(scope="module")
def shared_claudes(engine, dev_image, request, tmp_path_factory):
    """Appliances that the tests of a module share, one an image; the module's TOML, FILES and ENV are for them. One
    that a test failed with is not used again."""
    module, made = request.module, {}

    def make(image):
        name = new_name()
        endpoint = Endpoint(engine, dev_image, f"{name}-model", os.getpid())
        return Appliance(engine, image, name, os.getpid(), tmp_path_factory.mktemp(name) / "projects",
                         getattr(module, "TOML", CLAUDE_TOML).replace("{url}", endpoint.url), endpoint=endpoint,
                         files={"secrets/api-key": API_KEY, **getattr(module, "FILES", {})}, env=getattr(module, "ENV", None))

    def remove(appliance):
        appliance.remove()
        appliance.endpoint.remove()

    def get(image, node):
        if image in made and made[image].spoiled:
            remove(made.pop(image))
        new = image not in made
        if new:
            made[image] = make(image)
        node.stash.setdefault(APPLIANCES, []).append(made[image])
        if new:
            made[image].start()
            made[image].wait_ready()
        made[image].endpoint.reset()
        return made[image]

    yield get
    for appliance in made.values():
        remove(appliance)


@pytest.fixture(params=["pinned", "old"])
def claude(request, shared_claudes, claude_image):
    """The module's appliance, with the version of Claude Code that the image has, and with the oldest."""
    image = claude_image if request.param == "pinned" else request.getfixturevalue("old_claude_image")
    return shared_claudes(image, request.node)


@pytest.fixture
def claudes(request, shared_claudes, claude_image, old_claude_image):
    """Both of them, for a test that would wait twice."""
    return [shared_claudes(image, request.node) for image in (claude_image, old_claude_image)]


@pytest.fixture
def appliance(boot):
    """A running appliance with the demo agent."""
    return boot()


@pytest.fixture
def claude_appliance(boot_claude):
    """A running appliance with the agent claude; its `endpoint` is the scripted model."""
    return boot_claude()


# ---- what is kept of a failure ---------------------------------------------------------------

def output_of(item):
    return OUTPUT / re.sub(r"[^A-Za-z0-9_.-]+", "-", item.nodeid.split("/")[-1]).strip("-")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if not report.failed or report.when == "teardown":
        return
    for appliance in [a for node in item.listchain() for a in node.stash.get(APPLIANCES, [])]:
        directory = output_of(item) / appliance.name.rpartition("-")[2]
        appliance.spoiled = True
        try:
            appliance.collect(directory)
            report.sections.append((f"kept in {directory}", appliance.logs()[-3000:]))
        except Exception as error:      # the test's own failure must not be hidden by this one
            report.sections.append((f"{appliance.name} could not be kept", repr(error)))


# ---- a line a test, with its time --------------------------------------------------------------

class Progress:
    def __init__(self, terminal):
        self.terminal, self.reports = terminal, []

    def pytest_runtest_logreport(self, report):
        self.reports.append(report)
        if report.when != "teardown":
            return
        reports, self.reports = self.reports, []
        bad = next((r for r in reports if r.failed), None)
        word, colour = ("FAILED", "red") if bad else ("skipped", "yellow") if any(r.skipped for r in reports) else ("ok", "green")
        took = {r.when: r.duration for r in reports}
        line = f" {sum(took.values()):6.1f} s (boot {took['setup']:.1f})  {report.nodeid.split('/')[-1]}"
        self.terminal.ensure_newline()
        self.terminal.write(f"{time.strftime('%H:%M:%S')}  {word:<7}", **{colour: True})
        self.terminal.line(line)


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    terminal = config.pluginmanager.getplugin("terminalreporter")
    if terminal:
        terminal.showfspath = False
        config.pluginmanager.register(Progress(terminal), "berth-progress")


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report):
    """The line above stands for pytest's dots; its closing counts stay."""
    if report.when == "call" or report.when == "setup" and report.skipped:
        return report.outcome, "", report.outcome.upper()
    return None

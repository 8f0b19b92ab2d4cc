"""The harness of the e2e tests: appliances and what they talk to, in containers. See tests/README.md."""

from .appliance import CLAUDE_TOML, DEMO_TOML, SHELL_TOML, Appliance, Stopped
from .container import Container, Process
from .engine import CommandFailed, Engine, Result
from .ledger import read_ledger
from .model import Endpoint
from .person import Person
from .polling import TimedOut, wait_for

__all__ = ["CLAUDE_TOML", "DEMO_TOML", "Appliance", "CommandFailed", "Container", "Endpoint", "Engine", "Person", "Process",
           "Result", "SHELL_TOML", "Stopped", "TimedOut", "read_ledger", "wait_for"]

"""What every measurement needs: the sandbox, the CLI, requests, CPU clocks, and a machine that has come to rest."""

import itertools
import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app import settings
from app.claude.command import Installation
from app.claude.conversation import Prompt
from app.claude.worker import Worker, installed_version
from app.protocols import openai_chat
from tests.support.cli import claude_binary
from tests.support.gateway import Gateway, running_gateway
from tests.support.sandbox import Sandbox

MODEL = "sonnet"
_LOOK_SECONDS = 0.2
_RESTING_SHARE = 0.04  # of one core, for everything that runs here together
_REST_WITHIN = 60.0


def cpu(pid: int) -> float:
    """Seconds of CPU that all threads of a process have used: utime + stime of /proc/PID/stat, to the nanosecond."""
    return time.clock_gettime(~pid << 3 | 2)  # CPUCLOCK_SCHED, include/linux/posix-timers.h


def cpu_of_all(pids: Iterable[int]) -> float:
    total = 0.0
    for pid in pids:
        try:
            total += cpu(pid)
        except OSError:  # it has just ended
            continue
    return total


@dataclass(frozen=True)
class Stage:
    sandbox: Sandbox
    directory: Path
    installation: Installation
    version: tuple[int, ...]
    spares: dict[int, int] = field(default_factory=dict)  # of each gateway, by its port

    @contextmanager
    def gateway(self, warm: int, most: int) -> Iterator[Gateway]:
        """One gateway, at rest with `warm` spare processes."""
        directory = self.directory / f"gateway-{len(self.spares)}"
        directory.mkdir()
        limits = {"GATEWAY_POOL__WARM": str(warm), "GATEWAY_POOL__MAX": str(most)}
        with running_gateway(self.sandbox, directory, environ=limits) as running:
            self.spares[running.port] = warm
            self.settle(running)
            yield running

    def spare(self) -> Worker:
        """Made ready just as the gateway makes one ready."""
        return Worker(self.installation, self.version, MODEL, exercise=settings.load({}).pool.exercise)

    def settle(self, gateway: Gateway, others: Iterable[int] = ()) -> None:
        """Returns when the gateway has its spare processes and nothing that was started here is busy any more."""
        deadline = time.monotonic() + _REST_WITHIN
        quiet = 0
        while quiet < 2:
            if time.monotonic() > deadline:
                print("bench: the processes did not come to rest; going on", file=sys.stderr)
                return
            claudes = gateway.claude_pids()
            used = _use({*claudes, gateway.worker_pid, self.sandbox.pid, *others})
            quiet = quiet + 1 if used < _RESTING_SHARE and len(claudes) >= self.spares[gateway.port] else 0


def _use(pids: set[int]) -> float:
    """The share of one core that they take now, together."""
    before = cpu_of_all(pids)
    time.sleep(_LOOK_SECONDS)
    return (cpu_of_all(pids) - before) / _LOOK_SECONDS


def stage_on(sandbox: Sandbox, directory: Path) -> Stage:
    folders = {name: directory / name for name in ("config_dir", "home", "empty_dir", "temp_dir")}
    for folder in folders.values():
        folder.mkdir()
    passed = {"ANTHROPIC_BASE_URL": sandbox.api, "ANTHROPIC_API_KEY": "sk-ant-api03-sandbox"}
    installation = Installation(binary=claude_binary(), passed=passed, **folders)
    return Stage(sandbox, directory, installation, installed_version(installation))


_serial = itertools.count(1)


def request(*, history: Iterable[Mapping[str, str]] = (), **script: Any) -> bytes:
    """A streaming request of a conversation that is like no other; `script` tells the sandbox what to answer."""
    text = f"Question {next(_serial)}. [[sandbox:{json.dumps(script)}]]"
    messages = [*history, {"role": "user", "content": text}]
    return json.dumps({"model": MODEL, "stream": True, "messages": messages}).encode()


def prompt_of(body: bytes) -> Prompt:
    """What the gateway makes of a request."""
    return openai_chat.from_request(body).prompt

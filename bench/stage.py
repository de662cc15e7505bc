"""What every measurement needs: the sandbox, the CLI, requests, clocks of processes, and a machine come to rest."""

import itertools
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app import settings
from app.claude.command import Installation
from app.claude.conversation import Prompt
from app.claude.worker import Worker, installed_version
from app.protocols import openai_chat
from bench.figures import Target, at_most
from bench.upstream import WANTED
from tests.support.admin import ENVIRON, Admin
from tests.support.cli import claude_binary
from tests.support.gateway import Gateway, running_gateway
from tests.support.sandbox import Sandbox

MODEL = "sonnet"
SPARES = 2  # of the gateway, by default
CORES = len(os.sched_getaffinity(0))
_LOOK_SECONDS = 0.2
_RESTING_SHARE = 0.04  # of one core, for everything that runs here together
_REST_WITHIN = 60.0
_PAGE = os.sysconf("SC_PAGE_SIZE")


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


def resident(pid: int) -> int:
    """Bytes, shared ones included."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


@dataclass(frozen=True)
class Stage:
    sandbox: Sandbox
    directory: Path
    installation: Installation
    version: tuple[int, ...]
    admins: dict[int, Admin] = field(default_factory=dict)  # of each gateway, by its port

    @contextmanager
    def gateway(self, *, warm: int = SPARES, most: int = 16, **pool: str) -> Iterator[Gateway]:
        """One gateway, at rest with `warm` spare processes; `pool` are further settings of that section."""
        directory = self.directory / f"gateway-{len(self.admins)}"
        directory.mkdir()
        limits = {"warm": str(warm), "max": str(most), **pool}
        environ = {f"GATEWAY_POOL__{name.upper()}": value for name, value in limits.items()}
        with running_gateway(self.sandbox, directory, environ=environ | ENVIRON) as running:
            admin = self.admins[running.port] = Admin(running)
            with admin.client:
                admin.sign_in()
                self.settle(running, spares=warm)
                yield running

    def pool(self, gateway: Gateway) -> dict[str, Any]:
        """What the gateway itself tells of its processes."""
        return self._status(gateway, "pool")

    def held_up(self, gateway: Gateway, load: str) -> Target:
        """How long its event loop computed without a wait, at the most, in the last minutes."""
        return at_most(f"event loop held up: {load}", self._status(gateway, "serving")["most_work"] * 1000, 50, "ms")

    def _status(self, gateway: Gateway, part: str) -> dict[str, Any]:
        answer = self.admins[gateway.port].client.get("/admin/api/status")
        found: dict[str, Any] = answer.raise_for_status().json()[part]
        return found

    def spare(self) -> Worker:
        """Made ready just as the gateway makes one ready."""
        return Worker(self.installation, self.version, MODEL, exercise=settings.load({}).pool.exercise)

    def settle(self, gateway: Gateway, others: Iterable[int] = (), *, spares: int = SPARES) -> None:
        """Returns when the gateway has its spare processes and nothing that was started here is busy any more."""
        deadline = time.monotonic() + _REST_WITHIN
        while self.pool(gateway)["spare"] < spares and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        quiet = 0
        while quiet < 2:
            if time.monotonic() > deadline:
                print("bench: the processes did not come to rest; going on", file=sys.stderr)
                return
            used = _use({*gateway.claude_pids(), gateway.worker_pid, self.sandbox.pid, *others})
            quiet = quiet + 1 if used < _RESTING_SHARE else 0


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


def request(*, history: Iterable[Mapping[str, str]] = (), send_times: bool = False, **script: Any) -> bytes:
    """A streaming request of a conversation that is like no other; `script` tells the sandbox what to answer."""
    text = f"Question {next(_serial)}. {WANTED if send_times else ''} [[sandbox:{json.dumps(script)}]]"
    messages = [*history, {"role": "user", "content": text}]
    return json.dumps({"model": MODEL, "stream": True, "messages": messages}).encode()


def prompt_of(body: bytes) -> Prompt:
    """What the gateway makes of a request."""
    return openai_chat.from_request(body).prompt


def turns(count: int) -> list[dict[str, str]]:
    """So many questions with their answers, unlike all others."""
    number = next(_serial)
    asked = ({"role": "user", "content": f"{number}: and what of gate {turn}?"} for turn in range(count))
    told = (
        {"role": "assistant", "content": f"Gate {turn} is a small back gate, and it is shut."} for turn in range(count)
    )
    return [message for turn in zip(asked, told, strict=True) for message in turn]


def answered(body: bytes, answer: str) -> list[dict[str, str]]:
    """The history of the request that comes next in the conversation."""
    return [*json.loads(body)["messages"], {"role": "assistant", "content": answer}]


def session_seen(sandbox: Sandbox) -> str:
    """Of the process that asked last: each has one of its own, and tells it upstream."""
    found: Sequence[dict[str, Any]] = sandbox.messages()
    return str(found[-1]["headers"]["x-claude-code-session-id"])

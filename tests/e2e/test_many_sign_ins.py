"""Sign-ins in a row by a script: the real gateway and the real CLI, and what else the gateway answers meanwhile.

`make soak` does a hundred.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.stage import of_sign_ins, running_stage
from tests.support.admin import PASSWORD
from tests.support.cli import VERSIONS
from tests.support.gateway import Gateway
from tests.support.login import authorise, code_on
from tests.support.prober import Waits, asking, idle_server
from tests.support.processes import wait_until
from tests.support.sandbox import Sandbox

OVER = ("succeeded", "refused", "failed", "expired")
MOST_MS = 50.0


@dataclass(frozen=True)
class Script:
    """The JSON endpoints, with HTTP Basic."""

    gateway: Gateway
    sandbox: Sandbox
    client: httpx.Client

    def call(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        answer = self.client.request(method, f"/admin/api/{path}", **options)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def until(self, *states: str) -> dict[str, Any]:
        deadline = time.monotonic() + 90
        while (told := self.call("GET", "login"))["state"] not in states:
            assert time.monotonic() < deadline, told
            time.sleep(0.1)
        return told

    def open(self) -> str:
        """Gives the code that the sandbox's page would show."""
        self.call("POST", "login", json={"method": "claudeai"})
        told = self.until("awaiting_code", *OVER)
        assert told["state"] == "awaiting_code", told
        return code_on(authorise(self.sandbox, told["url"]).text)

    def paste(self, code: str) -> dict[str, Any]:
        self.call("POST", "login/code", json={"code": code})
        return self.until(*OVER)


def succeed(script: Script) -> str:
    return script.paste(script.open())["state"]


def bad_code(script: Script) -> str:
    script.open()
    refusal = script.call("POST", "login/code", 400, json={"code": "garbage"})
    assert refusal["error"]["param"] == "code"
    assert script.call("GET", "login")["state"] == "awaiting_code"
    return script.call("DELETE", "login")["state"]


def refused(script: Script) -> str:
    code = script.open()
    script.sandbox.state(refuse_next_code=True)
    return script.paste(code)["state"]


def abandoned(script: Script) -> str:
    script.call("POST", "login", json={"method": "claudeai"})
    time.sleep(0.3)
    return script.call("DELETE", "login")["state"]


def killed_helper(script: Script) -> str:
    script.open()
    os.kill(of_sign_ins(script.gateway)[0], signal.SIGKILL)
    return script.until(*OVER)["state"]


def killed_cli(script: Script) -> str:
    script.open()
    os.kill(of_sign_ins(script.gateway)[-1], signal.SIGKILL)
    return script.until(*OVER)["state"]


RUNS: dict[Callable[[Script], str], str] = {
    succeed: "succeeded",
    bad_code: "idle",
    refused: "refused",
    abandoned: "idle",
    killed_helper: "failed",
    killed_cli: "failed",
}


def open_by_kind(pid: int) -> dict[str, int]:
    kinds: dict[str, int] = {}
    for file in Path(f"/proc/{pid}/fd").iterdir():
        try:
            kind = os.readlink(file).split(":")[0]
        except OSError:
            continue
        kinds[kind] = kinds.get(kind, 0) + 1
    return kinds


def settled(gateway: Gateway) -> tuple[int, dict[str, int]]:
    """The worker, and what it has open when nothing is under way."""
    worker = gateway.worker_pid
    spares: list[int] = []

    def is_quiet() -> bool:
        before, spares[:] = list(spares), sorted(gateway.claude_pids())
        time.sleep(1)
        return before == spares and len(spares) == 1 and not of_sign_ins(gateway)

    wait_until(is_quiet, 60, "one spare process, and nothing of a sign-in")
    return worker, open_by_kind(worker)


@contextmanager
def script_of(sandbox: Sandbox, folder: Path, version: str) -> Iterator[Script]:
    with (
        running_stage(sandbox, folder, version) as gateway,
        httpx.Client(base_url=gateway.url, auth=("admin", PASSWORD), timeout=60, trust_env=False) as client,
    ):
        yield Script(gateway, sandbox, client)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_is_left_and_nobody_waits(  # threats 24, 28, 38, 67
    sandbox: Sandbox, tmp_path: Path, pytestconfig: pytest.Config, version: str
):
    runs = pytestconfig.getoption("--wizard-runs") // 2
    with script_of(sandbox, tmp_path / "gateway", version) as script:
        assert succeed(script) == "succeeded"
        before = settled(script.gateway)
        with idle_server() as idle_port, asking(idle_port, ["/"]) as idle, served(script.gateway) as waits:
            for number in range(runs):
                run = list(RUNS)[number % len(RUNS)]
                assert run(script) == RUNS[run], f"run {number}: {run.__name__}"
        assert settled(script.gateway) == before
        data = script.gateway.data_dir
        assert list((data / "tmp").glob("login-*")) == [], "a sign-in's files"
        assert succeed(script) == "succeeded", "no lock is left"
    print(f"{version}, {runs} sign-ins. The gateway: {waits}. A server that has nothing else to do: {idle}.")
    assert waits.failed == []
    assert waits.at(0.99) < max(MOST_MS, 3 * idle.at(0.99)), f"{waits}; beside it: {idle}"


@contextmanager
def served(gateway: Gateway) -> Iterator[Waits]:
    with asking(gateway.port, ["/health/live", "/v1/models"], gateway.headers()) as waits:
        yield waits

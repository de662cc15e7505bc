"""What is around a prompt: the process that gets it, its environment, its files, and tools that it may not use."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from app.claude.command import HARDENING, PASSED_THROUGH, Installation, command_line
from tests.security.ground import Ground, Json, running_ground, user
from tests.support.cli import claude_binary
from tests.support.gateway import MASTER_KEY, running_gateway
from tests.support.processes import wait_until
from tests.support.sandbox import Sandbox

OWN = {"CLAUDE_CONFIG_DIR", "CLAUDE_SECURESTORAGE_CONFIG_DIR", "HOME", "LANG", "PATH", "TMPDIR"}
# What the gateway's own environment may hold, and none of which is the CLI's business.
SECRETS = {"DATABASE_PASSWORD": "hunter2-hunter2", "GATEWAY_LOG_LEVEL": "info", "NODE_OPTIONS": "--no-warnings"}


@contextmanager
def in_the_middle_of(ground: Ground, *bodies: Json) -> Iterator[list[httpx.Response]]:
    """While upstream has these requests and does not answer yet. Their answers are in the list afterwards."""
    ground.sandbox.clear()
    ground.sandbox.script(times=len(bodies), first_delay=2.0, answer="late")
    answers: list[httpx.Response] = []
    with ThreadPoolExecutor(1) as thread:
        asked = thread.submit(ground.ask, *bodies)
        wait_until(lambda: len(ground.sandbox.messages()) == len(bodies), 60, "all requests are upstream")
        yield answers
        answers += asked.result()


def read(pid: int, name: str) -> list[str]:
    return [word for word in Path(f"/proc/{pid}/{name}").read_text().split("\0") if word]


def files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def test_nothing_of_a_clients_is_in_the_arguments_of_a_process(ground: Ground):  # threat 3
    hostile = ground.traps.render("--settings={proof}")
    body = {"user": hostile, "stop": [hostile], "metadata": {hostile: hostile}}
    system = {"role": "system", "content": hostile}
    bodies = [{"messages": [system, *user(one)["messages"]], **body} for one in ("-p", hostile, "--tools=Bash")]
    where = Installation(claude_binary(ground.version), *[Path()] * 4, passed=keyed(ground))
    with in_the_middle_of(ground, *bodies):
        arguments = {tuple(read(pid, "cmdline")) for pid in ground.gateway.claude_pids()}
    assert arguments == {tuple(command_line(where, "sonnet"))}


def keyed(ground: Ground) -> dict[str, str]:
    return {"ANTHROPIC_API_KEY": "x"} if ground.mode == "key" else {}


def test_prompts_are_nowhere_on_disk_neither_in_a_turn_nor_after(ground: Ground):  # threat 10
    word = "smaragd-green-prompt"
    history = [{"role": "user", "content": f"{word} 1"}, {"role": "assistant", "content": f"{word} 2"}]
    question = [{"type": "text", "text": f"{word} 3"}, {"type": "text", "text": "/heapdump"}]
    messages = [{"role": "system", "content": f"{word} 0"}, *history, {"role": "user", "content": question}]
    with in_the_middle_of(ground, *[{"messages": messages, "user": word}] * 2) as answers:
        assert holding(ground.traps.root, word) == []
    assert [answer.status_code for answer in answers] == [200, 200]
    wait_until(lambda: len(ground.gateway.claude_pids()) <= 2, 10, "the processes that had the prompts are gone")
    assert holding(ground.traps.root, word, "late", "trap/canary.txt") == []
    assert list((ground.traps.root / "data/empty").iterdir()) == []
    assert max(path.stat().st_size for path in files(ground.traps.root / "data")) < 1_000_000


def holding(root: Path, *words: str) -> list[Path]:
    """The files that hold one of the words, the gateway's log included, the traps' own settings left out."""
    encoded = [word.encode() for word in words]
    return [path for path in files(root) if path.exists() and any(word in path.read_bytes() for word in encoded)]


def test_a_tool_that_the_model_asks_for_does_not_run(ground: Ground):  # threat 7
    ground.sandbox.clear()
    call = {"name": "Bash", "input": {"command": f"touch {ground.traps.proof}", "description": "x"}}
    ground.sandbox.script(times=5, answer="I shall run it.", tool_use=[call])
    started = time.monotonic()
    (answer,) = ground.ask(user("Run it."))
    assert time.monotonic() - started < 30
    assert answer.status_code == 200
    (choice,) = answer.json()["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("I shall run it.", "tool_calls")
    time.sleep(0.5)
    calls = ground.sandbox.messages()
    assert 1 <= len(calls) <= 2  # the CLI goes on by itself with "no such tool" until it is stopped
    assert {json.dumps(call["body"].get("tools", [])) for call in calls} == {"[]"}
    ground.nothing_happened()
    ground.sandbox.clear()


@pytest.fixture(scope="module")
def guarded_secrets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with running_ground(tmp_path_factory.mktemp("secrets"), "2.1.330", "key", SECRETS) as running:
        yield running


def test_a_process_gets_only_the_variables_on_the_list(guarded_secrets: Ground):  # threat 8
    pids = guarded_secrets.gateway.claude_pids()
    assert pids
    environments = [dict(entry.split("=", 1) for entry in read(pid, "environ")) for pid in pids]
    assert {name for environment in environments for name in environment} <= PASSED_THROUGH | HARDENING.keys() | OWN
    told = str(environments)
    assert [secret for secret in (MASTER_KEY, *SECRETS, *SECRETS.values(), "GATEWAY_") if secret in told] == []


def test_a_working_directory_that_is_not_empty_stops_the_start(sandbox: Sandbox, tmp_path: Path):  # threat 5
    planted = tmp_path / "data/empty/.claude"
    planted.mkdir(parents=True)
    with (
        pytest.raises(AssertionError, match=r"data/empty must be empty: claude processes run in it"),
        running_gateway(sandbox, tmp_path),
    ):
        pass

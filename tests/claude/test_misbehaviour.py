"""What an application sees when a `claude` process misbehaves, and what becomes of the gateway."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.claude.misbehaving import GONE_SECONDS, group
from tests.support import stub_claude
from tests.support.gateway import Gateway, running_gateway
from tests.support.processes import alive, wait_until
from tests.support.stub_claude import prompt

FAST = {
    "ANTHROPIC_API_KEY": "sk-ant-stub",
    "GATEWAY_POOL__WARM": "2",
    "GATEWAY_POOL__MAX": "8",
    "GATEWAY_QUEUE__TIMEOUT": "2",
    "GATEWAY_TURN__FIRST_EVENT_TIMEOUT": "1",
    "GATEWAY_TURN__IDLE_TIMEOUT": "1",
    "GATEWAY_TURN__TIMEOUT": "3",
}


@contextmanager
def stubbed(folder: Path, *, ready: bool = True, **behaviour: str) -> Iterator[Gateway]:
    binary = stub_claude.install(folder / "bin", **behaviour)
    environ = {**FAST, "GATEWAY_CLAUDE_BIN": str(binary)}
    with running_gateway(None, folder, environ=environ, ready=ready) as running:
        yield running


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Its processes are well until their prompt says otherwise."""
    with stubbed(tmp_path_factory.mktemp("stub")) as running:
        yield running


def all_gone(pids: set[int]) -> Callable[[], bool]:
    return lambda: not any(alive(pid) or group(pid) for pid in pids)


CRASHES = ["bad utf-8", "exit", "half a line", "long line", "no protocol", "result", "segv"]


@pytest.mark.parametrize("at", ["turn", "middle"])
@pytest.mark.parametrize("action", CRASHES)
def test_a_crash_is_an_error_of_the_gateway(faulty: Gateway, action: str, at: str):  # threat 18
    answer = faulty.chat(prompt(action, at=at))
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "cli_crashed")


@pytest.mark.parametrize("action", [action for action in CRASHES if action != "result"])
def test_a_crash_in_the_history_is_an_error_of_the_gateway(faulty: Gateway, action: str):  # threat 18
    messages = [{"role": "user", "content": prompt(action, at="history")}, {"role": "assistant", "content": "x"}]
    answer = faulty.chat("", messages=[*messages, {"role": "user", "content": "Go on."}])
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "cli_crashed")


def test_signs_of_life_for_the_client_are_none_of_the_clis(tmp_path: Path):  # threat 17
    """A stream that is kept alive by comments, and relayed, ends when its process has been silent for too long."""
    binary = stub_claude.install(tmp_path / "bin")
    often = {"GATEWAY_STREAM__KEEPALIVE": "0.5", "GATEWAY_TURN__IDLE_TIMEOUT": "2", "GATEWAY_TURN__TIMEOUT": "60"}
    environ = {**FAST, **often, "GATEWAY_CLAUDE_BIN": str(binary)}
    with running_gateway(None, tmp_path, environ=environ) as running:
        begun = time.monotonic()
        answer = running.chat(prompt("hang", at="middle"), stream=True)
        assert ": ping" in answer.text
        assert '"cli_timeout"' in answer.text
        assert 2 < time.monotonic() - begun < 8


@pytest.mark.parametrize("action", CRASHES)
def test_a_crash_before_a_stream_begins_keeps_its_status(faulty: Gateway, action: str):  # threat 18
    answer = faulty.chat(prompt(action), stream=True)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "cli_crashed")


@pytest.mark.parametrize(
    ("action", "code"), [*((action, "cli_crashed") for action in CRASHES), ("hang", "cli_timeout")]
)
def test_a_stream_that_breaks_ends_with_an_error_and_never_as_if_it_were_whole(  # threats 17, 18
    faulty: Gateway, action: str, code: str
):
    answer = faulty.chat(prompt(action, at="middle"), stream=True)
    events = answer.text.strip().split("\n\n")
    assert answer.status_code == 200
    assert '"content":"one"' in answer.text
    assert f'"code":"{code}"' in events[-1]
    assert events[-1].startswith('data: {"error":')
    assert "[DONE]" not in answer.text
    assert '"finish_reason":"' not in answer.text


@pytest.mark.parametrize("action", ["exit", "segv", "half a line", "hang"])
def test_what_becomes_of_a_process_after_its_answer_does_not_matter(faulty: Gateway, action: str):  # threat 18
    answer = faulty.chat(prompt(action, at="end"))
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"] == "one two three four"


@pytest.mark.parametrize(
    ("action", "at", "seconds"),
    [("hang", "turn", 1), ("hang", "middle", 1), ("drip", "turn", 3), ("unknown lines", "turn", 1)],
)
def test_silence_and_endless_talk_have_their_limits(  # threat 17
    faulty: Gateway, action: str, at: str, seconds: float
):
    begun = time.monotonic()
    answer = faulty.chat(prompt(action, at=at))
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "cli_timeout")
    assert seconds <= time.monotonic() - begun < seconds + 4


@pytest.mark.parametrize("action", ["unknown line", "stderr", "ignore SIGTERM", "fork"])
@pytest.mark.parametrize("at", ["turn", "middle"])
def test_what_is_only_odd_harms_no_answer(faulty: Gateway, action: str, at: str):  # threats 14, 20, 25
    answer = faulty.chat(prompt(action, at=at))
    assert answer.json()["choices"][0]["message"]["content"] == "one two three four"


@pytest.mark.parametrize("action", ["", "exit", "hang", "ignore SIGTERM and hang", "fork", "flood", "stderr"])
def test_no_process_outlives_its_request(faulty: Gateway, action: str):  # threat 14
    wait_until(lambda: len(faulty.claude_pids()) == 2, GONE_SECONDS, "the spare ones are there")
    spare = faulty.claude_pids()
    faulty.chat(prompt(action))
    wait_until(lambda: len(faulty.claude_pids() - spare) == 1, GONE_SECONDS, "a new spare one is there")
    used = spare - faulty.claude_pids()
    wait_until(lambda: len(spare - faulty.claude_pids()) == 1, GONE_SECONDS, "the one that was used is gone")
    wait_until(all_gone(used), GONE_SECONDS, "nothing of it is left")


def test_a_client_that_leaves_ends_the_process(faulty: Gateway):  # threats 14, 26
    wait_until(lambda: len(faulty.claude_pids()) == 2, GONE_SECONDS, "the spare ones are there")
    spare = faulty.claude_pids()
    body = {"model": "sonnet", "messages": [{"role": "user", "content": prompt("drip")}], "stream": True}
    with faulty.http() as client, client.stream("POST", "/v1/chat/completions", json=body) as answer:
        next(answer.iter_lines())
    wait_until(lambda: len([pid for pid in spare if not alive(pid)]) == 1, 2, "the process is gone")


# ---- floods


@contextmanager
def growth_of(gateway: Gateway, most: int) -> Iterator[None]:
    """The worker's memory grows by no more than `most` megabytes, at its peak."""
    pid = gateway.worker_pid
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # resets the peak: proc(5)
    before = memory(pid, "VmRSS")
    yield
    assert memory(pid, "VmHWM") - before < most


def memory(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) // 1024


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Gateway]:
    """With a memory that nothing has used yet."""
    with stubbed(tmp_path) as running:
        yield running


@pytest.mark.parametrize(("action", "most"), [("long line", 60), ("flood of unknown lines", 20), ("stderr", 10)])
def test_floods_do_not_fill_the_memory(fresh: Gateway, action: str, most: int):  # threat 21
    with growth_of(fresh, most):
        fresh.chat(prompt(action))


def test_a_stream_is_not_heaped_up_for_a_reader_that_is_slow(fresh: Gateway):  # threat 21
    body = {"model": "sonnet", "messages": [{"role": "user", "content": prompt("flood")}], "stream": True}
    with growth_of(fresh, 40), socket.create_connection(("127.0.0.1", fresh.port)) as slow:
        request = httpx.Request("POST", f"{fresh.url}/v1/chat/completions", json=body, headers=fresh.headers())
        head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        slow.sendall(f"POST /v1/chat/completions HTTP/1.1\r\n{head}\r\n".encode() + request.content)
        assert slow.recv(12) == b"HTTP/1.1 200"
        time.sleep(2)


@pytest.mark.parametrize(("stream", "most"), [(False, 100), (True, 20)])
def test_an_answer_has_a_limit(fresh: Gateway, stream: bool, most: int):  # threat 21
    """Of the whole one everything is held that a process may say; of the stream nothing is."""
    with growth_of(fresh, most):
        answer = fresh.chat(prompt("flood"), stream=stream)
    assert '"code":"cli_crashed"' in answer.text


# ---- starts


def readiness(gateway: Gateway) -> httpx.Response:
    with gateway.http() as client:
        return client.get("/health/ready")


def test_a_cli_that_always_ends_at_once_is_not_started_again_and_again(tmp_path: Path):  # threat 23
    with stubbed(tmp_path, ready=False, start="exit") as gateway:
        begun = time.monotonic()
        wait_until(lambda: stub_claude.starts(tmp_path / "bin") >= 3, 5, "the first tries")
        while time.monotonic() - begun < 9:
            answer = gateway.chat("Hello.")
            assert answer.status_code == 503
            assert answer.json()["error"]["code"] in ("cli_unavailable", "queue_timeout")
            assert 1 <= int(answer.headers["Retry-After"]) <= 60
        # Three in a row, then after 2, 4 and 8 seconds; two may be under way at the same time.
        assert stub_claude.starts(tmp_path / "bin") <= 7
        assert gateway.claude_pids() == set()
        assert "does not start" in readiness(gateway).json()["reasons"][0]


def test_a_cli_that_is_well_again_is_used_again(tmp_path: Path):  # threat 23
    with stubbed(tmp_path, ready=False, start="exit") as gateway:
        wait_until(lambda: stub_claude.starts(tmp_path / "bin") >= 3, 5, "the first tries")
        stub_claude.behave(tmp_path / "bin")
        wait_until(lambda: gateway.chat("Hello.").status_code == 200, 10, "it answers")


@pytest.mark.parametrize("stage", ["start", "at_ready"])
def test_a_cli_that_does_not_get_ready_is_waited_for_as_long_as_the_queue_says(tmp_path: Path, stage: str):  # threat 17
    with stubbed(tmp_path, ready=False, **{stage: "ignore SIGTERM and hang"}) as gateway:
        begun = time.monotonic()
        answer = gateway.chat("Hello.")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "queue_timeout")
        assert time.monotonic() - begun < 4
        wait_until(lambda: len(gateway.claude_pids()) == 2, 2, "as many are starting as there are starters")


def test_a_version_that_is_too_old_stops_the_start(tmp_path: Path):  # threat 25
    with (
        pytest.raises(AssertionError, match=r"claude 2\.1\.100 .* is too old: at least 2\.1\.197 is needed"),
        stubbed(tmp_path, version="2.1.100 (Claude Code)"),
    ):
        pass


# ---- the gateway's own end


def hanging(gateway: Gateway) -> threading.Thread:
    """A request in the middle of its turn, on a process that does not end by itself."""
    spare = gateway.claude_pids()

    def ask() -> None:
        with suppress(httpx.HTTPError):
            gateway.chat(prompt("ignore SIGTERM and hang", at="middle"))

    thread = threading.Thread(target=ask)
    thread.start()
    wait_until(lambda: len(gateway.claude_pids()) > len(spare), 5, "a third is started, as one is lent")
    return thread


def test_the_workers_sudden_end_is_that_of_its_processes(fresh: Gateway):  # threat 14
    asking = hanging(fresh)
    pids, worker_pid = fresh.claude_pids(), fresh.worker_pid
    os.kill(worker_pid, signal.SIGKILL)
    wait_until(all_gone(pids), GONE_SECONDS, "its processes are gone")
    asking.join()
    wait_until(lambda: readiness(fresh).status_code == 200, 10, "a new worker serves")
    assert fresh.chat("Hello.").status_code == 200


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGQUIT, signal.SIGTERM])
def test_the_gateways_end_is_that_of_its_processes(fresh: Gateway, number: signal.Signals):  # threat 14
    asking = hanging(fresh)
    pids, worker_pid = fresh.claude_pids(), fresh.worker_pid
    os.kill(fresh.pid, number)
    wait_until(lambda: not alive(worker_pid), 8, "the worker is gone")
    wait_until(all_gone(pids), GONE_SECONDS, "its processes are gone")
    asking.join()

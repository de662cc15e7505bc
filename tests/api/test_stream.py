"""Time and disconnection: what a stream does while the model is silent, and when somebody leaves."""

import http.client
import json
import os
import signal
import socket
import statistics
import threading
import time

import pytest

from tests.api.asking import script
from tests.support.gateway import Gateway, running_gateway
from tests.support.processes import alive, open_files, threads_of, wait_until


def body(content, **members):
    return {"model": "sonnet", "stream": True, "messages": [{"role": "user", "content": content}], **members}


class Stream:
    """An answer over a plain socket. As HTTP/1.0, its deltas pass the event loop; as HTTP/1.1, mostly a thread."""

    def __init__(self, gateway: Gateway, content: str, *, version: str = "1.1", **members):
        sent = json.dumps(body(content, **members)).encode()
        head = f"POST /v1/chat/completions HTTP/{version}\r\nHost: x\r\nAuthorization: Bearer {gateway.key}\r\n"
        self._socket = socket.create_connection(("127.0.0.1", gateway.port), timeout=300)
        self._answer = http.client.HTTPResponse(self._socket, method="POST")
        self._socket.sendall(f"{head}Content-Length: {len(sent)}\r\n\r\n".encode() + sent)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._answer.close()
        self._socket.close()

    def status(self) -> int:
        self._answer.begin()
        return self._answer.status

    @property
    def has_retry_after(self) -> bool:
        return self._answer.getheader("Retry-After") is not None

    def line(self) -> bytes:
        return self._answer.readline()

    def rest(self) -> bytes:
        return self._answer.read()


def text_of(chunks) -> str:
    deltas = (json.loads(chunk.removeprefix(b"data: "))["choices"][0]["delta"] for chunk in chunks)
    return "".join(delta.get("content", "") for delta in deltas)


def entry_of(sandbox, marker):
    found = [entry for entry in sandbox.messages() if marker in json.dumps(entry["body"])]
    return found[0] if found else None


def test_comments_come_while_the_model_is_silent_and_the_answer_after_them(tmp_path, sandbox):  # threat 68
    environ = {"GATEWAY_STREAM__KEEPALIVE": "0.5", "GATEWAY_STREAM__STATUS_HOLD": "1"}
    with running_gateway(sandbox, tmp_path, environ=environ) as gateway:
        begun = time.monotonic()
        with Stream(gateway, script(first_delay=3, words=2)) as answer:
            assert answer.status() == 200
            assert answer.line() == b": ping\n"
            assert 0.9 < time.monotonic() - begun < 2
            rest = answer.rest()
        assert rest.count(b": ping\n") >= 2
        assert b'"content":"w0"' in rest
        assert rest.endswith(b"data: [DONE]\n\n")


def test_the_official_client_reads_over_the_comments(tmp_path, sandbox):  # threat 68
    environ = {"GATEWAY_STREAM__KEEPALIVE": "0.3", "GATEWAY_STREAM__STATUS_HOLD": "0.3"}
    with running_gateway(sandbox, tmp_path, environ=environ) as gateway, gateway.openai() as client:
        messages = [{"role": "user", "content": script(first_delay=1.5, words=3, delta_delay=0.7)}]
        chunks = list(client.chat.completions.create(model="sonnet", messages=messages, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "w0 w1 w2"


def test_a_failure_after_the_hold_is_told_within_the_stream(tmp_path, sandbox):
    environ = {"GATEWAY_STREAM__STATUS_HOLD": "0.5"}
    with running_gateway(sandbox, tmp_path, environ=environ) as gateway:
        with Stream(gateway, script(status=529)) as answer:
            assert answer.status() == 200
            text = answer.rest().decode()
        assert json.loads(text.split("data: ", 1)[1])["error"]["code"] == "overloaded"
        assert "[DONE]" not in text


@pytest.mark.parametrize(("hold", "status"), [(30, 503), (0.2, 200)])
def test_a_refusal_in_the_queue_keeps_its_status_as_long_as_the_stream_is_held(tmp_path, sandbox, hold, status):
    environ = {
        "GATEWAY_POOL__MAX": "1",
        "GATEWAY_QUEUE__TIMEOUT": "2",
        "GATEWAY_STREAM__QUEUE_HOLD": str(hold),
        "GATEWAY_STREAM__STATUS_HOLD": "0.3",
    }
    with running_gateway(sandbox, tmp_path, environ=environ) as gateway, Stream(gateway, script(first_delay=20)) as it:
        assert it.status() == 200
        with Stream(gateway, "waits") as waiting:
            assert waiting.status() == status
            assert waiting.has_retry_after == (status == 503)
            assert "queue_timeout" in waiting.rest().decode()


def test_a_stream_that_waited_in_the_queue_is_held_as_long_as_any(tmp_path, sandbox):
    environ = {"GATEWAY_POOL__MAX": "1", "GATEWAY_STREAM__STATUS_HOLD": "1.5"}
    with running_gateway(sandbox, tmp_path, environ=environ) as gateway, Stream(gateway, script(first_delay=4)) as it:
        assert it.status() == 200
        with Stream(gateway, script(status=400)) as waiting:
            assert waiting.status() == 400


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param({"first_delay": 20, "words": 2}, id="before the first event"),
        pytest.param({"words": 2, "silent": 20}, id="after the first event"),
        pytest.param({"words": 2000, "delta_delay": 0.05}, id="while deltas flow"),
    ],
)
@pytest.mark.parametrize(("stream", "version"), [(True, "1.1"), (True, "1.0"), (False, "1.1")])
def test_a_client_that_leaves_is_noticed_within_a_second(gateway, sandbox, behaviour, stream, version):  # threat 26
    marker = f"leaves-{behaviour}-{stream}-{version}"
    quoted = json.dumps(marker)[1:-1]
    with Stream(gateway, f"{marker} {script(**behaviour)}", stream=stream, version=version):
        wait_until(lambda: entry_of(sandbox, quoted), 20, "the request went upstream")
        time.sleep(0.3)
        left_at = time.time()
    wait_until(lambda: entry_of(sandbox, quoted)["closed_at"], 5, "the upstream connection was closed")
    entry = entry_of(sandbox, quoted)
    assert entry["outcome"] == "client_closed"
    assert entry["closed_at"] - left_at < 1.0


def test_a_silent_cli_is_given_up(tmp_path, sandbox):  # threat 17
    environ = {"GATEWAY_TURN__FIRST_EVENT_TIMEOUT": "1.5", "GATEWAY_TURN__IDLE_TIMEOUT": "1.5"}
    with running_gateway(sandbox, tmp_path, environ=environ) as gateway:
        # the CLI itself is silent too: upstream accepts, and says nothing at all
        answer = gateway.chat(script(first_delay=30))
        assert answer.status_code == 504, answer.text
        assert answer.json()["error"]["code"] == "cli_timeout"


@pytest.mark.timeout(600)
def test_many_streams_half_of_them_dropped_leave_nothing_behind(tmp_path, sandbox, pytestconfig):  # threats 14 and 24
    environ = {
        "GATEWAY_POOL__MAX": "8",
        "GATEWAY_POOL__KEEP": "0",
        "GATEWAY_QUEUE__MAX": "200",
        "GATEWAY_QUEUE__TIMEOUT": "300",
    }
    with running_gateway(sandbox, tmp_path, environ=environ) as gateway:
        gateway.chat("warm up")
        wait_until(lambda: len(gateway.claude_pids()) == 2, 20, "two spare processes")
        files, native = open_files(gateway.worker_pid), threads_of(gateway.worker_pid)
        failures = []

        def one(number):
            with Stream(gateway, script(words=10, delta_delay=0.01)) as answer:
                answer.status()
                if number % 2 == 0 and not answer.rest().endswith(b"data: [DONE]\n\n"):
                    failures.append(number)

        def several(first):
            for number in range(first, pytestconfig.getoption("--requests"), 10):
                one(number)

        threads = [threading.Thread(target=several, args=(first,)) for first in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        wait_until(lambda: len(gateway.claude_pids()) == 2, 20, "only the two spare processes are left")
        wait_until(lambda: open_files(gateway.worker_pid) <= files, 10, "no descriptor is left over")
        # Those that streams run in are kept: at most as many as there may be processes.
        assert threads_of(gateway.worker_pid) <= native + 8


@pytest.mark.parametrize("victim", ["worker", "master"])
def test_after_kill_9_in_the_middle_of_a_turn_no_claude_is_left(tmp_path, sandbox, victim):  # threat 14
    with (
        running_gateway(sandbox, tmp_path, environ={"GATEWAY_POOL__WARM": "1"}) as gateway,
        Stream(gateway, script(words=1000, delta_delay=0.05)) as answer,
    ):
        assert answer.status() == 200
        processes = gateway.claude_pids()
        assert processes
        os.kill(gateway.worker_pid if victim == "worker" else gateway.pid, signal.SIGKILL)
        wait_until(lambda: not any(map(alive, processes)), 5, "every claude process has ended")


def test_after_kill_9_of_the_cli_a_stream_ends_with_an_error(tmp_path, sandbox):  # threat 18
    with (
        running_gateway(sandbox, tmp_path, environ={"GATEWAY_POOL__WARM": "1"}) as gateway,
        Stream(gateway, script(words=1000, delta_delay=0.05)) as answer,
    ):
        assert answer.status() == 200
        while b'"w0"' not in answer.line():
            pass
        time.sleep(0.3)
        for pid in gateway.claude_pids():
            os.kill(pid, signal.SIGKILL)
        *_, last = answer.rest().split(b"\n\n")[:-1]
        assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "cli_crashed"


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_a_stream_has_every_word_once_and_in_order(gateway, version):
    with Stream(gateway, script(words=3000), version=version) as answer:
        assert answer.status() == 200
        *chunks, done, _ = answer.rest().split(b"\n\n")
    assert done == b"data: [DONE]"
    assert text_of(chunks).split() == [f"w{number}" for number in range(3000)]


@pytest.mark.timeout(300)
def test_streams_at_full_speed_neither_mix_nor_hold_others_up(tmp_path, sandbox):  # threat 9
    waits, answers = [], {}
    ended = threading.Event()
    environ = {"GATEWAY_POOL__WARM": "4", "GATEWAY_POOL__MAX": "4"}
    with running_gateway(sandbox, tmp_path, environ=environ) as gateway:

        def ask(number):
            with Stream(gateway, script(words=20_000)) as answer:
                answer.status()
                *answers[number], _, _ = answer.rest().split(b"\n\n")

        def poll():
            with gateway.http() as client:
                while not ended.wait(0.02):
                    begun = time.monotonic()
                    client.get("/health/live")
                    waits.append(time.monotonic() - begun)

        wait_until(lambda: len(gateway.claude_pids()) == 4, 20, "four spare processes")
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
        poller = threading.Thread(target=poll)
        for thread in (*threads, poller):
            thread.start()
        for thread in threads:
            thread.join()
        ended.set()
        poller.join()
    ids = [{json.loads(chunk[6:])["id"] for chunk in chunks} for chunks in answers.values()]
    assert [len(found) for found in ids] == [1] * 4
    assert len(set.union(*ids)) == 4
    assert {len(text_of(chunks).split()) for chunks in answers.values()} == {20_000}
    assert statistics.median(waits) < 0.05


def test_told_to_stop_it_refuses_what_is_new_and_truncates_no_stream(tmp_path, sandbox):  # threat 69
    with (
        running_gateway(sandbox, tmp_path, environ={"GATEWAY_HTTP__DRAIN": "3"}) as gateway,
        gateway.http() as waiting,
        Stream(gateway, script(words=10, delta_delay=0.1)) as short,
        Stream(gateway, script(words=1000, delta_delay=0.05)) as long,
    ):
        waiting.get("/health/live")  # and keeps its connection
        assert (short.status(), long.status()) == (200, 200)
        os.kill(gateway.pid, signal.SIGTERM)
        time.sleep(0.5)
        assert waiting.get("/health/ready").status_code == 503
        assert short.rest().endswith(b"data: [DONE]\n\n")
        *_, last = long.rest().split(b"\n\n")[:-1]
        assert b'"error"' in last
        wait_until(lambda: not alive(gateway.pid), 10, "the gateway has ended")


def test_idle_connections_do_not_keep_it_from_stopping(tmp_path, sandbox):
    with running_gateway(sandbox, tmp_path) as gateway, gateway.http() as idle:
        idle.get("/health/live")
        os.kill(gateway.pid, signal.SIGTERM)
        assert wait_until(lambda: not alive(gateway.pid), 15, "the gateway has ended") < 10


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_a_reader_that_stops_reading_is_cut_off(tmp_path, sandbox, version):
    with (
        running_gateway(sandbox, tmp_path, environ={"GATEWAY_HTTP__WRITE_TIMEOUT": "1"}) as gateway,
        Stream(gateway, f"stops-reading-{version} {script(words=100000)}", version=version) as answer,
    ):
        assert answer.status() == 200
        marker = f"stops-reading-{version}"
        wait_until(lambda: entry_of(sandbox, marker)["closed_at"], 20, "the upstream connection was closed")
        assert gateway.chat(script(words=1)).status_code == 200


def test_a_body_that_is_malformed_is_a_bad_request(gateway):  # threat 66
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.key}\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n".encode())
        assert b" 400 " in connection.recv(200)


def test_what_is_no_request_is_not_repeated_in_the_log(gateway):  # threat 32
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization Bearer sk-in-a-broken-header-0123\r\n\r\n")
        connection.recv(2000)
    wait_until(lambda: "cannot be parsed" in gateway.log.read_text(), 5, "the refusal is logged")
    assert "sk-in-a-broken-header" not in gateway.log.read_text()


def test_a_body_of_a_million_objects_holds_nobody_up(gateway):  # threats 66 and 67
    gaps = []
    ended = threading.Event()

    def poll():
        with gateway.http() as client:
            while not ended.is_set():
                begun = time.monotonic()
                client.get("/health/live")
                gaps.append(time.monotonic() - begun)

    poller = threading.Thread(target=poll)
    poller.start()
    message = b'{"role":"user","content":"a"},'
    tools = b'{"model":"sonnet","messages":[{"role":"user","content":"a"}],"tools":[' + b"[]," * 5_000_000 + b"[]]}"
    for content in (b'{"model":"sonnet","messages":[' + message * 1_000_000 + message[:-1] + b"]}", tools):
        with gateway.http() as client:
            assert client.post("/v1/chat/completions", content=content).status_code == 400
    ended.set()
    poller.join()
    assert max(gaps) < 1.0


def test_sigterm_ends_every_process(tmp_path, sandbox):
    with running_gateway(sandbox, tmp_path) as gateway:
        processes = gateway.claude_pids()
        os.kill(gateway.pid, signal.SIGTERM)
        wait_until(lambda: not alive(gateway.pid), 10, "the gateway has ended")
        assert not any(map(alive, processes))


@pytest.mark.timeout(600)
def test_conversations_of_two_clients_never_mix(tmp_path, sandbox, pytestconfig):  # threat 9
    """Many at once in waves: each upstream body holds one secret only."""
    count = pytestconfig.getoption("--requests")
    environ = {"GATEWAY_POOL__MAX": "10", "GATEWAY_QUEUE__MAX": "200", "GATEWAY_QUEUE__TIMEOUT": "300"}
    before = len(sandbox.messages())
    with running_gateway(sandbox, tmp_path, environ=environ) as gateway:
        wrong = []

        def ask(number):
            secret = f"secret-{number:03d}-{'AB'[number % 2]}"
            messages = [
                {"role": "system", "content": f"system of {secret}"},
                {"role": "user", "content": f"history of {secret}"},
                {"role": "assistant", "content": "noted"},
                {"role": "user", "content": f"{secret} {script(echo=True)}"},
            ]
            with gateway.http(timeout=300) as client:
                answer = client.post("/v1/chat/completions", json={"model": "sonnet", "messages": messages})
            if answer.status_code != 200 or secret not in answer.json()["choices"][0]["message"]["content"]:
                wrong.append(answer.text)

        for wave in range(4):
            threads = [threading.Thread(target=ask, args=(number,)) for number in range(wave, count, 4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    assert not wrong
    bodies = [json.dumps(entry["body"]) for entry in sandbox.messages()[before:]]
    assert len(bodies) == count
    for text in bodies:
        assert len({part[:5] for part in text.split("secret-")[1:]}) == 1

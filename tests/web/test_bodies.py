"""Bodies that come too slowly, under the real server: the connection is given up, with or without a key."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import Any

import pytest
from werkzeug.exceptions import RequestTimeout

from app.web.bodies import TimedBodies
from tests.support.admin import ENVIRON, stubbed_gateway
from tests.support.gateway import MASTER_KEY, Gateway

SECONDS = 1.0
QUESTION = json.dumps({"model": "sonnet", "messages": [{"role": "user", "content": "hi"}]}).encode()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    environ = {**ENVIRON, "GATEWAY_HTTP__BODY_TIMEOUT": str(SECONDS)}
    with stubbed_gateway(tmp_path_factory.mktemp("bodies"), environ=environ) as running:
        yield running


def head(path: str, length: str, kind: str = "application/json") -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {MASTER_KEY}\r\n"
        f"Content-Type: {kind}\r\n{length}\r\n\r\n"
    ).encode()


@contextmanager
def trickling(gateway: Gateway, begin: bytes, drop: bytes) -> Iterator[socket.socket]:
    """Something is sent every moment: no single wait is long."""
    ended = threading.Event()
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(begin)

        def trickle() -> None:
            with suppress(OSError):
                while not ended.wait(0.1):
                    connection.sendall(drop)

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            yield connection
        finally:
            ended.set()
            thread.join()


def refusal(connection: socket.socket) -> tuple[http.client.HTTPResponse, bytes]:
    answer = http.client.HTTPResponse(connection, method="POST")
    answer.begin()
    return answer, answer.read()


# threat 66
@pytest.mark.parametrize(
    ("path", "kind", "length", "drop"),
    [
        ("/admin/sign-in", "application/x-www-form-urlencoded", "Content-Length: 1000", b"a"),
        ("/v1/chat/completions", "application/json", "Content-Length: 1000", b" "),
        ("/v1/chat/completions", "application/json", "Transfer-Encoding: chunked", b"1\r\n \r\n"),
        ("/v1/chat/completions", "application/json", "Transfer-Encoding: chunked", b"1"),
    ],
)
def test_a_body_that_trickles_is_408_and_its_connection_is_closed(
    gateway: Gateway, path: str, kind: str, length: str, drop: bytes
):
    begun = time.monotonic()
    with trickling(gateway, head(path, length, kind), drop) as connection:
        answer, body = refusal(connection)
        assert answer.status == 408
        assert SECONDS * 0.9 < time.monotonic() - begun < SECONDS + 4
        if path.startswith("/v1"):
            assert json.loads(body)["error"]["code"] == "request_timeout"
        with suppress(ConnectionResetError):  # what came since is thrown away
            assert connection.recv(1) == b""
        assert time.monotonic() - begun < SECONDS + 5


def test_a_body_in_pieces_that_comes_in_time_is_answered(gateway: Gateway):
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(head("/v1/chat/completions", f"Content-Length: {len(QUESTION)}"))
        for at in range(0, len(QUESTION), 20):
            connection.sendall(QUESTION[at : at + 20])
            time.sleep(0.05)
        answer, body = refusal(connection)
        assert answer.status == 200, body


class Clocked:
    """Gives the seconds that each read was given, and can be used up."""

    def __init__(self) -> None:
        self.given: list[float] = []

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        self.given.append(seconds)
        yield
        if seconds == 0:
            raise TimeoutError


class Dripping(BytesIO):
    """Has no more than so many bytes at a time."""

    def __init__(self, body: bytes, most: int) -> None:
        super().__init__(body)
        self._most = most

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self._most)


def read_through(
    clocked: Clocked, body: bytes, seconds: float, pieces: int, between: float = 0.0, path: str = "/v1/messages"
) -> None:
    def app(environ: dict[str, Any], _: Any) -> list[bytes]:
        for _piece in range(pieces):
            environ["wsgi.input"].read(len(body) // pieces)
            time.sleep(between)
        return []

    environ = {"PATH_INFO": path, "wsgi.input": Dripping(body, len(body) // pieces)}
    TimedBodies(app, seconds, clocked.within)(environ, lambda *_: None)


def test_each_mebibyte_that_came_gives_as_much_time_again():
    clocked = Clocked()
    read_through(clocked, b"a" * 3 * 1024 * 1024, 30, pieces=3)
    assert [round(seconds) for seconds in clocked.given] == [30, 60, 90]


def test_a_form_has_a_few_seconds():  # threat 66
    clocked = Clocked()
    read_through(clocked, b"password=x", 30, pieces=1, path="/admin/sign-in")
    assert [round(seconds) for seconds in clocked.given] == [5]


@pytest.mark.parametrize("items", [[], [b""], [b"a", b"", b"b"], [b"abc" * 300_000, b"d"]])
def test_an_answer_is_written_in_pieces_and_closed(items: list[bytes]):
    class Answer(list[bytes]):
        closed = 0

        def close(self) -> None:
            self.closed += 1

    given = Answer(items)
    answer = TimedBodies(lambda *_: given, 30, Clocked().within)({"wsgi.input": BytesIO()}, lambda *_: None)
    written = list(answer)
    answer.close()
    assert (b"".join(written), given.closed) == (b"".join(items), 1)
    assert all(len(piece) <= 256 * 1024 for piece in written)


def test_time_is_counted_over_all_reads():
    clocked = Clocked()
    with pytest.raises(RequestTimeout):
        read_through(clocked, b"a" * 30, 0.05, pieces=3, between=0.03)
    assert clocked.given[0] > clocked.given[1] > clocked.given[2] == 0

"""What a client can do without a key: nothing that keeps an application waiting (threats 66, 67)."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.admin import ENVIRON, PASSWORD, stubbed_gateway
from tests.support.gateway import MASTER_KEY, Gateway
from tests.support.load import serving
from tests.support.processes import wait_until

PLACES = 3
SETTINGS = {
    "ANTHROPIC_API_KEY": "sk-ant-api03-sandbox",
    "GATEWAY_POOL__WARM": "2",
    "GATEWAY_HTTP__REQUESTS": str(PLACES),
    "GATEWAY_HTTP__WRITE_TIMEOUT": "1",
}


@pytest.fixture
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A fresh one, for the longest delay is counted over minutes."""
    with stubbed_gateway(tmp_path_factory.mktemp("strangers"), environ={**ENVIRON, **SETTINGS}) as running:
        yield running


def head(path: str, *lines: str, method: str = "POST") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *lines, "", ""]).encode()


def connected(gateway: Gateway, buffer: int = 0) -> socket.socket:
    connection = socket.socket()
    if buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.settimeout(10)
    connection.connect(("127.0.0.1", gateway.port))
    return connection


def everything(connection: socket.socket) -> bytes:
    """Until the end of the connection; what the server's reset has taken is left out."""
    received = b""
    try:
        while data := connection.recv(1 << 16):
            received += data
    except ConnectionResetError:
        pass
    return received


def sent_until_closed(connection: socket.socket, data: bytes, times: int) -> int:
    """Bytes that were taken. Fails when all were."""
    sent = 0
    for _ in range(times):
        try:
            sent += connection.send(data)
        except OSError:  # reset, or a broken pipe
            return sent
    raise AssertionError("all of it was taken")


CHUNKED = ("Transfer-Encoding: chunked", "Content-Type: application/json")


@pytest.mark.parametrize("path", ["/v1/messages", "/admin/sign-in", "/health/live"])
def test_a_body_of_many_chunks_holds_nobody_up(gateway: Gateway, path: str):  # threats 66, 67
    with connected(gateway) as connection:
        connection.sendall(head(path, *CHUNKED))
        sent_until_closed(connection, b"1\r\nx\r\n" * 1000, 1000)
        assert everything(connection).startswith(b"HTTP/1.1 4") or path == "/health/live"
    assert gateway.chat("hi").status_code == 200
    assert serving(gateway, PASSWORD)["most_work"] < 0.05


def test_with_a_key_too_many_chunks_are_refused(gateway: Gateway):  # threat 67
    with connected(gateway) as connection:
        connection.sendall(head("/v1/messages", *CHUNKED, f"x-api-key: {MASTER_KEY}"))
        connection.sendall(b"1\r\nx\r\n" * 50_001)
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 400")


def test_who_does_not_read_takes_no_applications_place_and_is_cut(gateway: Gateway):  # threat 66
    with ExitStack() as held:
        for path in ("/openapi.json", "/v1/models"):
            for _ in range(PLACES):
                connection = held.enter_context(connected(gateway, 2048))
                connection.sendall(head(path, method="GET") * 300)
        assert gateway.chat("hi").status_code == 200
        with gateway.http() as client:
            wait_until(lambda: client.get("/openapi.json").status_code == 200, 20, "the pages are told again")
    log = gateway.log.read_text()
    assert "was cut off: it does not read its answer" in log
    assert "Traceback" not in log


def test_forms_that_are_kept_back_take_no_applications_place(gateway: Gateway):  # threat 66
    form = head("/admin/sign-in", "Content-Type: application/x-www-form-urlencoded", "Content-Length: 60000")
    with ExitStack() as held:
        for _ in range(PLACES + 2):
            held.enter_context(connected(gateway)).sendall(form + b"password=x")
        with gateway.http() as client:
            wait_until(lambda: client.get("/openapi.json").status_code == 503, 5, "the pages are full")
            assert gateway.chat("hi").status_code == 200
            wait_until(lambda: client.get("/openapi.json").status_code == 200, 10, "the forms are given up")


@pytest.mark.parametrize(
    "lines",
    [[f"x-{number}: 1" for number in range(70)], [f"x-a: {'a' * 5000}"], ["A:b"] * 100_000, [f"x-a: {'a' * 800_000}"]],
    ids=["many", "long", "very many", "very long"],
)
def test_headers_have_bounds(gateway: Gateway, lines: list[str]):  # threat 67
    with connected(gateway) as connection:
        try:
            connection.sendall(head("/health/live", *lines, method="GET"))
        except OSError:  # refused before the end
            pass
        else:
            assert everything(connection)[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 431", b"")
    assert gateway.chat("hi").status_code == 200
    assert serving(gateway, PASSWORD)["most_work"] < 0.05


def test_of_a_body_that_nobody_wants_only_so_much_is_read(gateway: Gateway):  # threat 66
    with connected(gateway) as connection:
        connection.sendall(head("/v1/messages", "Content-Length: 100000000000"))
        assert sent_until_closed(connection, b"x" * (1 << 20), 2000) < 64 << 20

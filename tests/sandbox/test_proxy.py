import socket
import ssl
import time
from typing import Any

import httpx
import pytest

from tests.sandbox.client import HEADERS, body, connect, deltas, events, marked, outcome, request_bytes
from tests.support.sandbox import Sandbox


@pytest.fixture
def client(sandbox: Sandbox) -> Any:
    trusting = ssl.create_default_context(cafile=sandbox.ca)
    with httpx.Client(proxy=sandbox.proxy, verify=trusting, trust_env=False, headers=HEADERS) as client:
        yield client


def tunnel(sandbox: Sandbox, host: str = "api.anthropic.com") -> ssl.SSLSocket:
    plain = connect(sandbox.proxy)
    plain.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
    assert plain.recv(4096).startswith(b"HTTP/1.1 200 ")
    return ssl.create_default_context(cafile=sandbox.ca).wrap_socket(plain, server_hostname=host)


@pytest.mark.parametrize("host", ["api.anthropic.com", "platform.claude.com", "anything.invalid"])
def test_every_host_is_the_sandbox(sandbox: Sandbox, client: httpx.Client, host: str):
    assert "sandbox" in client.get(f"https://{host}/").text
    assert outcome(sandbox)["host"] == host


def test_an_answer_streams_through(client: httpx.Client):
    answer = client.post("https://api.anthropic.com/v1/messages", json=body(marked(words=500), stream=True))
    assert len(deltas(list(events(answer.text)))) == 500


def test_a_large_request_and_a_large_answer_go_through(client: httpx.Client):
    given = body(marked(echo=True) + "x" * 600_000, max_tokens=100_000)
    answer = client.post("https://api.anthropic.com/v1/messages", json=given)
    assert len(answer.json()["content"][0]["text"]) == 400_000


def test_a_client_that_leaves_is_noticed_through_the_proxy(sandbox: Sandbox):
    with tunnel(sandbox) as secure:
        secure.sendall(request_bytes(body(marked(silent=20), stream=True)))
        assert secure.recv(4096)
        left = time.time()
    time.sleep(0.2)
    assert outcome(sandbox)["outcome"] == "client_closed"
    assert outcome(sandbox)["closed_at"] - left < 0.15


def test_a_cut_arrives_as_one(sandbox: Sandbox, client: httpx.Client):
    given = body(marked(words=5, cut_after=2), stream=True)
    with pytest.raises(httpx.HTTPError):
        client.post("https://api.anthropic.com/v1/messages", json=given)
    assert outcome(sandbox)["outcome"] == "cut"


def test_the_certificate_is_this_sandboxs_only(sandbox: Sandbox):
    plain = connect(sandbox.proxy)
    plain.sendall(b"CONNECT api.anthropic.com:443 HTTP/1.1\r\n\r\n")
    plain.recv(4096)
    with pytest.raises(ssl.SSLCertVerificationError), plain:
        ssl.create_default_context().wrap_socket(plain, server_hostname="api.anthropic.com")


@pytest.mark.parametrize("head", [b"GET http://example.org/ HTTP/1.1\r\n\r\n", b"CONNECT " + b"x" * 20_000])
def test_it_only_knows_connect(sandbox: Sandbox, head: bytes):
    with connect(sandbox.proxy) as plain:
        plain.sendall(head)
        assert b"405" in plain.recv(4096)


def test_a_client_that_hangs_up_in_mid_connect_does_no_harm(sandbox: Sandbox, client: httpx.Client):
    for part in (b"", b"CONN", b"CONNECT a:443 HTTP/1.1\r\n\r\n"):
        with connect(sandbox.proxy) as plain:
            plain.sendall(part)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert client.get("https://api.anthropic.com/").status_code == 200

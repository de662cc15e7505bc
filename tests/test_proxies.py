"""The example proxies in deploy/, as they are but for addresses, before an upstream that tells what it got."""

import json
import os
import queue
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import trustme

from tests.support.gateway import free_port
from tests.support.processes import wait_until
from tests.support.sandbox import ROOT

DEPLOY = ROOT / "deploy"
CLAIMED = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Host": "evil.example", "X-Forwarded-Prefix": "/evil"}
CASES = [
    ("nginx", "nginx.conf", ""),
    ("nginx", "nginx-prefix.conf", "/claude"),
    ("caddy", "Caddyfile", ""),
    ("caddy", "Caddyfile.prefix", "/claude"),
]


class Upstream(ThreadingHTTPServer):
    """Tells a request's path and headers as its first event; the second comes when the test lets it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Teller)
        self.go_on: queue.Queue[None] = queue.Queue()


class Teller(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Upstream

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(f"data: {json.dumps({'path': self.path, **headers})}\n\n".encode())
        self.server.go_on.get(timeout=20)
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *_: object) -> None:
        pass


@dataclass(frozen=True)
class Front:
    url: str
    prefix: str
    tls: ssl.SSLContext
    upstream: Upstream

    def ask(self, path: str, **headers: str) -> dict[str, str]:
        """What came to the upstream; fails when the first event waits for the second."""
        with (
            httpx.Client(verify=self.tls, trust_env=False, timeout=10) as client,
            client.stream("GET", self.url + path, headers=headers) as answer,
        ):
            assert answer.status_code == 200
            lines = answer.iter_lines()
            first = next(lines)
            self.upstream.go_on.put(None)
            assert list(lines) == ["", "data: [DONE]", ""]
        return json.loads(first.removeprefix("data: "))


@pytest.fixture(scope="module", params=CASES, ids=[case[1] for case in CASES])
def front(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    program, file, prefix = request.param
    binary = shutil.which(program) or shutil.which(program, path="/usr/sbin")
    if not binary:
        pytest.fail(f"{program} is not installed: run make setup, which brings it with apt")
    folder = tmp_path_factory.mktemp(program)
    with Upstream() as upstream:
        threading.Thread(target=upstream.serve_forever, kwargs={"poll_interval": 0.01}).start()
        starting = start_nginx if program == "nginx" else start_caddy
        with starting(binary, folder, file, f"127.0.0.1:{upstream.server_port}") as (url, tls):
            yield Front(url, prefix, tls, upstream)
        upstream.shutdown()


@contextmanager
def start_nginx(binary: str, folder: Path, file: str, upstream: str) -> Iterator[tuple[str, ssl.SSLContext]]:
    plain, port = free_port(), free_port()
    (folder / "certs").mkdir()
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(str(folder / "certs/privkey.pem"))
    for part in certificate.cert_chain_pems:
        part.write_to_path(str(folder / "certs/fullchain.pem"), append=True)
    text = (DEPLOY / file).read_text().replace("gateway:4000", upstream)
    text = text.replace("listen 80;", f"listen 127.0.0.1:{plain};").replace("listen 443", f"listen 127.0.0.1:{port}")
    (folder / "nginx.conf").write_text(text)
    shutil.copy(DEPLOY / "nginx-gateway.conf", folder)
    tls = ssl.create_default_context()
    authority.configure_trust(tls)
    outside = f"daemon off; error_log stderr; pid {folder}/pid;"
    with running([binary, "-c", str(folder / "nginx.conf"), "-g", outside], folder, port):
        assert (
            httpx.get(f"http://127.0.0.1:{plain}/x?y", trust_env=False).headers["location"] == "https://127.0.0.1/x?y"
        )
        yield f"https://127.0.0.1:{port}", tls


@contextmanager
def start_caddy(binary: str, folder: Path, file: str, upstream: str) -> Iterator[tuple[str, ssl.SSLContext]]:
    """Without TLS: Caddy's own part, which would ask for a certificate."""
    port = free_port()
    text = (DEPLOY / file).read_text().replace("gateway:4000", upstream)
    (folder / "Caddyfile").write_text("{\n\tadmin off\n\tdefault_bind 127.0.0.1\n}\n" + text)
    command = [binary, "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]
    with running(command, folder, port, HOME=str(folder), POSTERN_HOST=f"http://127.0.0.1:{port}"):
        yield f"http://127.0.0.1:{port}", ssl.create_default_context()


@contextmanager
def running(command: list[str], folder: Path, port: int, **environment: str) -> Iterator[None]:
    log = folder / "log"
    env = {"PATH": os.environ["PATH"], **environment}
    with log.open("wb") as output, subprocess.Popen(command, env=env, stdout=output, stderr=output) as process:
        try:
            wait_until(lambda: process.poll() is not None or listens(port), 15, "the proxy listens")
            assert process.poll() is None, log.read_text()
            yield
        finally:
            process.terminate()


def listens(port: int) -> bool:
    return f":{port:04X} 00000000:0000 0A" in Path("/proc/net/tcp").read_text()


def test_words_pass_as_they_come_and_the_prefix_is_taken_off(front: Front):  # threat 68
    seen = front.ask(f"{front.prefix}/v1/models?x=1")
    assert seen["path"] == "/v1/models?x=1"
    assert seen.get("x-forwarded-prefix", "") == front.prefix
    assert seen["x-forwarded-proto"] == front.url.partition(":")[0]
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert seen["x-forwarded-host"].partition(":")[0] == seen["host"].partition(":")[0] == "127.0.0.1"


def test_what_a_client_claims_about_itself_is_not_believed(front: Front):
    seen = front.ask(f"{front.prefix}/x", **CLAIMED)
    assert not {"6.6.6.6", "evil.example", "/evil"} & set(seen.values())
    assert "6.6.6.6" not in seen["x-forwarded-for"]


def test_web_sockets_are_passed_on(front: Front):
    seen = front.ask(f"{front.prefix}/auth/live", Upgrade="websocket", Connection="Upgrade")
    assert (seen["upgrade"], seen["connection"].lower()) == ("websocket", "upgrade")

"""An administrator without a browser: cookies and CSRF tokens as a browser would send them."""

import html
import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support import stub_claude, stub_sign_in
from tests.support.gateway import Gateway, running_gateway
from tests.support.sandbox import NO_TLS

PASSWORD = "seven wet horses on a roof"
ENVIRON = {"GATEWAY_ADMIN_PASSWORD": PASSWORD}


class Admin:
    def __init__(self, gateway: Gateway, *, address: str = "127.0.0.1", **headers: str):
        """`address`: the client's own, of loopback."""
        self.gateway, self.address = gateway, address
        transport = httpx.HTTPTransport(local_address=address, verify=NO_TLS)
        self.client = httpx.Client(base_url=gateway.url, headers=headers, timeout=60, transport=transport)
        self.csrf_token = ""

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self._noting(self.client.get(path, **options))

    def post(self, path: str, **fields: Any) -> httpx.Response:
        """A form, as the page would send it; follows the redirect."""
        answer = self.client.post(path, data={"csrf_token": self.csrf_token, **fields})
        return self._noting(self.follow(answer))

    def follow(self, answer: httpx.Response) -> httpx.Response:
        while answer.is_redirect:
            answer = self.client.get(answer.headers["location"])
        return answer

    def sign_in(self, password: str = PASSWORD) -> httpx.Response:
        self.get("/admin/sign-in")
        return self.post("/admin/sign-in", password=password)

    def call(self, method: str, path: str, json: Any = None) -> httpx.Response:
        """A JSON endpoint, by the session."""
        return self.client.request(method, path, json=json, headers={"X-CSRF-Token": self.csrf_token})

    def script(
        self, method: str, path: str, json: Any = None, password: str = PASSWORD, **headers: str
    ) -> httpx.Response:
        """A JSON endpoint, by HTTP Basic, without any cookie."""
        transport = httpx.HTTPTransport(local_address=self.address, verify=NO_TLS)
        with httpx.Client(base_url=self.gateway.url, timeout=60, transport=transport) as client:
            return client.request(method, path, json=json, auth=("admin", password), headers=headers)

    def _noting(self, answer: httpx.Response) -> httpx.Response:
        if found := re.search(r'name="csrf_token" value="([^"]+)"', answer.text):
            self.csrf_token = found[1]
        return answer


@contextmanager
def administrator(gateway: Gateway, *, address: str = "127.0.0.1", **headers: str) -> Iterator[Admin]:
    admin = Admin(gateway, address=address, **headers)
    with admin.client:
        yield admin


@contextmanager
def stubbed_gateway(folder: Path, *, environ: Mapping[str, str] = ENVIRON) -> Iterator[Gateway]:
    """Over a stub of the CLI, which answers at once, and signs in and out without anybody."""
    with running_gateway(
        None,
        folder,
        environ={"GATEWAY_CLAUDE_BIN": str(_stub(folder)), "GATEWAY_POOL__WARM": "1", **environ},
        ready=False,
    ) as gateway:
        yield gateway


def _stub(folder: Path) -> Path:
    answers, signs_in = stub_claude.install(folder / "answers"), stub_sign_in.install(folder / "signs-in")
    executable = folder / "claude-stub"
    executable.write_text(f'#!/bin/sh\n[ "$1" = auth ] && exec "{signs_in}" "$@"\nexec "{answers}" "$@"\n')
    executable.chmod(0o755)
    return executable


def stored(gateway: Gateway, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """In the gateway's database, beside the gateway. A change takes the place of time that passes."""
    with closing(sqlite3.connect(gateway.data_dir / "postern.sqlite", timeout=20)) as connection, connection:
        return connection.execute(query, parameters).fetchall()


def audited(gateway: Gateway) -> list[dict[str, Any]]:
    path = gateway.data_dir / "audit.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def text_of(page: str) -> str:
    """What a reader sees, roughly."""
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page)))


def set_up_link(log: str) -> str:
    found = re.findall(r"(https?://\S+/setup\?token=\S+)", log)
    assert found, log
    return found[-1]

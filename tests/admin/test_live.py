"""The WebSocket of the wizard's page."""

import json
import socket
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Event, Request, TextMessage

from app.admin.live import COMES_BACK_SECONDS, _give_up, _left_at
from app.claude.login import LoginStatus, State
from tests.support.admin import Admin, stored
from tests.support.gateway import Gateway
from tests.support.processes import wait_until

HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


class Socket:
    """The browser's end, an event at a time."""

    def __init__(self, gateway: Gateway, headers: dict[str, str]):
        self._socket = socket.create_connection(("127.0.0.1", gateway.port), timeout=10)
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._events: deque[Event] = deque()
        given = [(name.encode(), value.encode()) for name, value in headers.items()]
        self.send(Request(host=f"127.0.0.1:{gateway.port}", target="/auth/live", extra_headers=given))

    def send(self, event: Event) -> None:
        self._socket.sendall(self._protocol.send(event))

    def say(self, text: str) -> None:
        self.send(TextMessage(data=text))

    def event(self, seconds: float = 10) -> Event:
        self._socket.settimeout(seconds)
        while not self._events:
            self._protocol.receive_data(self._socket.recv(65_536) or None)
            self._events.extend(self._protocol.events())
        return self._events.popleft()

    def status(self) -> dict[str, Any]:
        event = self.event()
        assert isinstance(event, TextMessage), event
        return json.loads(event.data)

    def closed(self, seconds: float = 10) -> int:
        """What for. Reads to the end."""
        while True:
            if isinstance(event := self.event(seconds), CloseConnection):
                return event.code

    def close(self) -> None:
        self._socket.close()


@contextmanager
def live(admin: Admin) -> Iterator[Socket]:
    headers = {"Origin": admin.gateway.url, "Cookie": f"postern={admin.client.cookies['postern']}"}
    with closing(Socket(admin.gateway, headers)) as opened:
        assert isinstance(opened.event(), AcceptConnection)
        yield opened


def test_the_page_is_told_of_each_change(admin: Admin):
    with live(admin) as page:
        assert page.status()["state"] == "idle"
        admin.call("POST", "/admin/api/login", {"method": "api_key"})
        states = [page.status()["state"]]
        while states[-1] != "awaiting_code":
            states.append(page.status()["state"])
        admin.call("DELETE", "/admin/api/login")
        while states[-1] != "idle":
            states.append(page.status()["state"])


def state(admin: Admin) -> str:
    """As a script sees it: a page of the session's own would be one that came back."""
    return str(Admin(admin.gateway).script("GET", "/admin/api/login").json()["state"])


@pytest.mark.parametrize("closed", [True, False])
def test_a_page_that_was_closed_takes_its_sign_in_along(admin: Admin, closed: bool):  # threat 38
    with live(admin) as page:
        admin.call("POST", "/admin/api/login", {"method": "api_key"})
        while page.status()["state"] != "awaiting_code":
            pass
        if closed:  # else the connection breaks, as a phone's does while its owner is at another page
            page.send(CloseConnection(code=1001))

    time.sleep(1)
    assert state(admin) == "awaiting_code"  # it may be loaded anew
    if closed:
        wait_until(lambda: state(admin) == "idle", COMES_BACK_SECONDS + 10, "the sign-in is given up")
        return
    time.sleep(COMES_BACK_SECONDS + 3)
    assert state(admin) == "awaiting_code"
    admin.call("DELETE", "/admin/api/login")


@pytest.mark.parametrize("comes_back", [False, True])
def test_so_does_one_that_could_only_ask(admin: Admin, comes_back: bool):  # threat 38
    admin.call("POST", "/admin/api/login", {"method": "api_key"})
    wait_until(lambda: state(admin) == "awaiting_code", 10, "a code is waited for")
    assert admin.client.post("/auth/left", data={"csrf_token": admin.csrf_token}).status_code == 204
    time.sleep(1)
    if comes_back:  # it was loaded anew, and asks
        admin.call("GET", "/admin/api/login")
        time.sleep(COMES_BACK_SECONDS + 1)
        assert state(admin) == "awaiting_code"
        admin.call("DELETE", "/admin/api/login")
        return
    assert state(admin) == "awaiting_code"  # a script's look is not the page's
    wait_until(lambda: state(admin) == "idle", COMES_BACK_SECONDS + 5, "the sign-in is given up")


@pytest.mark.parametrize(("where", "given_up"), [("starting", True), ("awaiting_code", True), ("verifying", False)])
def test_what_was_handed_in_needs_its_page_no_more(where: State, given_up: bool):  # threat 38
    abandoned: list[str] = []
    login = SimpleNamespace(status=lambda: LoginStatus(where, holder="anna"), abandon=abandoned.append)
    running: Any = SimpleNamespace(login=login)
    _left_at["a session"] = 1.0
    _give_up(running, "a session", "anna", 1.0)
    assert abandoned == ["anna"] * given_up


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://127.0.0.1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_no_other_page_opens_it(admin: Admin, headers: dict[str, str]):  # threat 55
    own = {"Origin": admin.gateway.url} if "Sec-Fetch-Site" in headers else {}
    answer = admin.client.get("/auth/live", headers={**HANDSHAKE, **own, **headers})
    assert answer.status_code == 403


def test_nobody_opens_it_without_a_session(gateway: Gateway, stranger: Admin):  # threat 55
    for headers in ({}, {"Authorization": f"Bearer {gateway.key}"}, {"x-api-key": gateway.key}):
        answer = stranger.client.get("/auth/live", headers={**HANDSHAKE, "Origin": gateway.url, **headers})
        assert answer.status_code == 302
    basic = httpx.get(
        gateway.url + "/auth/live", headers={**HANDSHAKE, "Origin": gateway.url}, auth=("admin", "x"), trust_env=False
    )
    assert basic.status_code == 302


def test_what_is_no_handshake_is_refused(gateway: Gateway, admin: Admin):
    before = len(gateway.log.read_text())
    for headers in ({}, {"Upgrade": "websocket"}, {**HANDSHAKE, "Sec-WebSocket-Version": "1"}):
        answer = admin.client.get("/auth/live", headers={"Origin": gateway.url, **headers})
        assert 400 <= answer.status_code < 500, headers
    assert "Traceback" not in gateway.log.read_text()[before:]


def test_a_session_that_ends_closes_it(admin: Admin):  # threats 44, 55
    with live(admin) as page:
        page.status()
        admin.post("/admin/sign-out")
        assert page.closed(5) == 1008


def test_an_open_page_does_not_keep_a_session_alive(gateway: Gateway, admin: Admin):  # threat 53
    with live(admin) as page:
        page.status()
        stored(gateway, "UPDATE sessions SET last_seen_at = last_seen_at - 43195")
        assert page.closed(20) == 1008


def test_large_messages_close_it(admin: Admin):  # threat 55
    with live(admin) as page:
        page.status()
        page.say("x" * 5000)
        assert page.closed() == 1009


def test_it_listens_to_nobody(admin: Admin):  # threat 55
    with live(admin) as page:
        page.status()
        page.say("hello")
        assert page.closed() == 1008


def test_one_session_has_only_so_many(admin: Admin):  # threat 55
    with ExitStack() as stack:
        pages = [stack.enter_context(live(admin)) for _ in range(8)]
        assert [page.status()["state"] for page in pages] == ["idle"] * 8
        with live(admin) as one_more:
            assert one_more.closed() == 1013
    time.sleep(1.5)
    with live(admin) as again:
        assert again.status()["state"] == "idle"

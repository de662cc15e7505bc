"""The wizard's page as it stays up to date: a WebSocket, and what becomes of a sign-in whose page is gone."""

import json
import threading
import time
from collections import Counter

from flask_sock import Sock
from simple_websocket import ConnectionClosed, Server

from app.admin import visit
from app.admin.blueprint import blueprint
from app.admin.wizard import holder, told
from app.errors import NotAdministrator, PosternError
from app.services import Services, services
from app.web.policy import Who, allow

sock = Sock()

# A page that is open in many tabs, or hostile: each socket holds a connection (threat 55).
_MOST_SOCKETS = 8
_LOOK_SECONDS = 1.0
# RFC 6455, 7.4.1: closed by the page itself, as when its tab is. A connection that merely broke, as a phone's does
# while its owner signs in elsewhere, has another code: simple-websocket gives it 1005, which is therefore not one.
_LEFT = (1000, 1001)
# For a page that was only loaded anew.
COMES_BACK_SECONDS = 15.0

# What was handed in comes to its end by itself, and soon.
_NEEDS_ITS_PAGE = ("starting", "awaiting_code")

_open_sockets: Counter[str] = Counter()
_left_at: dict[str, float] = {}  # by session, until it is seen again


@sock.route("/auth/live", bp=blueprint)
@allow(Who.ADMINISTRATOR)
def auth_live(ws: Server) -> None:
    """Each change of the sign-in's state and of the login's, until the session ends or the page is closed."""
    session = visit.current().session
    if session is None:
        raise NotAdministrator("Sign in first.")
    if _open_sockets[session.id] >= _MOST_SOCKETS:
        ws.close(1013, "too many open pages")
        return
    _open_sockets[session.id] += 1
    seen()
    left = False
    try:
        _tell(ws, session.id)
    except ConnectionClosed as closed:
        left = closed.reason in _LEFT
    finally:
        _open_sockets[session.id] -= 1
        if not _open_sockets[session.id]:
            del _open_sockets[session.id]
    if left:
        _leave(session.id)


@blueprint.post("/auth/left")
@allow(Who.ADMINISTRATOR)
def auth_left() -> tuple[str, int]:
    """Sent by a page that is closed, where no WebSocket passes and it could only ask."""
    if session := visit.current().session:
        _leave(session.id)
    return "", 204


def seen() -> None:
    """The page is there (again), or another of the same session."""
    if session := visit.current().session:
        _left_at.pop(session.id, None)


def _leave(session_id: str) -> None:
    if session_id in _open_sockets:
        return
    at = _left_at[session_id] = time.monotonic()
    timer = threading.Timer(COMES_BACK_SECONDS, _give_up, (services(), session_id, holder(), at))
    timer.daemon = True
    timer.start()


def _tell(ws: Server, session_id: str) -> None:
    known = (-1, "")
    while _lives(session_id):
        status = services().login.wait(known[0], _LOOK_SECONDS)
        now = status.version, services().account().state
        if now != known:
            known = now
            ws.send(json.dumps(told(status)))
        # Notices that the page is gone. It has nothing to say, and what it said would wait in memory.
        if ws.receive(timeout=0) is not None:
            ws.close(1008, "nothing is to be said here")
            return
    ws.close(1008, "the session has ended")


def _lives(session_id: str) -> bool:
    """Asked so that an open page does not keep an idle session alive."""
    return any(session.id == session_id for session in services().sessions.list())


def _give_up(running: Services, session_id: str, whose: str, left_at: float) -> None:
    """A sign-in that waits for a code which nobody can paste any more (threat 38)."""
    if _left_at.get(session_id) != left_at:
        return  # it came back
    del _left_at[session_id]
    status = running.login.status()
    if session_id in _open_sockets or status.holder != whose or status.state not in _NEEDS_ITS_PAGE:
        return
    try:
        running.login.abandon(whose)
    except PosternError:  # somebody took it over in this very moment
        return

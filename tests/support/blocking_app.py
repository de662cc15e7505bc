"""The gateway with one address more, that checks a password: as the administrator's side does, off the event loop."""

import signal
from functools import partial

from app.services import EXTENSION
from wsgi import app


@app.get("/test/password/<where>")
def check_password(where: str) -> dict[str, bool]:
    running = app.extensions[EXTENSION]
    check = partial(running.administrators.verify, "a wrong password")
    return {"right": running.off_loop(check) if where == "off-loop" else check()}


@app.get("/test/error")
def fail() -> dict[str, bool]:
    running = app.extensions[EXTENSION]
    return {"never": running.off_loop(lambda: running.keys.get("unknown") is None)}


@app.get("/test/block")
def block() -> dict[str, bool]:
    """As a long computation does, without a turn for others."""
    signal.sigtimedwait((), 0.4)
    return {"done": True}

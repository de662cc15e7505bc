"""What an administrator changes: written to the audit log first, done off the event loop."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from flask import g

from app.admin import visit
from app.services import services

T = TypeVar("T")


def act(action: str, do: Callable[[], T], *, target: str = "", on_loop: bool = False, **facts: Any) -> T:
    """`do` runs without a request: it is a method with its arguments (functools.partial), and asks Flask for nothing.

    What starts a process does so on the loop's own thread: `on_loop`. Raises AuditFailed, and then nothing was done
    (threat 61). An act that fails is written down as failed, too.
    """
    record(action, target=target, **facts)
    try:
        return do() if on_loop else services().off_loop(do)
    except Exception:
        record(action, target=target, outcome="failed", **facts)
        raise


def record(action: str, *, target: str = "", outcome: str = "ok", **facts: Any) -> None:
    actor = g.get("actor") or ("admin" if visit.current().session else "nobody")
    write = partial(services().audit.record, actor, action, target=target, address=visit.address(), outcome=outcome)
    services().off_loop(write, **facts)

"""What an administrator changes: written to the audit log first, done off the event loop."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from flask import g

from app.access.audit import written_first
from app.admin import visit
from app.services import services

T = TypeVar("T")


def act(action: str, do: Callable[[], T], *, target: str = "", on_loop: bool = False, **facts: Any) -> T:
    """`do` runs without a request: it is a method with its arguments (functools.partial), and asks Flask for nothing.

    What starts a process, or asks Flask, does so on the loop's own thread: `on_loop`. Raises AuditFailed, and then
    nothing was done (threat 61).
    """
    done = do if on_loop else partial(services().off_loop, do)
    return written_first(partial(record, action, target=target, **facts), done)


def record(action: str, *, outcome: str, target: str = "", **facts: Any) -> None:
    actor = g.get("actor") or ("admin" if visit.current().session else "nobody")
    write = partial(services().audit.record, actor, action, target=target, address=visit.address(), outcome=outcome)
    services().off_loop(write, **facts)

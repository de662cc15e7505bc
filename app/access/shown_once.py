"""Secrets that wait for the one page that shows them."""

import secrets
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_SECONDS = 120.0
_MOST = 100


class ShownOnce(Generic[T]):
    """In memory only, for two minutes, for whoever left it there."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting: dict[str, tuple[float, str, T]] = {}

    def put(self, value: T, owner: str) -> str:
        """The ticket that takes it. Without one that is asked for in time it is forgotten."""
        self._forget_old()
        ticket = secrets.token_urlsafe(16)
        self._waiting[ticket] = (self._clock() + _SECONDS, owner, value)
        return ticket

    def take(self, ticket: str, owner: str) -> T | None:
        """Once."""
        self._forget_old()
        found = self._waiting.get(ticket)
        if found is None or found[1] != owner:
            return None
        del self._waiting[ticket]
        return found[2]

    def _forget_old(self) -> None:
        now = self._clock()
        kept = [(ticket, held) for ticket, held in self._waiting.items() if held[0] > now]
        self._waiting = dict(kept[-_MOST:])

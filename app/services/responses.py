"""Responses that clients may come back to: in memory only, for prompts are not kept on disk (threat 10)."""

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

MOST = 1000
MOST_BYTES = 64 * 1024 * 1024
SECONDS = 3600.0

_Name: TypeAlias = tuple[str, str]


@dataclass(frozen=True)
class _Held:
    data: bytes
    until: float


class KeptResponses:
    """By owner and id, for an hour at most. When there is no room, those go that nobody asked for the longest.

    One owner has a `share` of the bytes, so that not all responses of others go for his.
    """

    def __init__(
        self,
        most: int = MOST,
        most_bytes: int = MOST_BYTES,
        seconds: float = SECONDS,
        share: float = 0.25,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._most = most
        self._most_bytes = most_bytes
        self._seconds = seconds
        self._share = most_bytes * share
        self._clock = clock
        self._held: OrderedDict[_Name, _Held] = OrderedDict()
        self._bytes: Counter[str] = Counter()  # of each owner
        self._lock = threading.Lock()

    def may_hold(self, size: int) -> bool:
        """Whether a value of at least so many bytes would be kept."""
        return size <= self._share

    def keep(self, owner: str, name: str, value: Any) -> None:
        """`value` is made of what JSON has, or is JSON already (bytes). One that is too large is not kept."""
        data = value if isinstance(value, bytes) else msgspec.json.encode(value)
        with self._lock:
            self._drop((owner, name))
            self._drop_old()
            if not self.may_hold(len(data)):
                return
            self._held[owner, name] = _Held(data, self._clock() + self._seconds)
            self._bytes[owner] += len(data)
            while self._bytes[owner] > self._share:
                self._drop(next(held for held in self._held if held[0] == owner))
            while len(self._held) > self._most or self._bytes.total() > self._most_bytes:
                self._drop(next(iter(self._held)))

    def find(self, owner: str, name: str) -> Any | None:
        with self._lock:
            if (owner, name) in self._held:
                self._held.move_to_end((owner, name))
        return self.look(owner, name)

    def look(self, owner: str, name: str) -> Any | None:
        """As `find`, from any thread: takes no lock, and does not count as asked for."""
        held = self._held.get((owner, name))
        return None if held is None or held.until <= self._clock() else msgspec.json.decode(held.data)

    def forget(self, owner: str, name: str) -> bool:
        """Whether it was there."""
        with self._lock:
            self._drop_old()
            return self._drop((owner, name))

    def forget_old(self) -> None:
        with self._lock:
            self._drop_old()

    def _drop_old(self) -> None:
        now = self._clock()
        for name in [name for name, held in self._held.items() if held.until <= now]:
            self._drop(name)

    def _drop(self, name: _Name) -> bool:
        held = self._held.pop(name, None)
        if held is None:
            return False
        self._bytes[name[0]] -= len(held.data)
        if not self._bytes[name[0]]:
            del self._bytes[name[0]]
        return True

"""Processes that stay with their conversations: so many, each for a time, the longest kept one first to go."""

from collections import OrderedDict
from collections.abc import Callable
from itertools import islice
from typing import Generic, TypeVar

W = TypeVar("W")


class Kept(Generic[W]):
    """Moments are given, in seconds. Whatever a method takes out is the caller's."""

    def __init__(self, most: int, seconds: float):
        self._most = most
        self._seconds = seconds
        self._held: OrderedDict[bytes, tuple[W, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def workers(self) -> list[W]:
        return [worker for worker, _ in self._held.values()]

    def put(self, conversation: bytes, worker: W, now: float) -> list[W]:
        """Gives those that must go for it. Of two with the same words the later one stays: its login is the fresher."""
        out = [self._held.pop(conversation)[0]] if conversation in self._held else []
        self._held[conversation] = worker, now + self._seconds
        return [*out, *(self.take_longest() for _ in range(len(self._held) - self._most))]

    def take(self, conversation: bytes, now: float) -> W | None:
        """None for one whose time is up, too: that is for `take_expired`."""
        worker, until = self._held.get(conversation, (None, 0.0))
        if worker is None or now >= until:
            return None
        del self._held[conversation]
        return worker

    def take_longest(self) -> W:
        """Raises KeyError when there is none."""
        return self._held.popitem(last=False)[1][0]

    def take_where(self, wanted: Callable[[W], bool], most: int | None = None) -> list[W]:
        """The longest kept ones first. Takes nothing when `wanted` raises, and asks no more than it must."""
        found = list(islice((key for key, (worker, _) in self._held.items() if wanted(worker)), most))
        return [self._held.pop(conversation)[0] for conversation in found]

    def take_expired(self, now: float) -> list[W]:
        found = [conversation for conversation, (_, until) in self._held.items() if now >= until]
        return [self._held.pop(conversation)[0] for conversation in found]

"""Processes that nobody uses now: spare ones, by model, and those that stay with their conversations."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic

from app.claude.kept import Kept
from app.claude.lending import W


class Idle(Generic[W]):
    """Whatever a method takes out is the caller's. The longest spare one of a model stands first."""

    def __init__(self, kept: Kept[W]):
        self.kept = kept
        self._spare: dict[str, deque[W]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._spare.values())) + len(self.kept)

    def workers(self) -> list[W]:
        return [*(worker for spare in self._spare.values() for worker in spare), *self.kept.workers()]

    def spare(self, model: str) -> int:
        return len(self._spare.get(model, ()))

    def spares(self) -> dict[str, int]:
        """By model, without those that have none."""
        return {model: len(spare) for model, spare in self._spare.items() if spare}

    def put_spare(self, worker: W, *, first: bool = False) -> None:
        spare = self._spare.setdefault(worker.model, deque())
        spare.insert(0 if first else len(spare), worker)

    def take_spare(self, model: str) -> W | None:
        spare = self._spare.get(model)
        return spare.popleft() if spare else None

    def take_first_spare(self, models: Iterable[str]) -> W | None:
        """Of the first of these models that has one."""
        return next((self.take_spare(model) for model in models if self.spare(model)), None)

    def take_where(self, wanted: Callable[[W], bool]) -> list[W]:
        """Takes nothing when `wanted` raises."""
        found = [worker for spare in self._spare.values() for worker in spare if wanted(worker)]
        kept = self.kept.take_where(wanted)
        for worker in found:
            self._spare[worker.model].remove(worker)
        return [*found, *kept]

    def take_all(self) -> list[W]:
        return self.take_where(lambda worker: True)

"""Looks at what the processes hold in memory, and ends those that hold too much or for which there is too little."""

import logging
from collections.abc import Callable, Iterable
from typing import Generic

from app.claude.ending import Ending
from app.claude.idle import Idle
from app.claude.lending import Limits, W

log = logging.getLogger(__name__)


class Watchdog(Generic[W]):
    """`in_use` are the processes that are not idle. Whoever looks holds the pool's lock."""

    def __init__(
        self,
        limits: Limits,
        idle: Idle[W],
        in_use: Callable[[], Iterable[W]],
        ending: Ending[W],
        free_memory: Callable[[], int],
    ):
        self._limits = limits
        self._idle = idle
        self._in_use = in_use
        self._ending = ending
        self._free_memory = free_memory
        self._won = 0  # bytes that the last one held which was ended for want of memory, until there is more again

    @property
    def memory_is_scarce(self) -> bool:
        """No spare process is to be started."""
        return bool(self._won)

    def look(self) -> bool:
        """Whether memory was scarce and no longer is."""
        self._end_large()
        return self._make_memory()

    def _end_large(self) -> None:
        for worker in self._idle.take_where(lambda worker: worker.resident > self._limits.process_bytes):
            self._ending.begin(worker)
        for worker in self._in_use():
            if worker.resident > 2 * self._limits.process_bytes:
                log.error("a claude process was killed: it held %d MB", worker.resident >> 20)
                worker.kill()

    def _make_memory(self) -> bool:
        """One a look: what it held is free only when it has ended. No spare one takes its place until there is more."""
        free = self._free_memory()
        enough_again = bool(self._won) and free >= self._limits.reserve_bytes + self._won
        if enough_again:
            self._won = 0
        if free < self._limits.reserve_bytes and not self._ending and (worker := self._take_one()):
            self._won = max(1, worker.resident)
            self._ending.begin(worker)
        return enough_again

    def _take_one(self) -> W | None:
        return self._idle.kept.take_longest() if self._idle.kept else self._idle.take_first_spare(self._idle.spares())

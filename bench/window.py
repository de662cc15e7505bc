"""CPU and memory of processes in the middle of their streams, when all of them flow."""

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from bench.client import Crowd
from bench.stage import cpu, resident


@dataclass(frozen=True)
class Sample:
    """`cpu` (seconds) and `resident` (bytes) by process."""

    at: float
    deltas: int
    cpu: dict[int, float]
    resident: dict[int, int]


@dataclass(frozen=True)
class Window:
    """From the moment at which every stream has a tenth of its deltas to that at which one has nine tenths."""

    began: Sample
    ended: Sample

    @property
    def deltas(self) -> int:
        return self.ended.deltas - self.began.deltas

    @property
    def rate(self) -> float:
        """Deltas a second."""
        return self.deltas / (self.ended.at - self.began.at)

    def cpu(self, pids: Iterable[int]) -> float:
        """Seconds a delta."""
        return sum(self.ended.cpu[pid] - self.began.cpu[pid] for pid in pids) / self.deltas


def watched(crowd: Crowd, pids: Collection[int], deltas: int) -> Window:
    """Runs the crowd to its end."""
    crowd.begin()
    began = _sample(crowd, pids, deltas // 10, min)
    ended = _sample(crowd, pids, deltas * 9 // 10, max)
    crowd.finish()
    return Window(began, ended)


def _sample(crowd: Crowd, pids: Iterable[int], deltas: int, of_streams: Callable[[Iterable[int]], int]) -> Sample:
    """Waits until that many deltas have come in every stream (min) or in one (max)."""
    while of_streams(reception.events for reception in crowd.receptions) < deltas:
        crowd.demand_more_than(deltas)
        time.sleep(0.005)
    received = sum(reception.events for reception in crowd.receptions)
    at = time.perf_counter()
    return Sample(at, received, {pid: cpu(pid) for pid in pids}, {pid: resident(pid) for pid in pids})

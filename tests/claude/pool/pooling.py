"""Workers that are none, and what their starter counts."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from app.claude.lending import Place
from app.claude.pool import Pool
from tests.support.processes import wait_until

SOON = 10.0
TICK = 0.05


class Worker:
    def __init__(self, model: str, started: "Starts") -> None:
        self.model = model
        self.usable = True
        self.terminated = False
        self.closed = threading.Event()
        self.closings = 0
        self._starts = started

        self.resident = 1
        self.wiped = 0
        self.fail_with: Exception | None = None

    def terminate(self) -> None:
        self.terminated = True

    def kill(self) -> None:
        self.terminated = True

    can_be_wiped = True

    def wipe(self) -> None:
        if self.fail_with:
            raise self.fail_with
        self.wiped += 1

    def close(self) -> None:
        self.closings += 1
        assert self._starts.may_end.wait(SOON)
        time.sleep(self._starts.ending_takes)
        self.usable = False
        self._starts.count(-1, self)
        self.closed.set()


class Starts:
    """Starts workers, or fails to, and keeps the count of those that are there at the same time."""

    def __init__(self) -> None:
        self.make: Callable[[str, Starts], Worker] = Worker
        self.workers: list[Worker] = []
        self.begun = 0
        self.most_at_once = 0
        self.most_beginning = 0
        self.fail_with: Exception | None = None
        self.ending_takes = 0.0
        self.starting_takes = 0.0
        self.may_start = threading.Event()
        self.may_start.set()
        self.may_end = threading.Event()
        self.may_end.set()
        self._there = self._beginning = 0
        self._gone: set[Worker] = set()
        self._lock = threading.Lock()

    def __call__(self, model: str) -> Worker:
        with self._lock:
            self.begun += 1
            self._there += 1
            self._beginning += 1
            self.most_at_once = max(self.most_at_once, self._there)
            self.most_beginning = max(self.most_beginning, self._beginning)
        assert self.may_start.wait(SOON)
        time.sleep(self.starting_takes)
        with self._lock:
            self._beginning -= 1
            if self.fail_with:
                self._there -= 1
                raise self.fail_with
            self.workers.append(self.make(model, self))
            return self.workers[-1]

    def count(self, change: int, worker: Worker) -> None:
        with self._lock:
            if worker not in self._gone:
                self._gone.add(worker)
                self._there += change


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def warm(pool: Pool[Worker]) -> int:
    return sum(pool.status()["warm"].values())


def served(pool: Pool[Worker], place: Place[Worker], gone: Callable[[], bool] = lambda: False) -> Worker | None:
    """The process that the place gets, or None when the client is gone before. A place that fails is left."""
    deadline = time.monotonic() + SOON
    try:
        while (worker := pool.wait(place, TICK)) is None and not gone():
            assert time.monotonic() < deadline, "no process"
    except BaseException:
        pool.leave(place)
        raise
    return worker


def lent(pool: Pool[Worker], model: str) -> Place[Worker]:
    """A place that has been served."""
    place = pool.queue(model)
    assert served(pool, place) is place.worker
    return place


def waiting_for(clients: ThreadPoolExecutor, pool: Pool[Worker], model: str) -> "Future[Worker | None]":
    """A client in its place in the queue, and waiting."""
    return clients.submit(served, pool, pool.queue(model))


def settled(pool: Pool[Worker]) -> dict[str, Any]:
    """Its status once nothing starts or ends any more."""
    wait_until(lambda: not pool.status()["starting"] and not pool.status()["ending"], SOON, "an end of starting")
    return pool.status()


def kept(pool: Pool[Worker], conversation: bytes, model: str = "sonnet") -> Worker:
    place = lent(pool, model)
    worker = place.worker
    pool.keep(place, conversation)
    pool.leave(place)
    assert worker
    return worker

"""Keeps `claude` processes started ahead of need, lends each to one conversation, and sees every one to its end.

One lock guards all that is decided here, and so it stands in one file.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Generic

from app.claude import memory
from app.claude.breaker import Breaker
from app.claude.demand import Demand, Refill
from app.claude.ending import Ending
from app.claude.idle import Idle
from app.claude.kept import Kept
from app.claude.lending import Limits, Place, Pooled, W, Waiting
from app.claude.watchdog import Watchdog
from app.errors import PosternError, QueueFull, QueueTimeout, Resting, ShuttingDown

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
# After a fault that nobody has thought of.
_PAUSE_SECONDS = 1.0


class Pool(Generic[W]):
    """Threads: every public method may be called from any; `start` is called by the starters only."""

    def __init__(
        self,
        start: Callable[[str], W],
        limits: Limits,
        *,
        breaker: Breaker | None = None,
        clock: Callable[[], float] = time.monotonic,
        free_memory: Callable[[], int] = memory.free,
        watch_seconds: float = 5.0,
    ):
        self._start = start
        self._limits = limits
        self._breaker = breaker or Breaker(clock=clock)
        self._clock = clock
        self._watch_seconds = watch_seconds
        self._changed = threading.Condition()
        self._demand = Demand(limits.warm, limits.warm_most)
        self._idle = Idle[W](Kept(limits.kept, limits.kept_seconds))
        self._refill = Refill()
        self._queue = Waiting[W]()
        self._starting: Counter[str] = Counter()
        self._lent: set[W] = set()
        self._wiping: set[W] = set()  # they count as starting
        self._ending = Ending[W](self._changed)
        self._watchdog = Watchdog(limits, self._idle, self._in_use, self._ending, free_memory)
        self._looked_at = float("-inf")
        self._started_once = False
        self._draining = False
        self._closed = False
        self._over = threading.Event()

    def open(self, models: Iterable[str]) -> None:
        """Begins to keep these models warm; returns at once."""
        self._demand.always(models, self._clock())
        for number in range(self._limits.starters):
            starter = (self._start_or_wait, f"pool-starter-{number}")
            wiper = (self._wipe_or_wait, f"pool-wiper-{number}")  # to wipe takes milliseconds: not behind a start
            for work, name in [starter] if self._limits.reuse == "never" else [starter, wiper]:
                threading.Thread(target=self._go_on, args=(work,), daemon=True, name=name).start()
        threading.Thread(target=self._watch, daemon=True, name="pool-watch").start()

    def queue(self, model: str) -> Place[W]:
        """Asks for a fresh process for one conversation. The place must be left by `leave` in the end.

        Raises QueueFull, ShuttingDown.
        """
        with self._changed:
            self._want(model)
            place = Place[W](model, self._clock() + self._limits.queue_seconds)
            place.worker = self._take_warm(model)
            if place.worker is None:
                self._line_up(place)
            return place

    def wait(self, place: Place[W], seconds: float) -> W | None:
        """The process, or None when there is none yet; waits `seconds` at the most.

        Raises QueueTimeout, Resting, ShuttingDown.
        """
        with self._changed:
            if place.worker is None:
                self._refuse_if_hopeless(place.deadline)
                self._changed.wait(seconds)
            return place.worker

    def keep(self, place: Place[W], conversation: bytes) -> None:
        """Gives the place up; its process stays with this conversation until `resume`, if it may and for as long."""
        with self._changed:
            worker = place.worker
            if worker is None or not worker.usable or self._closed or self._draining or not self._limits.kept:
                return
            place.worker = None
            self._lent.discard(worker)
            self._retire_all(self._idle.kept.put(conversation, worker, self._clock()))
            self._changed.notify_all()

    def resume(self, conversation: bytes) -> Place[W] | None:
        """A place with the process that holds this conversation, if there is one still."""
        with self._changed:
            worker = None if self._closed or self._draining else self._idle.kept.take(conversation, self._clock())
            if worker is None:
                return None
            if not self._is_usable(worker):
                return None
            place = Place[W]("", self._clock())
            place.worker = worker
            self._lent.add(worker)
            return place

    def leave(self, place: Place[W]) -> None:
        """Gives the place up, and the process back if there is one. Twice does no harm."""
        with self._changed:
            self._queue.remove(place)
            worker, place.worker = place.worker, None
        if worker is not None:
            self.take_back(worker)

    def take_back(self, worker: W) -> None:
        """Ends a process that was lent: it has held a conversation, and serves no other (threat 9). Does not wait."""
        with self._changed:
            self._lent.discard(worker)
            self._ending.begin(worker)

    def renew(self) -> None:
        """Ends every process that is not lent: what they were started with is out of date."""
        with self._changed:
            self._retire_all(self._idle.take_all())
            self._changed.notify_all()

    def drain(self) -> None:
        """Refuses new requests; those that run or wait go on."""
        with self._changed:
            self._draining = True

    @property
    def busy(self) -> bool:
        with self._changed:
            return bool(self._lent or self._queue)

    def close(self) -> None:
        """Refuses new requests and ends every process, lent ones included; returns when all are gone."""
        with self._changed:
            self._closed = True
            self._over.set()
            self._changed.notify_all()
            everyone = [*self._in_use(), *self._idle.take_all()]
        for worker in everyone:
            self.take_back(worker)
        with self._changed:
            self._changed.wait_for(lambda: not self._ending and not self._starting.total(), timeout=5)

    def status(self) -> dict[str, object]:
        with self._changed:
            return {
                "warm": self._idle.spares(),
                "starting": self._starting.total(),
                "busy": len(self._lent),
                "kept": len(self._idle.kept),
                "ending": len(self._ending),
                "waiting": len(self._queue),
                "resident": sum(worker.resident for worker in [*self._in_use(), *self._idle.workers()]),
                "most": self._limits.most,
            }

    def trouble(self) -> str | None:
        """Why no process can be had, if so."""
        with self._changed:
            if self._closed or self._draining:
                return "The gateway is shutting down."
            if self._breaker.failing:
                return f"The claude CLI does not start: {self._breaker.last_error}"
            if not self._started_once and self._demand.models() and self._limits.warm:
                return "The first claude process is starting."
            return None

    # Lending. The lock is held.

    def _take_warm(self, model: str) -> W | None:
        while worker := self._idle.take_spare(model):
            if self._is_usable(worker):
                self._lent.add(worker)
                self._refill.lent(model, self._clock())
                self._changed.notify_all()
                return worker
        return None

    def _is_usable(self, worker: W) -> bool:
        """Of one that was taken out: when it is not, or this cannot be told, it is ended."""
        usable = False
        try:
            usable = worker.usable
        finally:
            if not usable:
                self._ending.begin(worker)
        return usable

    def _line_up(self, place: Place[W]) -> None:
        if len(self._queue) >= self._limits.queue:
            raise QueueFull("Too many requests are waiting. Try again later.", retry_after=self._retry_after())
        self._queue.add(place)
        self._changed.notify_all()

    def _refuse_if_hopeless(self, deadline: float) -> None:
        if self._closed:
            raise ShuttingDown("The gateway is shutting down.", retry_after=5)
        if self._breaker.is_open:
            seconds = int(self._breaker.seconds_left) + 1
            detail = str(self._breaker.last_error)
            raise Resting("The claude CLI does not start at the moment.", retry_after=seconds, detail=detail)
        if self._clock() >= deadline:
            message = f"No claude process became free within {self._limits.queue_seconds:g} seconds."
            raise QueueTimeout(message, retry_after=self._retry_after())

    def _retry_after(self) -> int:
        return max(1, round(self._limits.queue_seconds / 2))

    def _want(self, model: str) -> None:
        if self._closed or self._draining:
            raise ShuttingDown("The gateway is shutting down.", retry_after=5)
        self._demand.ask(model, self._clock())

    # Starting.

    def _go_on(self, work: Callable[[], None]) -> None:
        while not self._closed:
            try:
                work()
            except Exception:  # without starters nobody would be served any more
                log.exception("the pool of claude processes made an error")
                self._over.wait(_PAUSE_SECONDS)

    def _start_or_wait(self) -> None:
        with self._changed:
            self._demand.forget(self._clock())
            self._drop_unusable()
            self._drop_surplus()
            model = self._next_to_start()
            if model is None:
                self._changed.wait(self._breaker.seconds_left or self._refill.next_in(self._clock()) or 5.0)
                return
            self._starting[model] += 1
        self._start_one(model)

    def _wipe_or_wait(self) -> None:
        with self._changed:
            used = self._next_to_reuse()
            if used is None:
                self._changed.wait(5.0)
                return
            self._wiping.add(used)
            self._starting[used.model] += 1
        self._wipe(used)

    def _start_one(self, model: str) -> None:
        try:
            started: W | Exception = self._start(model)
        except PosternError as error:
            log.error("claude did not start for %s: %s (%s)", model, error, error.detail)
            started = error
        except Exception as error:  # whatever it is, the starter must live on
            log.exception("claude did not start for %s", model)
            started = error
        with self._changed:
            self._starting[model] -= 1
            if isinstance(started, Exception):
                self._breaker.failed(started)
            else:
                self._breaker.succeeded()
                self._started_once = True
                self._place(started)
            self._changed.notify_all()

    def _wipe(self, worker: W) -> None:
        try:
            worker.wipe()
            clean = True
        except Exception as error:  # whatever it is, the starter must live on, and nobody gets this process
            log.warning("a claude process could not be wiped, and is ended: %s", error)
            clean = False
        with self._changed:
            self._starting[worker.model] -= 1
            self._wiping.discard(worker)
            if clean:
                self._place(worker, first=True)  # it is the warmer one
            else:
                self._ending.begin(worker)
            self._changed.notify_all()

    def _place(self, worker: W, *, first: bool = False) -> None:
        if self._closed:
            self._ending.begin(worker)
            return
        if self._queue.serve(worker):
            self._lent.add(worker)
        else:
            self._idle.put_spare(worker, first=first)

    def _next_to_reuse(self) -> W | None:
        """A kept process, for a request that waits; with `always` also in place of a spare one, while many are kept."""
        if self._closed:
            return None
        models = self._unserved()[:1]
        if self._spares_are_wiped and not self._draining and not self._watchdog.memory_is_scarce:
            models += self._short_of_spares()
        found = (self._idle.kept.take_where(_may_serve(model), 1) for model in models)
        return next(chain.from_iterable(found), None)

    @property
    def _spares_are_wiped(self) -> bool:
        return self._limits.reuse == "always" and len(self._idle.kept) > self._limits.kept // 2

    def _can_wipe_for(self, model: str) -> bool:
        return self._limits.reuse != "never" and any(map(_may_serve(model), self._idle.kept.workers()))

    def _next_to_start(self) -> str | None:
        """The model that most needs another process, if there is room for one. Makes room if it can."""
        if self._closed or self._breaker.is_open or (self._breaker.failing and self._starting.total()):
            return None
        unserved = self._unserved()
        first = next(iter(unserved), None)
        if first and self._can_wipe_for(first):
            return None  # which is the sooner done
        if not self._has_room():
            if first and len(self._ending) < len(unserved):
                self._make_room(first)
            return None
        if first or self._draining or self._watchdog.memory_is_scarce:
            return first
        short = self._short_of_spares()
        self._refill.only(short)
        if self._spares_are_wiped:
            short = [model for model in short if not self._can_wipe_for(model)]
        now = self._clock()
        return next((m for m in short if not self._spare(m) or not self._refill.due_in(m, now)), None)

    def _unserved(self) -> list[str]:
        """The models of the requests that wait and for which nothing starts yet."""
        return list(self._queue.unserved(self._starting))

    def _short_of_spares(self) -> list[str]:
        now = self._clock()
        return [m for m in reversed(self._demand.models()) if self._spare(m) < self._demand.spares(m, now)]

    def _spare(self, model: str) -> int:
        return self._idle.spare(model) + self._starting[model]

    def _has_room(self) -> bool:
        there = len(self._idle) + self._starting.total() + len(self._lent) + len(self._ending)
        return there < self._limits.most

    def _make_room(self, model: str) -> None:
        """Ends a spare process of another model, the longest unasked-for first, else the longest kept one.

        The room is there when it has ended. A conversation without its process goes on in another.
        """
        spare = self._idle.take_first_spare(other for other in self._demand.models() if other != model)
        if spare is not None:
            self._ending.begin(spare)
        elif self._idle.kept:
            self._ending.begin(self._idle.kept.take_longest())

    def _drop_unusable(self) -> None:
        """Whether one is usable takes a look at the login's files: not with every request."""
        now = self._clock()
        self._retire_all(self._idle.kept.take_expired(now))
        if now - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = now
            self._retire_all(self._idle.take_where(lambda worker: not worker.usable))

    def _drop_surplus(self) -> None:
        """Spare ones that were needed when more was asked for. One that nobody waited for any more is no burden."""
        for model in self._idle.spares():
            bearable = max(1, self._demand.spares(model, self._clock())) if model in self._demand.models() else 0
            while self._idle.spare(model) > bearable:
                self._retire_all(filter(None, [self._idle.take_spare(model)]))

    # Memory.

    def _watch(self) -> None:
        while not self._over.wait(self._watch_seconds):
            try:
                with self._changed:
                    if self._watchdog.look():
                        self._changed.notify_all()
            except Exception:  # such as no descriptor left to look with; the next look may succeed
                log.exception("the memory of the claude processes could not be looked at")

    def _in_use(self) -> list[W]:
        return [*self._lent, *self._wiping]

    # Ending.

    def _retire_all(self, workers: Iterable[W]) -> None:
        for worker in workers:
            self._ending.begin(worker)


def _may_serve(model: str) -> Callable[[Pooled], bool]:
    return lambda worker: worker.model == model and worker.can_be_wiped

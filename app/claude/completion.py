"""The answers to one prompt: each choice is a turn on a process of its own."""

import logging
import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from app.claude import continuity
from app.claude.asking import TICK_SECONDS
from app.claude.continuity import Keys
from app.claude.conversation import Prompt
from app.claude.events import StreamEvent
from app.claude.lending import Place
from app.claude.turn import Deltas, Patience, Turn
from app.claude.worker import Worker
from app.errors import CliError, CliTimeout, PosternError

log = logging.getLogger(__name__)

# (choice, event) pairs that came together
Batch: TypeAlias = list[tuple[int, StreamEvent]]

# Batches that may wait for a slow reader of several choices; then the CLIs are no longer read, and so wait themselves.
_HELD_BATCHES = 64


class Witness(Protocol):
    """Hears what became of real requests."""

    def answered(self) -> None: ...
    def failed(self, error: PosternError) -> None: ...


class Lender(Protocol):
    def queue(self, model: str) -> Place[Worker]: ...
    def wait(self, place: Place[Worker], seconds: float) -> Worker | None: ...
    def leave(self, place: Place[Worker]) -> None: ...
    def keep(self, place: Place[Worker], conversation: bytes) -> None: ...
    def resume(self, conversation: bytes) -> Place[Worker] | None: ...


@dataclass(frozen=True)
class Order:
    """What is wanted. `owner` is who asks: a conversation goes on in its process for the same one only."""

    model: str
    prompt: Prompt
    owner: str = ""


class Completion:
    """Whoever makes one must `cancel()` it in the end, whatever happened; twice does no harm."""

    def __init__(self, pool: Lender, order: Order, n: int, patience: Patience, witness: Witness | None = None):
        self._turns: list[Turn] = []
        keys = Keys(order.owner, order.model, order.prompt)
        self._alone = n == 1
        self._choices = [
            _Choice(pool, order, keys, patience, index, self._turns, ahead=not self._alone) for index in range(n)
        ]
        told = [_told(choice.batches(), witness) for choice in self._choices]
        self._batches = told[0] if self._alone else _merged(told)

    def batches(self) -> Iterator[Batch]:
        """An empty batch when a tick brought nothing. Ends when every choice has had its message_stop.

        Raises the PosternError of the first choice that failed.
        """
        return self._batches

    @property
    def queued(self) -> bool:
        """Whether a choice waits for a process: of it, nothing was asked upstream."""
        return any(choice.queued for choice in self._choices)

    def deltas(self) -> Deltas | None:
        """Of a single choice, between two batches: see Turn.deltas."""
        return self._turns[-1].deltas() if self._alone and self._turns else None

    def reader_is_slow(self) -> None:
        """Of a single choice: the CLI may get ahead, and is to send nothing more than this answer."""
        if self._turns:
            self._turns[-1].forbid_further_requests()

    def cancel(self) -> None:
        """Interrupts what still runs: its upstream connections close."""
        self._batches.close()


def _told(choice: Generator[Batch, None, None], witness: Witness | None) -> Generator[Batch, None, None]:
    """One that the client broke off tells nothing."""
    with closing(choice):
        try:
            yield from choice
        except PosternError as error:
            if witness:
                witness.failed(error)
            raise
        if witness:
            witness.answered()


class _Choice:
    """One answer, on the process that holds the conversation already, else on a fresh one."""

    def __init__(
        self,
        pool: Lender,
        order: Order,
        keys: Keys,
        patience: Patience,
        index: int,
        turns: list[Turn],
        *,
        ahead: bool,
    ):
        self._pool = pool
        self._order = order
        self._keys = keys
        self._patience = patience
        self._index = index
        self._turns = turns  # of all choices
        self._ahead = ahead  # of the reader, the CLI may be
        self._asked: Callable[[], bool] = lambda: False  # whether upstream has been, by this one
        self.queued = False

    def batches(self) -> Generator[Batch, None, None]:
        begun = False
        try:
            with closing(self._resumed()) as resumed:
                for batch in resumed:
                    begun = begun or bool(batch)
                    yield batch
        except CliError as error:
            # Upstream is not asked twice because it is slow.
            if begun or (isinstance(error, CliTimeout) and self._asked()):
                raise
            log.info("a conversation goes on in another process: %s (%s)", error, error.detail)
        if not begun:
            yield from self._fresh()

    def _resumed(self) -> Generator[Batch, None, None]:
        """Nothing at all when no process holds the conversation."""
        place = self._pool.resume(self._keys.before) if continuity.may_go_on(self._order.prompt) else None
        if not place or not place.worker:
            return
        try:
            yield from self._turn(place, place.worker, goes_on=True)
        finally:
            self._pool.leave(place)

    def _fresh(self) -> Generator[Batch, None, None]:
        place = self._pool.queue(self._order.model)
        try:
            self.queued = True
            while (worker := self._pool.wait(place, TICK_SECONDS)) is None:
                yield []
            self.queued = False
            yield []  # a client that left meanwhile is missed before anything is asked
            yield from self._turn(place, worker, goes_on=False)
        finally:
            self._pool.leave(place)

    def _turn(self, place: Place[Worker], worker: Worker, *, goes_on: bool) -> Generator[Batch, None, None]:
        turn = Turn(worker, self._order.prompt, self._patience, goes_on=goes_on, ahead=self._ahead)
        self._turns.append(turn)
        self._asked = lambda: turn.asked
        for events in turn.events():
            if events and events[-1]["type"] == "message_stop":
                # Before the end is told: the client may come back at once.
                self._keep(place, worker, turn)
            yield [(self._index, event) for event in events]

    def _keep(self, place: Place[Worker], worker: Worker, turn: Turn) -> None:
        worker.waits_for_results = turn.waits_for_results
        if turn.waits_for_question:
            worker.settle()
        if turn.waits_for_question or turn.waits_for_results:
            self._pool.keep(place, self._keys.after(turn.answer))


def _merged(choices: Sequence[Generator[Batch, None, None]]) -> Generator[Batch, None, None]:
    """Side by side, in threads of their own."""
    batches: queue.Queue[Batch | Exception | None] = queue.Queue(_HELD_BATCHES)
    stop = threading.Event()
    running = len(choices)
    try:
        for choice in choices:
            threading.Thread(target=_run, args=(choice, batches, stop), daemon=True, name="choice").start()
        while running:
            item = batches.get()
            if isinstance(item, Exception):
                raise item
            if item is None:
                running -= 1
            else:
                yield item
    finally:
        stop.set()


def _run(
    choice: Generator[Batch, None, None],
    batches: "queue.Queue[Batch | Exception | None]",
    stop: threading.Event,
) -> None:
    try:
        for batch in choice:
            if not _put(batches, batch, stop):
                break
        last: Exception | None = None
    except Exception as error:  # carried to the request that waits; it knows what to make of it
        last = error
    try:
        choice.close()
    finally:
        _put(batches, last, stop)


def _put(
    batches: "queue.Queue[Batch | Exception | None]", item: Batch | Exception | None, stop: threading.Event
) -> bool:
    while not stop.is_set():
        try:
            batches.put(item, timeout=TICK_SECONDS)
        except queue.Full:
            continue
        return True
    return False

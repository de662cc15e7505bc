"""The answers to one prompt: each choice is a turn on a process of its own."""

import queue
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Protocol, TypeAlias

from app.claude.conversation import Prompt
from app.claude.events import Events, StreamEvent
from app.claude.pool import Place
from app.claude.turn import TICK_SECONDS, Patience, Turn
from app.claude.worker import Worker
from app.errors import PosternError

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


class Completion:
    """Whoever makes one must `cancel()` it in the end, whatever happened; twice does no harm."""

    def __init__(
        self, pool: Lender, model: str, prompt: Prompt, n: int, patience: Patience, witness: Witness | None = None
    ):
        self._turns: list[Turn] = []
        choices = [_told(_choice(pool, model, prompt, patience, index, self._turns), witness) for index in range(n)]
        self._alone = n == 1
        self._batches = choices[0] if self._alone else _merged(choices)

    def batches(self) -> Iterator[Batch]:
        """An empty batch when a tick brought nothing. Ends when every choice has had its message_stop.

        Raises the PosternError of the first choice that failed.
        """
        return self._batches

    def deltas(self, seconds: float) -> Events | None:
        """Of a single choice, between two batches: see Turn.deltas."""
        return self._turns[0].deltas(seconds) if self._alone and self._turns else None

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


def _choice(
    pool: Lender, model: str, prompt: Prompt, patience: Patience, index: int, turns: list[Turn]
) -> Generator[Batch, None, None]:
    place = pool.queue(model)
    try:
        while (worker := pool.wait(place, TICK_SECONDS)) is None:
            yield []
        yield []  # a client that left meanwhile is missed before anything is asked
        turn = Turn(worker, prompt, patience)
        turns.append(turn)
        for events in turn.events():
            yield [(index, event) for event in events]
    finally:
        pool.leave(place)


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

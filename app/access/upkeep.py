"""What is gathered in memory, and written or forgotten once in a while."""

import logging
import threading
from collections.abc import Callable, Sequence

from app.errors import PosternError

log = logging.getLogger(__name__)

EVERY_SECONDS = 60.0


class Upkeep:
    """A thread that hands the tasks to `run`, which keeps them off the event loop; those that take no time it does."""

    def __init__(
        self,
        tasks: Sequence[Callable[[], None]],
        run: Callable[[Callable[[], None]], None],
        every: float = EVERY_SECONDS,
        quick: Sequence[Callable[[], None]] = (),
    ) -> None:
        self._tasks = tasks
        self._run = run
        self._every = every
        self._quick = quick
        self._stop = threading.Event()

    def open(self) -> None:
        threading.Thread(target=self._go_on, daemon=True, name="upkeep").start()

    def close(self) -> None:
        """What is there is written once more. Blocks."""
        self._stop.set()
        for task in self._tasks:
            _try(task, _directly)

    def _go_on(self) -> None:
        while not self._stop.wait(self._every):
            for task in self._tasks:
                _try(task, self._run)
            for task in self._quick:
                _try(task, _directly)


def _try(task: Callable[[], None], run: Callable[[Callable[[], None]], None]) -> None:
    try:
        run(task)
    except PosternError as error:
        log.warning("%s It is tried again. (%s)", error, error.detail)
    except Exception:
        log.exception("unexpected error in the upkeep")


def _directly(task: Callable[[], None]) -> None:
    task()

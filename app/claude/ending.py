"""Processes on their way out: each counts until nothing of it is left."""

import logging
import threading
from typing import Generic

from app.claude.lending import W

log = logging.getLogger(__name__)


class Ending(Generic[W]):
    """`changed` is the lock of whoever counts, and is told of each end."""

    def __init__(self, changed: threading.Condition):
        self._changed = changed
        self._workers: set[W] = set()

    def __len__(self) -> int:
        return len(self._workers)

    def begin(self, worker: W) -> None:
        """Does not wait."""
        with self._changed:
            self._workers.add(worker)
        try:
            worker.terminate()
        finally:
            threading.Thread(target=self._see_to_it, args=(worker,), daemon=True, name="pool-closer").start()

    def _see_to_it(self, worker: W) -> None:
        try:
            worker.close()
        except Exception:  # it may be a process that no signal reaches; the slot must come back
            log.exception("a claude process could not be closed")
        with self._changed:
            self._workers.discard(worker)
            self._changed.notify_all()

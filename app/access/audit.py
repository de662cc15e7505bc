"""What administrators did: a file of lines that are only added to, each with the hash of the one before (threat 61)."""

import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from app.access.audit_line import START, Entry, Link, from_line, link_of, to_line
from app.errors import AuditFailed, StoreFailed
from app.store.backwards import lines_backwards, unended
from app.store.database import Database

__all__ = ["Audit", "Entry", "Verification", "written_first"]

T = TypeVar("T")

LOCK_SECONDS = 5.0  # whoever holds the lock for longer is stuck, or no gateway
_LOOK_SECONDS = 0.02
_CHUNK = 65_536
_MENDED = {"actor": "gateway", "action": "mend the audit log", "target": "", "address": "", "outcome": "ok"}


@dataclass(frozen=True)
class Verification:
    count: int
    ok: bool
    broken_at: int | None
    reason: str


class Audit:
    """All of it blocks: off the event loop.

    The database knows the last line too, so that lines are missed that were cut off at the end.
    """

    def __init__(
        self,
        path: Path,
        database: Database,
        clock: Callable[[], float] = time.time,
        *,
        lock_seconds: float = LOCK_SECONDS,
    ) -> None:
        self._path = path
        self._database = database
        self._clock = clock
        self._lock_seconds = lock_seconds

    def record(
        self, actor: str, action: str, target: str = "", address: str = "", outcome: str = "ok", **facts: Any
    ) -> None:
        """It is on the disk afterwards. Raises AuditFailed: then nothing may be done that had to be recorded."""
        texts = {"actor": actor, "action": action, "target": target, "address": address, "outcome": outcome}
        try:
            with self._locked(fcntl.LOCK_EX) as file:
                if lost := _mend(file):
                    self._append(file, _MENDED, {"bytes_of_a_broken_line": lost})
                self._append(file, texts, facts)
        except (OSError, StoreFailed) as error:
            raise AuditFailed(
                "This was not done: it could not be written to the audit log. Look at the disk that data_dir is on.",
                detail=str(error),
            ) from error

    def entries(self, limit: int = 100, before: int | None = None) -> list[Entry]:
        """The latest first; those with a number below `before`."""
        with self._locked(fcntl.LOCK_SH) as file:
            found = (from_line(line) for line in lines_backwards(file))
            wanted = (entry for entry in found if entry and (before is None or entry.seq < before))
            return list(islice(wanted, limit))

    def verify(self) -> Verification:
        """Whether every line is as it was written and in its place, and the last one is there."""
        with self._locked(fcntl.LOCK_SH), self._path.open("rb") as lines:
            head = self._head()
            last, met = START, head == START
            for line in lines:
                if not line.endswith(b"\n"):
                    break  # of a crash; the next entry tells that it was there
                found = link_of(line)
                if found is None or (fault := _fault(*found, last)):
                    reason = fault if found else "It is not as it was written."
                    return Verification(last.seq, False, last.seq + 1, reason)
                last, _ = found
                met = met or last == head
        return _judged(last, head, met=met)

    def export(self) -> Iterator[bytes]:
        """The file as it is, in pieces."""
        with self._path.open("rb") as file:
            yield from iter(lambda: file.read(_CHUNK), b"")

    @contextmanager
    def _locked(self, kind: int) -> Iterator[int]:
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            self._lock(file, kind)
            yield file
        finally:
            os.close(file)

    def _lock(self, file: int, kind: int) -> None:
        """Raises TimeoutError. To wait for ever would use up the threads that all administrators share."""
        deadline = time.monotonic() + self._lock_seconds
        while True:
            try:
                return fcntl.flock(file, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise TimeoutError("another process holds its lock") from None
            signal.sigtimedwait((), _LOOK_SECONDS)  # sleeps in the system: time.sleep may be the event loop's

    def _append(self, file: int, texts: dict[str, str], facts: dict[str, Any]) -> None:
        """The line and then the head: killed between the two, the next one goes on from the line."""
        last = self._last(file)
        line, link = to_line(last, self._clock(), texts, facts)
        end = os.fstat(file).st_size
        try:
            _write(file, line)
            self._set_head(link)
        except BaseException:
            os.ftruncate(file, end)
            raise

    def _last(self, file: int) -> Link:
        """What the next line is chained to: the head, when the file does not fit it. So the gap stays to be seen."""
        head = self._head()
        found = link_of(next(lines_backwards(file), b""))
        if found is None or found[0] == head:
            return head
        last, prev = found
        if head != START and prev != head.hash:
            return head
        self._set_head(last)  # one that was killed did not come to it
        return last

    def _head(self) -> Link:
        rows = self._database.read("SELECT seq, hash FROM audit_head")
        return Link(*rows[0]) if rows else START

    def _set_head(self, link: Link) -> None:
        with self._database.write() as transaction:
            transaction.execute(
                "INSERT OR REPLACE INTO audit_head (only, seq, hash) VALUES (1, ?, ?)", (link.seq, link.hash)
            )


def written_first(record: Callable[..., None], do: Callable[[], T]) -> T:
    """`record` writes an entry with the outcome that it is given: `begun` before, `failed` after what fails.

    Raises AuditFailed before anything is done (threat 61). An act without a `failed` behind it was done, or it was cut
    off with the gateway.
    """
    record(outcome="begun")
    try:
        return do()
    except Exception:
        record(outcome="failed")
        raise


def _write(file: int, line: bytes) -> None:
    while line:
        line = line[os.write(file, line) :]
    os.fsync(file)


def _mend(file: int) -> int:
    """Ends a last line that a crash left without its end, or takes it away: how many bytes were lost."""
    rest = unended(file)
    if not rest:
        return 0
    if link_of(rest):
        _write(file, b"\n")
        return 0
    os.ftruncate(file, os.fstat(file).st_size - len(rest))
    return len(rest)


def _fault(link: Link, prev: str, last: Link) -> str:
    if link.seq != last.seq + 1:
        return "An entry was taken out, put in or moved."
    return "" if prev == last.hash else "The entry before it was changed."


def _judged(last: Link, head: Link, *, met: bool) -> Verification:
    """The lines are a chain; are they the one whose end the database knows?"""
    if last.seq < head.seq:
        return Verification(last.seq, False, last.seq + 1, "The entries from here to the end were cut off.")
    if not met:
        return Verification(last.seq, False, head.seq, "The log was written anew up to this entry.")
    if head != START and last.seq > head.seq + 1:
        return Verification(last.seq, False, head.seq + 1, "The entries from here on were put in.")
    return Verification(last.seq, True, None, "")

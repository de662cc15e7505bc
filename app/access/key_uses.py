"""Who used which key, and when: noted in memory with each request, written once in a while (threat 48)."""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

from app.access.plain import plain
from app.errors import StoreFailed
from app.store.database import Database

MOST_PENDING = 100_000  # the oldest are forgotten first
KEPT_PER_KEY = 100
LONGEST_AGENT = 200

_Noted: TypeAlias = tuple[str, str, str, float]  # key id, address, user agent, when

_UPSERT = """
INSERT INTO key_uses (key_id, address, user_agent, last_seen_at, count) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (key_id, address, user_agent) DO UPDATE SET
    last_seen_at = max(last_seen_at, excluded.last_seen_at), count = count + excluded.count
"""
_USED = "UPDATE keys SET last_used_at = max(coalesce(last_used_at, 0), ?) WHERE id = ?"
_FORGET = """
DELETE FROM key_uses WHERE key_id = ?1 AND rowid NOT IN
    (SELECT rowid FROM key_uses WHERE key_id = ?1 ORDER BY last_seen_at DESC LIMIT ?2)
"""
_USERS = "SELECT address, user_agent, last_seen_at, count FROM key_uses WHERE key_id = ? ORDER BY last_seen_at DESC"


@dataclass(frozen=True)
class Use:
    address: str
    user_agent: str
    last_seen_at: float
    count: int


class Uses:
    """Noted on the event loop and written off it: what passes between is a deque, whose single steps need no lock."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._noted: deque[_Noted] = deque(maxlen=MOST_PENDING)

    def note(self, key_id: str, address: str, user_agent: str) -> None:
        self._noted.append((key_id, address, user_agent[: LONGEST_AGENT + 1], self._clock()))

    def flush(self) -> None:
        """Blocks. Raises StoreFailed; what cannot be written is kept for the next time."""
        taken = self._take()
        try:
            if taken:
                self._write(_together(taken))
        except StoreFailed:
            self._noted.extendleft(reversed(taken[-(MOST_PENDING - len(self._noted)) :]))
            raise

    def of(self, key_id: str) -> list[Use]:
        """The latest first, as of the last flush."""
        return [Use(*row) for row in self._database.read(_USERS, (key_id,))]

    def _take(self) -> list[_Noted]:
        """Two may do this at once: each note is one's."""
        taken: list[_Noted] = []
        with suppress(IndexError):
            while len(taken) < MOST_PENDING:
                taken.append(self._noted.popleft())
        return taken

    def _write(self, uses: dict[str, dict[tuple[str, str], tuple[float, int]]]) -> None:
        with self._database.write() as transaction:
            known = {row["id"] for row in transaction.execute("SELECT id FROM keys")}
            for key_id in uses.keys() & known:
                rows = [(key_id, *who, *seen) for who, seen in uses[key_id].items()]
                transaction.executemany(_UPSERT, rows)
                transaction.execute(_USED, (max(row[3] for row in rows), key_id))
                transaction.execute(_FORGET, (key_id, KEPT_PER_KEY))


def _together(noted: list[_Noted]) -> dict[str, dict[tuple[str, str], tuple[float, int]]]:
    """By key, and then by who used it: when last, and how often."""
    found: dict[str, dict[tuple[str, str], tuple[float, int]]] = {}
    for key_id, address, agent, when in noted:
        users = found.setdefault(key_id, {})
        last, count = users.get((address, agent), (when, 0))
        users[address, agent] = (max(last, when), count + 1)
    return {
        key_id: {(plain(address), plain(agent, LONGEST_AGENT)): seen for (address, agent), seen in users.items()}
        for key_id, users in found.items()
    }

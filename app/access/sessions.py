"""Who is signed in: the browser holds a random token, the database its SHA-256 (threat 53)."""

import hashlib
import secrets
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from app.access.plain import plain
from app.errors import StoreFailed
from app.store.database import Database

_TOUCH_SECONDS = 60.0  # the time of the last request is noted no more often
_COLUMNS = "id, created_at, last_seen_at, expires_at, address, user_agent, confirmed_at"
_BY_TOKEN = f"SELECT {_COLUMNS} FROM sessions WHERE digest = ?"  # noqa: S608  # names of columns, all our own
_ALL = f"SELECT {_COLUMNS} FROM sessions ORDER BY last_seen_at DESC"  # noqa: S608  # names of columns, all our own


@dataclass(frozen=True)
class Session:
    id: str  # stands for the session in lists; the token is told to its browser only
    created_at: float
    last_seen_at: float
    expires_at: float
    address: str
    user_agent: str
    confirmed_at: float  # when the password was given last


class Sessions:
    """What writes blocks, and belongs off the event loop; `find` and `list` do not."""

    def __init__(
        self,
        database: Database,
        idle_seconds: float,
        absolute_seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.idle_seconds = idle_seconds
        self.absolute_seconds = absolute_seconds
        self._database = database
        self._clock = clock
        self._seen: dict[str, float] = {}  # not written yet

    def open(self, address: str, user_agent: str) -> str:
        """The token, for the browser's cookie. The password has just been given. Blocks."""
        token = secrets.token_urlsafe(32)
        now = self._clock()
        row = (_new_id(), _digest(token), now, now, now + self.absolute_seconds, now, plain(address), plain(user_agent))
        with self._database.write() as transaction:
            transaction.execute(
                "INSERT INTO sessions"
                " (id, digest, created_at, last_seen_at, expires_at, confirmed_at, address, user_agent)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
        return token

    def find(self, token: str) -> Session | None:
        """The session, if it has not ended; it has been seen now."""
        rows = self._database.read(_BY_TOKEN, (_digest(token),))
        session = self._living(rows[0]) if rows else None
        if session is None:
            return None
        now = self._clock()
        if now - session.last_seen_at >= _TOUCH_SECONDS:
            self._seen[session.id] = now
        return session

    def confirm(self, token: str) -> None:
        """The password has been given again. Blocks."""
        with self._database.write() as transaction:
            transaction.execute(
                "UPDATE sessions SET confirmed_at = ? WHERE digest = ?", (self._clock(), _digest(token))
            )

    def end(self, session_id: str) -> None:
        """Blocks. One that is not there has ended."""
        with self._database.write() as transaction:
            transaction.execute("DELETE FROM sessions WHERE id = ?", (session_id,))

    def end_all(self, except_id: str | None = None) -> None:
        """Blocks."""
        with self._database.write() as transaction:
            transaction.execute("DELETE FROM sessions WHERE id IS NOT ?", (except_id,))

    def list(self) -> list[Session]:
        """The one that was seen last comes first."""
        living = [session for row in self._database.read(_ALL) if (session := self._living(row))]
        return sorted(living, key=lambda session: -session.last_seen_at)

    def flush(self) -> None:
        """Writes what was seen, and forgets what has ended. Blocks. Raises StoreFailed; nothing is lost by it."""
        seen = {session_id: self._seen.pop(session_id) for session_id in tuple(self._seen)}
        now = self._clock()
        try:
            with self._database.write() as transaction:
                transaction.executemany(
                    "UPDATE sessions SET last_seen_at = max(last_seen_at, ?) WHERE id = ?",
                    [(when, session_id) for session_id, when in seen.items()],
                )
                transaction.execute(
                    "DELETE FROM sessions WHERE expires_at <= ? OR last_seen_at <= ?", (now, now - self.idle_seconds)
                )
        except StoreFailed:
            self._seen = seen | self._seen
            raise

    def _living(self, row: sqlite3.Row) -> Session | None:
        session = Session(*row)
        session = replace(session, last_seen_at=max(session.last_seen_at, self._seen.get(session.id, 0.0)))
        now = self._clock()
        ended = session.expires_at <= now or session.last_seen_at <= now - self.idle_seconds
        return None if ended else session


def _new_id() -> str:
    return secrets.token_hex(8)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()

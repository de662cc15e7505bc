"""The master key: where it comes from, and its rotation."""

import hmac
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.access import key_format, key_rows
from app.access.key_rows import Key
from app.access.strength import checked_master_key
from app.errors import Conflict, InvalidRequest, SettingsError
from app.store.database import Database
from app.store.files import write_atomically

log = logging.getLogger(__name__)

LONGEST_GRACE = 90 * 86_400.0
REPEATABLE_FOR = 600.0  # seconds after which an idempotency key tells its master key no more
SHORTEST_IDEMPOTENCY_KEY = 16
_LONGEST_IDEMPOTENCY_KEY = 100
_NAME = "master"


@dataclass(frozen=True)
class Rotation:
    key: str
    current: Key
    previous: Key | None  # as long as it is still valid


class MasterKeys:
    """At most two are live: the current one, and the one before it for its time of grace.

    What writes blocks, and belongs off the event loop. `secret` makes the keys of rotations that may be repeated.
    """

    def __init__(self, database: Database, secret: bytes, clock: Callable[[], float]) -> None:
        self._database = database
        self._secret = secret
        self._clock = clock
        self._key_file = database.path.with_name("master-key")

    def seed_master(self, configured: str, data_dir: Path) -> None:
        """At the first start only: the configured key, else the one in the file `master-key`, else a new one there.

        Blocks. Raises SettingsError for a weak one, also when it is not needed any more.
        """
        self._key_file = data_dir / "master-key"
        if configured:
            checked_master_key(configured, "GATEWAY_MASTER_KEY")
        try:
            with self._database.write() as transaction:
                if not key_rows.live_masters(transaction, self._clock()):
                    text = configured or self._kept_or_made()
                    key_rows.insert(transaction, text, key_rows.new(text, "master", _NAME, self._clock()))
            self._drop_old_file()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"The master key in {data_dir} can be neither read nor made: {error}") from error

    def is_current_master(self, text: str) -> bool:
        rows = self._database.read(key_rows.LIVE_MASTERS, (self._clock(),))
        return bool(rows) and hmac.compare_digest(rows[0]["digest"], key_format.digest(text))

    def masters(self) -> list[Key]:
        """The live ones, the current one first."""
        return [key_rows.from_row(row) for row in self._database.read(key_rows.LIVE_MASTERS, (self._clock(),))]

    def rotate(
        self, grace_seconds: float, *, idempotency_key: str | None = None, give_up_previous: bool = False
    ) -> Rotation:
        """A new master key; the one before it is valid for `grace_seconds` more, at 0 no longer. Blocks.

        Asked once more with the same idempotency key, within ten minutes, it tells the same key again. Raises Conflict
        while a previous one is still valid, unless that is given up.
        """
        if not 0 <= grace_seconds <= LONGEST_GRACE:
            raise InvalidRequest("The time of grace is at most 90 days.", param="grace_seconds")
        text = key_format.make("master") if idempotency_key is None else self._derived(idempotency_key)
        with self._database.write() as transaction:
            if key := key_rows.by_id(transaction, key_format.key_id(text)):
                rotation = self._again(transaction, text, key)
            else:
                rotation = self._rotate(transaction, text, grace_seconds, give_up_previous=give_up_previous)
        self._key_file.unlink(missing_ok=True)  # the key in it is no longer the current one
        return rotation

    def extend_previous(self, until: float) -> Key:
        """To any time that lies ahead. Blocks. Raises InvalidRequest, and Conflict when there is none."""
        if not 0 < until - self._clock() <= LONGEST_GRACE:
            raise InvalidRequest("The time must lie ahead, and within 90 days.", param="until")
        with self._database.write() as transaction:
            return key_rows.change(transaction, self._previous(transaction).id, {"expires_at": until})

    def revoke_previous(self) -> Key:
        """Blocks. Raises Conflict when there is none."""
        with self._database.write() as transaction:
            return key_rows.change(transaction, self._previous(transaction).id, {"revoked_at": self._clock()})

    def close_expired(self) -> None:
        """For good: a clock that goes back does not bring a previous master key back. Blocks."""
        with self._database.write() as transaction:
            transaction.execute(key_rows.CLOSE_LATE_MASTERS, (self._clock(),))

    def plain_master(self) -> str | None:
        """The key that was made at the first start, as long as its file is there."""
        try:
            return self._key_file.read_text("utf-8").strip()
        except OSError:
            return None

    def forget_plain(self) -> None:
        """It was shown and stored; only its hash stays here."""
        self._key_file.unlink(missing_ok=True)

    def _rotate(
        self, transaction: sqlite3.Connection, text: str, grace_seconds: float, *, give_up_previous: bool
    ) -> Rotation:
        now = self._clock()
        current, *previous = key_rows.live_masters(transaction, now)
        if previous and not give_up_previous:
            raise Conflict(
                "The master key before this one is still valid, and two at most are. Revoke it, or give it up."
            )
        for key in previous:
            key_rows.change(transaction, key.id, {"revoked_at": now})
        ends = {"expires_at": now + grace_seconds} if grace_seconds else {"revoked_at": now}
        retired = key_rows.change(transaction, current.id, ends)
        key = key_rows.new(text, "master", _NAME, now)
        key_rows.insert(transaction, text, key)
        return Rotation(text, key, retired if grace_seconds else None)

    def _again(self, transaction: sqlite3.Connection, text: str, key: Key) -> Rotation:
        """The answer to the first call was lost."""
        now = self._clock()
        current, *previous = key_rows.live_masters(transaction, now)
        if key.id != current.id or now - key.created_at > REPEATABLE_FOR:
            raise Conflict("This idempotency key was used for an earlier rotation. Take a new one.")
        return Rotation(text, current, previous[0] if previous else None)

    def _derived(self, idempotency_key: str) -> str:
        """So that nothing but a hash is kept, and the same key can yet be told again."""
        if not SHORTEST_IDEMPOTENCY_KEY <= len(idempotency_key) <= _LONGEST_IDEMPOTENCY_KEY:
            raise InvalidRequest(
                f"An idempotency key has {SHORTEST_IDEMPOTENCY_KEY} to {_LONGEST_IDEMPOTENCY_KEY} characters: "
                "a random UUID, for example.",
                param="idempotency_key",
            )
        named = b"master key of rotation " + idempotency_key.encode("utf-8", "surrogatepass")
        return key_format.make("master", hmac.digest(self._secret, named, "sha512"))

    def _previous(self, transaction: sqlite3.Connection) -> Key:
        _, *previous = key_rows.live_masters(transaction, self._clock())
        if not previous:
            raise Conflict("There is no previous master key that is still valid.")
        return previous[0]

    def _kept_or_made(self) -> str:
        if self._key_file.exists():
            return checked_master_key(self._key_file.read_text("utf-8").strip(), str(self._key_file))
        text = key_format.make("master")
        write_atomically(self._key_file, text.encode("ascii") + b"\n")
        log.warning("A master key was made. It is in the file %s", self._key_file)
        return text

    def _drop_old_file(self) -> None:
        """A rotation was killed before it could."""
        kept = self.plain_master()
        if kept is not None and not self.is_current_master(kept):
            self._key_file.unlink()

"""Who may use the API: the master key, and the keys of applications."""

import builtins
import hmac
import time
from collections.abc import Callable, Sequence
from typing import Any

from app.access import key_format, key_rows
from app.access.key_rows import Key
from app.access.key_uses import Use, Uses
from app.access.masters import MasterKeys, Rotation
from app.access.moments import LATEST
from app.errors import Conflict, InvalidRequest, Unauthorized, UnknownKey
from app.store.database import Database

__all__ = ["Key", "Keys", "Rotation", "Use"]

_LONGEST_NAME = 100
_MOST_MODELS = 100

_INCORRECT = "Incorrect API key provided: it is unknown, expired, disabled or revoked."
_MISTYPED = "Incorrect API key provided: it is mistyped or cut off."
_NOBODY = bytes(32)


class Keys(MasterKeys):
    """What reads takes microseconds and is never out of date; what writes blocks, and belongs off the event loop."""

    def __init__(self, database: Database, *, secret: bytes, clock: Callable[[], float] = time.time) -> None:
        super().__init__(database, secret, clock)
        self._uses = Uses(database, clock)

    def find(self, candidate: str) -> Key:
        """In constant time, and with one text for whatever is wrong. Raises Unauthorized."""
        try:
            key_id = key_format.key_id(candidate)
        except key_format.MistypedError:
            raise Unauthorized(_MISTYPED) from None
        row = next(iter(self._database.read("SELECT * FROM keys WHERE id = ?", (key_id,))), None)
        same = hmac.compare_digest(row["digest"] if row else _NOBODY, key_format.digest(candidate))
        key = key_rows.from_row(row) if row and same else None
        if key is None or key.state(self._clock()) != "live":
            raise Unauthorized(_INCORRECT)
        return key

    def still_live(self, key_id: str) -> bool:
        rows = self._database.read("SELECT * FROM keys WHERE id = ?", (key_id,))
        return bool(rows) and key_rows.from_row(rows[0]).state(self._clock()) == "live"

    def note_use(self, key_id: str, address: str, user_agent: str) -> None:
        """In memory only."""
        self._uses.note(key_id, address, user_agent)

    def flush_uses(self) -> None:
        """Blocks. Raises StoreFailed; nothing is lost by it."""
        self._uses.flush()

    def users(self, key_id: str) -> list[Use]:
        """The latest first, as of the last `flush_uses`."""
        return self._uses.of(key_id)

    # ---- of applications

    def create(
        self, name: str, *, models: Sequence[str] | None = None, expires_at: float | None = None
    ) -> tuple[str, Key]:
        """The key's text, which is told this once, and the key. Blocks. Raises InvalidRequest."""
        changes = self._checked({"name": name, "models": models, "expires_at": expires_at})
        text = key_format.make("application")
        key = key_rows.new(text, "application", name, self._clock())
        with self._database.write() as transaction:
            key_rows.insert(transaction, text, key)
            return text, key_rows.change(transaction, key.id, changes)

    def list(self, search: str = "") -> list[Key]:
        """The newest first; those whose name or id holds `search`, or the one whose text it is."""
        rows = self._database.read("SELECT * FROM keys WHERE kind = 'application' ORDER BY created_at DESC, id")
        return [key for key in map(key_rows.from_row, rows) if _matches(key, search.strip())]

    def get(self, key_id: str) -> Key:
        """Raises UnknownKey."""
        rows = self._database.read("SELECT * FROM keys WHERE id = ? AND kind = 'application'", (key_id,))
        if not rows:
            raise UnknownKey("There is no key with this id.")
        return key_rows.from_row(rows[0])

    def edit(self, key_id: str, **changes: Any) -> Key:
        """`name`, `models`, `expires_at`, `enabled`. Blocks. Raises UnknownKey, InvalidRequest, Conflict if revoked."""
        if self.get(key_id).revoked_at is not None:
            raise Conflict("A revoked key stays revoked. Make a new one.")
        with self._database.write() as transaction:
            return key_rows.change(transaction, key_id, self._checked(changes))

    def revoke(self, key_id: str) -> Key:
        """For good. Blocks. Raises UnknownKey."""
        key = self.get(key_id)
        if key.revoked_at is not None:
            return key
        with self._database.write() as transaction:
            return key_rows.change(transaction, key_id, {"revoked_at": self._clock()})

    def _checked(self, changes: dict[str, Any]) -> dict[str, object]:
        """As the database takes them. Raises InvalidRequest that names the member."""
        checks: dict[str, Callable[[Any], object]] = {
            "name": _name,
            "models": _models,
            "expires_at": self._expiry,
            "enabled": _flag,
        }
        for name in changes.keys() - checks.keys():
            raise InvalidRequest(f"A key has no {name[:50]!r} that could be changed.", param=name[:50])
        return {name: checks[name](value) for name, value in changes.items()}

    def _expiry(self, value: Any) -> float | None:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not self._clock() < value < LATEST:
            raise InvalidRequest(
                "The expiry is a time that lies ahead and before the year 9999, in Unix seconds.", param="expires_at"
            )
        return float(value)


def _name(value: Any) -> str:
    name = value.strip() if isinstance(value, str) else ""
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise InvalidRequest(f"A key has a name of 1 to {_LONGEST_NAME} printable characters.", param="name")
    return name


def _models(value: Any) -> str | None:
    if value is None:
        return None
    named = isinstance(value, builtins.list | tuple) and all(isinstance(name, str) and name for name in value)
    if not named or not 0 < len(value) <= _MOST_MODELS or any(len(name) > _LONGEST_NAME for name in value):
        raise InvalidRequest("The models are a list of names, or none at all for every model.", param="models")
    return key_rows.to_models(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidRequest("A key is enabled or not: true or false.", param="enabled")
    return value


def _matches(key: Key, search: str) -> bool:
    if key_format.kind_of(search):
        return key.id in search
    return search.casefold() in key.name.casefold() or search in key.id

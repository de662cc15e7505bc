"""Keys as the database holds them: never the key, only its SHA-256."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from app.access import key_format

Kind: TypeAlias = Literal["master", "application"]
State: TypeAlias = Literal["live", "expired", "disabled", "revoked"]

# The current one first.
LIVE_MASTERS = (
    "SELECT * FROM keys WHERE kind = 'master' AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)"
    " ORDER BY expires_at IS NULL DESC"
)
CLOSE_LATE_MASTERS = (
    "UPDATE keys SET revoked_at = expires_at WHERE kind = 'master' AND revoked_at IS NULL AND expires_at <= ?"
)


@dataclass(frozen=True)
class Key:
    id: str
    kind: Kind
    name: str
    created_at: float
    expires_at: float | None
    models: tuple[str, ...] | None  # None: every model
    enabled: bool
    revoked_at: float | None
    last_used_at: float | None

    def state(self, now: float) -> State:
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= now:
            return "expired"
        return "live" if self.enabled else "disabled"


def from_row(row: sqlite3.Row) -> Key:
    return Key(
        row["id"],
        row["kind"],
        row["name"],
        row["created_at"],
        row["expires_at"],
        None if row["models"] is None else tuple(json.loads(row["models"])),
        bool(row["enabled"]),
        row["revoked_at"],
        row["last_used_at"],
    )


def to_models(models: Iterable[str] | None) -> str | None:
    return None if models is None else json.dumps(list(models))


def insert(transaction: sqlite3.Connection, text: str, key: Key) -> None:
    transaction.execute(
        "INSERT INTO keys (id, kind, name, digest, created_at, expires_at, models) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (key.id, key.kind, key.name, key_format.digest(text), key.created_at, key.expires_at, to_models(key.models)),
    )


def new(text: str, kind: Kind, name: str, now: float) -> Key:
    return Key(key_format.key_id(text), kind, name, now, None, None, True, None, None)


_CHANGE = {
    column: f"UPDATE keys SET {column} = ? WHERE id = ?"  # noqa: S608  # nobody's text
    for column in ("name", "models", "expires_at", "enabled", "revoked_at")
}


def change(transaction: sqlite3.Connection, key_id: str, values: Mapping[str, object]) -> Key:
    for column, value in values.items():
        transaction.execute(_CHANGE[column], (value, key_id))
    return from_row(transaction.execute("SELECT * FROM keys WHERE id = ?", (key_id,)).fetchone())


def live_masters(transaction: sqlite3.Connection, now: float) -> list[Key]:
    return [from_row(row) for row in transaction.execute(LIVE_MASTERS, (now,))]


def by_id(transaction: sqlite3.Connection, key_id: str) -> Key | None:
    row = transaction.execute("SELECT * FROM keys WHERE id = ?", (key_id,)).fetchone()
    return row and from_row(row)

"""The gateway's own state: one SQLite file, shared by the gateway and the operator's shell."""

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

from app.errors import SettingsError, StoreFailed

Parameters: TypeAlias = Sequence[Any]

_WRITER_WAITS = 10.0  # seconds, for the other process's transaction
_READER_WAITS = 1.0  # a reader waits for nobody, but for the recovery after a crash

# What leads from each version of the schema to the next one. What is released is never changed, only added to.
MIGRATIONS = (
    """
    CREATE TABLE keys (
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL CHECK (kind IN ('master', 'application')),
        name TEXT NOT NULL,
        digest BLOB NOT NULL,
        created_at REAL NOT NULL,
        expires_at REAL,
        models TEXT,
        enabled INTEGER NOT NULL DEFAULT 1,
        revoked_at REAL,
        last_used_at REAL
    ) STRICT;
    -- The current master key is the one that is to end by no time of its own: there is never a second one.
    CREATE UNIQUE INDEX current_master ON keys (kind)
        WHERE kind = 'master' AND expires_at IS NULL AND revoked_at IS NULL;
    CREATE TABLE key_uses (
        key_id TEXT NOT NULL REFERENCES keys (id),
        address TEXT NOT NULL,
        user_agent TEXT NOT NULL,
        last_seen_at REAL NOT NULL,
        count INTEGER NOT NULL,
        PRIMARY KEY (key_id, address, user_agent)
    ) STRICT;
    CREATE TABLE administrators (
        name TEXT PRIMARY KEY,
        password TEXT NOT NULL,
        changed_at REAL NOT NULL
    ) STRICT;
    CREATE TABLE sessions (
        id TEXT PRIMARY KEY,
        digest BLOB NOT NULL UNIQUE,
        created_at REAL NOT NULL,
        last_seen_at REAL NOT NULL,
        expires_at REAL NOT NULL,
        confirmed_at REAL NOT NULL,
        address TEXT NOT NULL,
        user_agent TEXT NOT NULL
    ) STRICT;
    -- The one-time link of the first run; once it is claimed, the browser that claimed it.
    CREATE TABLE set_up (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        link BLOB,
        link_expires_at REAL,
        browser BLOB,
        browser_expires_at REAL
    ) STRICT;
    CREATE TABLE set_up_steps (
        step TEXT PRIMARY KEY
    ) STRICT;
    CREATE TABLE audit_head (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        seq INTEGER NOT NULL,
        hash TEXT NOT NULL
    ) STRICT;
    """,
)


class Database:
    """Made anew or brought up to date, and then no connection is open: a process may fork before it reads.

    Raises SettingsError when the file cannot be used.
    """

    def __init__(self, path: Path, migrations: Sequence[str] = MIGRATIONS) -> None:
        self.path = path
        self._reader: sqlite3.Connection | None = None
        self._reads_in = 0
        try:
            _make_private(path)
            self._migrate(migrations)
        except (OSError, sqlite3.Error, StoreFailed) as error:
            raise SettingsError(f"data_dir: the database {path} cannot be used: {error}") from error

    def read(self, query: str, parameters: Parameters = ()) -> list[sqlite3.Row]:
        """Takes microseconds and waits for no writer: for the event loop. Raises StoreFailed.

        The connection that is kept belongs to the thread of the first read; elsewhere one is opened each time. (Under
        gevent `get_ident` tells greenlets apart, and only the native id threads.)
        """
        try:
            if self._reader is None:
                self._reader, self._reads_in = self._connect(_READER_WAITS), threading.get_native_id()
            if self._reads_in == threading.get_native_id():
                return self._reader.execute(query, parameters).fetchall()
            with closing(self._connect(_WRITER_WAITS)) as connection:
                return connection.execute(query, parameters).fetchall()
        except sqlite3.DatabaseError as error:  # busy, damaged, or not there
            raise StoreFailed("The gateway's database cannot be read.", detail=f"{self.path}: {error}") from error

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction. Blocks (fsync, another writer): off the event loop. Raises StoreFailed."""
        try:
            with closing(self._connect(_WRITER_WAITS)) as connection:  # which takes back what was not committed
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise StoreFailed(f"The gateway's database cannot be written ({error}).", detail=str(self.path)) from error

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _connect(self, waits: float) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=waits, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    def _migrate(self, migrations: Sequence[str]) -> None:
        with closing(self._connect(_WRITER_WAITS)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        with self.write() as transaction:
            (version,) = transaction.execute("PRAGMA user_version").fetchone()
            if version > len(migrations):
                raise SettingsError(
                    f"data_dir: the database {self.path} was written by a newer Postern (its schema is version "
                    f"{version}, this one knows {len(migrations)}). Run that one, or restore a backup."
                )
            for script in migrations[version:]:
                for statement in _statements(script):
                    transaction.execute(statement)
            transaction.execute(f"PRAGMA user_version = {len(migrations)}")


def _statements(script: str) -> Iterator[str]:
    """`executescript` would commit before it begins."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _make_private(path: Path) -> None:
    """SQLite gives its other files the mode of this one.

    An existing file is not opened: to close it would give up the locks that this process may hold on it.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    path.chmod(0o600)

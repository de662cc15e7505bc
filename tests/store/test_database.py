import multiprocessing
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import SettingsError, StoreFailed
from app.store.database import MIGRATIONS, Database
from tests.support.disk import full_disk

ONE = "CREATE TABLE things (name TEXT) STRICT;"
TWO = "ALTER TABLE things ADD COLUMN size INTEGER;\nUPDATE things SET size = 1;"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = Database(path, (ONE,))
    yield database
    database.close()


def names(database: Database) -> list[str]:
    return [row["name"] for row in database.read("SELECT name FROM things ORDER BY rowid")]


def put(database: Database, name: str) -> None:
    with database.write() as transaction:
        transaction.execute("INSERT INTO things (name) VALUES (?)", (name,))


def test_what_is_written_is_read_at_once_and_later(database: Database, path: Path):
    assert names(database) == []
    put(database, "a")
    assert names(database) == ["a"]
    again = Database(path, (ONE,))
    assert names(again) == ["a"]
    again.close()


def test_its_files_are_their_owners_alone(database: Database, path: Path):
    names(database)
    put(database, "a")
    files = list(path.parent.iterdir())
    assert {file.name for file in files} == {"state.sqlite", "state.sqlite-wal", "state.sqlite-shm"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_file_that_others_could_read_is_closed_to_them(path: Path):
    path.touch(0o644)
    Database(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_transaction_that_fails_leaves_nothing(database: Database):
    def fail() -> None:
        with database.write() as transaction:
            transaction.execute("INSERT INTO things VALUES ('a')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert names(database) == []
    put(database, "b")
    assert names(database) == ["b"]


def test_nothing_is_read_that_is_not_committed_and_a_reader_does_not_wait(database: Database):
    names(database)
    with database.write() as transaction:
        transaction.execute("INSERT INTO things VALUES ('a')")
        begun = time.monotonic()
        assert names(database) == []
        assert time.monotonic() - begun < 0.5
    assert names(database) == ["a"]


def test_other_threads_read_by_connections_of_their_own(database: Database):
    put(database, "a")
    assert names(database) == ["a"]
    found: list[list[str]] = []
    threads = [threading.Thread(target=lambda: found.append(names(database))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [["a"]] * 5


def add_many(path: Path, count: int) -> None:
    database = Database(path, (ONE,))
    for number in range(count):
        put(database, str(number))


def test_processes_write_side_by_side(path: Path, database: Database):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=add_many, args=(path, 25)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert len(names(database)) == 75


# threat 76
def test_an_older_schema_is_brought_up_to_date(path: Path):
    first = Database(path, (ONE,))
    put(first, "kept")
    first.close()
    second = Database(path, (ONE, TWO))
    assert [tuple(row) for row in second.read("SELECT name, size FROM things")] == [("kept", 1)]
    second.close()
    Database(path, (ONE, TWO)).close()


# threat 76
def test_a_newer_schema_is_refused_and_left_alone(path: Path):
    Database(path, (ONE, TWO)).close()
    before = path.read_bytes()
    with pytest.raises(
        SettingsError, match=r"written by a newer Postern \(its schema is version 2, this one knows 1\)"
    ):
        Database(path, (ONE,))
    assert path.read_bytes() == before


def test_a_migration_that_fails_leaves_the_schema_that_was(path: Path):
    Database(path, (ONE,)).close()
    with pytest.raises(SettingsError, match="cannot be used"):
        Database(path, (ONE, "CREATE TABLE more (x INTEGER);\nCREATE TABLE things (y TEXT);"))
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("things",)]
    connection.close()


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\0" + b"\xff" * 4096])
def test_what_is_no_database_stops_the_start_with_its_name(path: Path, content: bytes):
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"state\.sqlite cannot be used"):
        Database(path)
    assert path.read_bytes() == content


def test_a_folder_that_is_not_there_stops_the_start(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"none/state\.sqlite cannot be used"):
        Database(tmp_path / "none" / "state.sqlite")


def test_what_cannot_be_read_is_said_in_a_sentence(database: Database, path: Path):
    path.write_bytes(b"this is no database" * 1000)
    with pytest.raises(StoreFailed, match="The gateway's database cannot be read"):
        names(database)
    database.close()
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreFailed, match="The gateway's database cannot be read"):
        names(database)


# threat 74
def test_on_a_full_disk_it_is_read_and_a_write_fails_with_a_sentence(database: Database):
    put(database, "a")
    assert names(database) == ["a"]
    with full_disk():
        with pytest.raises(StoreFailed, match="The gateway's database cannot be written"):
            put(database, "b")
        assert names(database) == ["a"]
    put(database, "c")
    assert names(database) == ["a", "c"]


def test_the_schema_is_made_of_whole_statements():
    for script in MIGRATIONS:
        assert script.strip().endswith(";")


def test_what_is_on_the_disk_is_there_after_a_crash(path: Path):
    """synchronous = FULL and a write-ahead log: a committed transaction survives the machine."""
    database = Database(path)
    assert database.read("PRAGMA synchronous")[0][0] == 2
    assert database.read("PRAGMA journal_mode")[0][0] == "wal"
    database.close()

import fcntl
import json
import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from app.access.audit import Audit
from app.errors import AuditFailed
from app.store.database import Database
from tests.support.clock import Clock
from tests.support.disk import full_disk
from tests.support.tracing import run_killed_at


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def audit(path: Path, database: Database, clock: Clock) -> Audit:
    return Audit(path, database, clock)


def record(audit: Audit, count: int, first: int = 1) -> None:
    for number in range(first, first + count):
        audit.record("admin", "create a key", f"key {number}", "10.0.0.1", models="sonnet")


def sound(audit: Audit, count: int) -> bool:
    found = audit.verify()
    return (found.ok, found.count, found.broken_at) == (True, count, None)


def test_an_entry_tells_who_did_what_to_what_from_where(audit: Audit, clock: Clock, path: Path):
    audit.record("admin", "rotate", "k1", "10.0.0.1", grace_seconds=60.0, given_up=False, old=None, models=["a", "b"])
    audit.record("the shell", "reset the password", outcome="failed")
    second, first = audit.entries()
    assert (first.seq, first.actor, first.action, first.target, first.address) == (
        1,
        "admin",
        "rotate",
        "k1",
        "10.0.0.1",
    )
    assert (first.outcome, second.outcome) == ("ok", "failed")
    assert first.facts == {"grace_seconds": 60.0, "given_up": False, "old": None, "models": "a, b"}
    assert (first.time, first.at) == ("2027-01-15T08:00:00.000Z", clock.now)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sound(audit, 2)


def test_without_entries_it_is_sound(audit: Audit):
    assert audit.entries() == []
    assert sound(audit, 0)
    assert b"".join(audit.export()) == b""


def test_entries_come_in_pages_from_the_latest(audit: Audit):
    record(audit, 25)
    assert [entry.seq for entry in audit.entries(10)] == list(range(25, 15, -1))
    assert [entry.seq for entry in audit.entries(10, before=16)] == list(range(15, 5, -1))
    assert [entry.seq for entry in audit.entries(10, before=3)] == [2, 1]


def test_the_export_is_the_file(audit: Audit, path: Path):
    record(audit, 300)
    exported = b"".join(audit.export())
    assert exported == path.read_bytes()
    assert [json.loads(line)["seq"] for line in exported.splitlines()] == list(range(1, 301))


# threat 62
def test_no_text_of_others_makes_a_second_line_or_a_long_one(audit: Audit, path: Path):
    hostile = 'x\n{"seq": 9}\r\x1b[2J\u2028\u202e\ud800' + "y" * 1_000_000
    audit.record(hostile, hostile, hostile, hostile, hostile, **{"fact": hostile, "n" * 1000: float("nan")})
    (line,) = path.read_bytes().splitlines()
    assert len(line) < 5000
    (entry,) = audit.entries()
    assert entry.actor.startswith('x\\n{"seq": 9}\\r\\x1b[2J\\u2028\\u202e\\ud800yyy')
    assert {len(text) for text in (entry.actor, entry.target, entry.facts["fact"])} == {200}
    assert sound(audit, 1)


# ---- what verify finds (threat 61)


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


# threat 61
def test_each_byte_that_is_changed_is_found(audit: Audit, path: Path):
    record(audit, 3)
    whole = path.read_bytes()
    assert sound(audit, 3)
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1
        path.write_bytes(changed)
        found = audit.verify()
        assert not found.ok, place
        assert found.broken_at == whole[:place].count(b"\n") + 1
        assert found.reason
    path.write_bytes(whole)
    assert sound(audit, 3)


# threat 61
@pytest.mark.parametrize(
    ("change", "broken_at"),
    [
        (lambda lines: lines[1:], 1),
        (lambda lines: lines[:2] + lines[3:], 3),
        (lambda lines: lines[:4], 5),
        (lambda lines: [], 1),
        (lambda lines: [*lines[:2], lines[3], lines[2], lines[4]], 3),
        (lambda lines: [*lines[:2], lines[1], *lines[2:]], 3),
        (lambda lines: [*lines, lines[-1]], 6),
        (lambda lines: [*lines[:2], b"\n", *lines[2:]], 3),
        (lambda lines: [*lines[:2], b"{}\n", *lines[2:]], 3),
        (lambda lines: [*lines[:2], b'{"seq": ' + b"[" * 100_000 + b"\n", *lines[2:]], 3),
        (lambda lines: [*lines[:4], lines[4][:-1]], 5),
    ],
)
def test_what_is_taken_out_put_in_or_moved_is_found(audit: Audit, path: Path, change, broken_at: int):
    record(audit, 5)
    path.write_bytes(b"".join(change(lines_of(path))))
    found = audit.verify()
    assert (found.ok, found.broken_at) == (False, broken_at)
    assert found.reason


def forged(folder: Path, count: int, clock: Clock) -> bytes:
    """A chain of its own that is whole in itself."""
    folder.mkdir()
    database = Database(folder / "postern.sqlite")
    record(Audit(folder / "audit.jsonl", database, clock), count, first=100)
    database.close()
    return (folder / "audit.jsonl").read_bytes()


# threat 61
@pytest.mark.parametrize("count", [2, 3, 4, 9])
def test_a_log_that_was_written_anew_is_found(audit: Audit, path: Path, tmp_path: Path, clock: Clock, count: int):
    record(audit, 3)
    path.write_bytes(forged(tmp_path / "elsewhere", count, clock))
    assert not audit.verify().ok


# threat 61
def test_a_break_stays_to_be_seen(audit: Audit, path: Path):
    record(audit, 5)
    path.write_bytes(b"".join(lines_of(path)[:3]))
    record(audit, 5, first=6)
    found = audit.verify()
    assert (found.ok, found.broken_at, found.count) == (False, 4, 3)
    assert [entry.seq for entry in audit.entries()][:5] == [10, 9, 8, 7, 6]
    path.unlink()
    record(audit, 1)
    assert audit.verify().broken_at == 1


# ---- what may go wrong


def test_a_half_written_last_line_is_taken_away_and_told_of(audit: Audit, path: Path):
    record(audit, 3)
    with path.open("ab") as file:
        file.write(b'{"seq":4,"time":"20')
    assert sound(audit, 3)
    assert [entry.seq for entry in audit.entries()] == [3, 2, 1]
    record(audit, 1)
    assert sound(audit, 5)
    assert [entry.action for entry in audit.entries(2)] == ["create a key", "mend the audit log"]
    assert audit.entries(2)[1].facts == {"bytes_of_a_broken_line": 19}


# threat 61: an act that cannot be recorded is refused
@pytest.mark.parametrize("room", [0, 1, 100, 5000])
def test_on_a_full_disk_it_says_so_and_stays_sound(audit: Audit, path: Path, room: int):
    record(audit, 2)
    before = path.read_bytes()
    with full_disk(len(before) + room if room < 5000 else room), pytest.raises(AuditFailed, match="This was not done"):
        record(audit, 100)
    count = len(lines_of(path))
    assert path.read_bytes().startswith(before)
    assert sound(audit, count)
    record(audit, 2)
    assert sound(audit, count + 2)


def test_a_folder_that_is_gone_is_no_reason_to_go_on_without(database: Database, tmp_path: Path, clock: Clock):
    with pytest.raises(AuditFailed):
        record(Audit(tmp_path / "none" / "audit.jsonl", database, clock), 1)


def test_a_database_that_cannot_be_read_is_none_either(audit: Audit, database: Database):  # threat 61
    record(audit, 1)
    database.close()
    database.path.unlink()
    database.path.mkdir()
    with pytest.raises(AuditFailed):
        record(audit, 1)


def test_a_new_database_goes_on_from_the_file(audit: Audit, path: Path, tmp_path: Path, clock: Clock):
    record(audit, 3)
    database = Database(tmp_path / "new.sqlite")
    other = Audit(path, database, clock)
    assert sound(other, 3)
    record(other, 1)
    assert sound(other, 4)
    database.close()


# threats 61 and 73
@pytest.mark.timeout(300)
def test_kill_9_at_any_system_call_leaves_it_sound(tmp_path: Path, path: Path):
    def act(name: str) -> None:
        database = Database(tmp_path / "postern.sqlite")
        Audit(path, database).record("admin", name)

    act("begin")
    step = 0
    while run_killed_at(lambda step=step: act(f"step {step}"), step):
        database = Database(tmp_path / "postern.sqlite")
        audit = Audit(path, database)
        found = audit.verify()
        assert found.ok, (step, found)
        if step % 3 == 0:  # else several are killed in a row
            audit.record("admin", f"after {step}")
            assert audit.verify().ok
        database.close()
        step += 2
    assert step > 50


def add_many(folder: Path, count: int) -> None:
    record(Audit(folder / "audit.jsonl", Database(folder / "postern.sqlite")), count)


def test_gateway_and_shell_write_side_by_side(audit: Audit, tmp_path: Path):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=add_many, args=(tmp_path, 20)) for _ in range(3)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert audit.verify().ok
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert sound(audit, 60)


def test_a_lock_that_somebody_keeps_is_waited_for_and_then_refused(path: Path, database: Database):
    audit = Audit(path, database, lock_seconds=0.1)
    record(audit, 1)
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(AuditFailed) as refused:
            record(audit, 1, first=2)
        assert refused.value.detail == "another process holds its lock"
        with pytest.raises(TimeoutError):
            audit.entries()
        with pytest.raises(TimeoutError):
            audit.verify()
    record(audit, 1, first=2)
    assert sound(audit, 2)


def test_no_descriptor_is_left_open(audit: Audit):
    record(audit, 1)
    before = len(os.listdir("/proc/self/fd"))
    record(audit, 3)
    audit.verify()
    audit.entries()
    list(audit.export())
    assert len(os.listdir("/proc/self/fd")) <= before

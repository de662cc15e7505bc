import itertools
import multiprocessing
import os
import resource
import signal
import stat
import time
from collections.abc import Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from app.store.files import write_atomically

OLD, NEW = b"o" * 3000, b"n" * 500_000


def write_in_turn(path: Path, written: Connection) -> None:
    for content in itertools.cycle([NEW, OLD]):
        write_atomically(path, content)
        written.send_bytes(b".")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.json"


@pytest.fixture
def largest_file() -> Iterator[int]:
    """No file of this process may grow beyond it: as on a full disk, a write comes back short and the next fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield 100_000
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("data", [b"", b"\x00\xff\n", OLD, NEW], ids=len)
def test_what_was_written_is_read(data: bytes, path: Path):
    write_atomically(path, data)
    assert path.read_bytes() == data


def test_the_new_content_replaces_the_old_and_leaves_nothing_beside_it(path: Path):
    write_atomically(path, OLD)
    write_atomically(path, NEW)
    assert path.read_bytes() == NEW
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_the_mode_is_the_one_asked_for_whatever_the_umask_and_the_old_mode(umask: int, path: Path):
    path.touch(0o644)
    before = os.umask(umask)
    try:
        write_atomically(path, OLD)
        assert mode(path) == 0o600
        write_atomically(path, OLD, 0o640)
        assert mode(path) == 0o640
    finally:
        os.umask(before)


# threat 73
def test_a_reader_that_holds_the_old_file_goes_on_reading_it(path: Path):
    write_atomically(path, OLD)
    with path.open("rb") as reader:
        write_atomically(path, NEW)
        assert reader.read() == OLD


# threats 73, 74
def test_a_full_disk_leaves_the_old_content_and_no_litter(path: Path, largest_file: int):
    write_atomically(path, OLD)
    with pytest.raises(OSError, match="File too large"):
        write_atomically(path, b"n" * (largest_file + 1))
    assert path.read_bytes() == OLD
    assert os.listdir(path.parent) == [path.name]
    write_atomically(path, NEW[:largest_file])
    assert path.read_bytes() == NEW[:largest_file]


def test_a_folder_that_is_not_there_is_an_os_error(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "none" / "state.json", OLD)


def test_a_folder_in_the_place_of_the_file_stays(path: Path):
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        write_atomically(path, OLD)
    assert os.listdir(path.parent) == [path.name]


# threat 73
def test_a_kill_at_any_moment_leaves_the_old_content_or_the_new(path: Path):
    write_atomically(path, OLD)
    for attempt in range(20):
        seen, written = Pipe(duplex=False)
        writer = multiprocessing.get_context("fork").Process(target=write_in_turn, args=(path, written))
        writer.start()
        assert seen.poll(10)
        time.sleep(attempt * 0.00015)  # another place within a later write
        assert path.read_bytes() in (OLD, NEW)
        writer.kill()
        writer.join()
        assert writer.exitcode == -signal.SIGKILL
        assert path.read_bytes() in (OLD, NEW)
    assert mode(path) == 0o600
    write_atomically(path, OLD)
    assert path.read_bytes() == OLD

"""What the system tells of memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.claude import memory

SLACK = 200 << 20  # what others take or free between two looks


def test_what_a_process_holds_grows_with_what_it_takes():
    script = "input(); held = bytearray(100 << 20); print('taken', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        before = memory.resident(process.pid)
        process.stdin.write(b"\n")
        process.stdin.flush()
        process.stdout.readline()
        assert memory.resident(process.pid) - before > 50 << 20
        process.stdin.write(b"\n")
        process.stdin.close()
    assert memory.resident(process.pid) == 0


def test_of_the_system_some_is_left(tmp_path: Path):
    assert 0 < memory.free(tmp_path) < os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 <= memory.free() <= memory.free(tmp_path) + SLACK


@pytest.mark.parametrize(
    ("most", "used", "files", "left"),
    [
        (100 << 20, 40 << 20, 0, 60 << 20),
        (100 << 20, 99 << 20, 79 << 20, 80 << 20),  # full of files that were read once
        (100 << 20, 101 << 20, 0, 0),
        (1 << 60, 0, 0, None),
        ("max", 1 << 40, 0, None),
    ],
)
def test_a_containers_limit_counts_if_it_is_less(tmp_path: Path, most: object, used: int, files: int, left: int | None):
    (tmp_path / "memory.max").write_text(f"{most}\n")
    (tmp_path / "memory.current").write_text(f"{used}\n")
    (tmp_path / "memory.stat").write_text(f"anon 5\ninactive_file {files}\nactive_file 7\n")
    found = memory.free(tmp_path)
    assert found == left if left is not None else abs(found - memory.free(tmp_path / "none")) < SLACK

"""What the system tells of memory."""

import os
import subprocess
import sys

from app.claude import memory


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


def test_some_is_left():
    assert 0 < memory.free() < os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")

"""A look at /proc."""

import ctypes
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_libc = ctypes.CDLL(None)


def die_with_parent() -> None:
    _libc.prctl(1, signal.SIGKILL)


def children(pid: int) -> set[int]:
    found: set[int] = set()
    with suppress(OSError):  # the process has just ended
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            with suppress(OSError):  # the thread has
                found.update(map(int, task.read_text().split()))
    return found


def descendants(pid: int) -> set[int]:
    direct = children(pid)
    return direct.union(*(descendants(child) for child in direct))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def threads_of(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))


def cpu_seconds(pid: int) -> float:
    """User and system time that the process itself has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_until(true: Callable[[], object], seconds: float, what: str) -> float:
    """Seconds that it took. Fails with `what` when it did not come true."""
    begun = time.monotonic()
    while not true():
        if time.monotonic() - begun > seconds:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)
    return time.monotonic() - begun

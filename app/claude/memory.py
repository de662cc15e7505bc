"""What processes hold in memory, and what the system has left. Linux: proc(5)."""

import os
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident(pid: int) -> int:
    """Bytes, the pages that it shares with others included; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as source:
            return int(source.read().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def free() -> int:
    """Bytes: what the system can give, or what is left of the container's limit if that is less."""
    lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    group = Path("/sys/fs/cgroup")
    try:
        limit, used = ((group / name).read_text("ascii").strip() for name in ("memory.max", "memory.current"))
        return available if limit == "max" else max(0, min(available, int(limit) - int(used)))
    except (OSError, ValueError):  # no such group here
        return available

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


def free(group: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes: what the system can give, or what is left of the container's limit (cgroup v2) if that is less.

    Files that the kernel has read and would let go count as free, as they do in MemAvailable and for the kubelet.
    """
    lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    try:
        limit, used, stat = ((group / f"memory.{name}").read_text("ascii") for name in ("max", "current", "stat"))
        counts = dict(line.split() for line in stat.splitlines())
        left = int(limit) - int(used) + int(counts["inactive_file"])
    except (OSError, ValueError, KeyError):  # no such group here, or no limit ("max")
        return available
    return max(0, min(available, left))

"""Processes over the stub of the CLI, which misbehaves as it is told."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.claude.command import Installation
from app.claude.worker import Worker
from tests.support import stub_claude

GONE_SECONDS = 5


def installation(folder: Path, **behaviour: str | bool) -> Installation:
    binary = stub_claude.install(folder / "bin", **behaviour)
    places = [folder / name for name in ("config", "home", "empty", "tmp")]
    for place in places:
        place.mkdir()
    return Installation(binary, *places, passed={"ANTHROPIC_API_KEY": "sk-ant-x", "SECRET_KEY": "hunter2"})


@contextmanager
def worker(folder: Path, **behaviour: str | bool) -> Iterator[Worker]:
    started = Worker(installation(folder, **behaviour), (2, 1, 330), "sonnet")
    try:
        yield started
    finally:
        started.close()


def group(pid: int) -> set[int]:
    """The processes of a process group that still run."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, in_group = stat.read_text().rsplit(")", 1)[1].split()[:3]
            if in_group == str(pid) and state != "Z":
                found.add(int(stat.parent.name))
    return found

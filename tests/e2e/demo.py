"""The demo in a copy of the tree, as `make demo` runs it once everything is installed."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.cli import PLACES, claude_binary
from tests.support.gateway import free_port
from tests.support.processes import alive, descendants, wait_until
from tests.support.sandbox import ROOT

NEEDED = ("app", "config", "sandbox", "scripts", "wsgi.py")


@dataclass(frozen=True)
class Demo:
    folder: Path
    url: str
    log: Path

    @property
    def data(self) -> Path:
        return self.folder / "var/demo/data"


@contextmanager
def running_demo(folder: Path, version: str) -> Iterator[Demo]:
    copy(folder, version)
    demo = Demo(folder, f"http://127.0.0.1:{free_port()}", folder.parent / "demo.log")
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder.parent), "PORT": demo.url.rsplit(":", 1)[1]}
    with (
        demo.log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "scripts/demo.py"], cwd=folder, env=environment, stdout=output, stderr=output
        ) as process,
    ):
        try:
            wait_for_banner(process, demo.log, 60)
            yield demo
        finally:
            everyone = descendants(process.pid)
            process.send_signal(signal.SIGINT)
            process.wait(20)
            wait_until(lambda: not any(map(alive, everyone)), 5, "the demo left nothing behind")


def copy(folder: Path, version: str) -> None:
    """With this version of the CLI where the set-up would have put the pinned one."""
    folder.mkdir()
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / name)
    place = folder / PLACES["2.1.330"]
    place.parent.mkdir(parents=True)
    place.symlink_to(claude_binary(version))


def wait_for_banner(process: subprocess.Popen[bytes], log: Path, seconds: float) -> str:
    """The banner's own curl."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := re.search(r"^\s*(curl -N .*)$", log.read_text(), re.MULTILINE):
            return found[1]
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise AssertionError(f"no banner came:\n{log.read_text()}")

"""A module of this folder in a process of its own, which says on its first line where it is."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.sandbox import ROOT


@contextmanager
def running(module: str) -> Iterator[tuple[str, int]]:
    """Its first line and its pid."""
    with subprocess.Popen([sys.executable, "-m", module], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert line, f"{module} did not start (exit {process.wait(5)})"
            yield line, process.pid
        finally:
            process.terminate()
            process.wait(5)

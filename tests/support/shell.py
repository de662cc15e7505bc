"""The operator's shell as its own process: `python -m app.cli`."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pexpect

from tests.support.cli import PLACES
from tests.support.sandbox import ROOT

COMMAND = [sys.executable, "-m", "app.cli"]


@dataclass(frozen=True)
class Shell:
    environ: Mapping[str, str]

    def run(self, *arguments: str, status: int | None = 0, given: str = "") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*COMMAND, *arguments],
            cwd=ROOT,
            env=dict(self.environ),
            input=given,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert status in (None, done.returncode), f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def on_terminal(self, *arguments: str) -> pexpect.spawn:
        return pexpect.spawn(
            COMMAND[0],
            [*COMMAND[1:], *arguments],
            cwd=ROOT,
            env=dict(self.environ),
            dimensions=(50, 1000),
            encoding="utf-8",
            timeout=60,
            preexec_fn=_hear_signals,
        )


def shell_of(directory: Path, **environ: Any) -> Shell:
    """For the data of a gateway that runs, or would run, in this folder (tests.support.gateway)."""
    own = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "LANG": "C.UTF-8",
        "GATEWAY_DATA_DIR": str(directory / "data"),
        "GATEWAY_CLAUDE_BIN": str(ROOT / PLACES["2.1.330"]),
    }
    return Shell(own | environ)


def _hear_signals() -> None:
    """As a program on a terminal does. They are ignored, by heirs too, where the tests run in the background."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)

"""A wizard's engine over a CLI that shows and does what it is told."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from app.claude.command import Installation
from app.claude.login import Login, LoginStatus
from tests.support import stub_sign_in
from tests.support.processes import descendants
from tests.support.stub_sign_in import CODE

TOKEN, KEY = "sk-ant-oat01-" + "CANARY" * 8, "sk-ant-api03-" + "CANARY" * 8


class Wizard:
    """A Login, what it stands on, and what its test question does."""

    def __init__(self, folder: Path, *, passed: dict[str, str] | None = None, **options: object):
        self.bin = folder / "bin"
        places = [folder / name for name in ("config", "home", "empty", "tmp")]
        for place in places:
            place.mkdir()
        self.installation = Installation(self.bin / "claude", *places, passed=passed or {})
        self.asked = 0
        self.question: Callable[[], None] = lambda: None
        self.put_back = 0
        self._passed_by = 0.0
        self.login = Login(  # type: ignore[arg-type]  # the options are the test's
            self.installation, self._verify, clock=self._clock, put_back=self._count_put_back, **options
        )

    def _clock(self) -> float:
        return time.time() + self._passed_by

    def pass_by(self, seconds: float) -> None:
        self._passed_by += seconds

    def _verify(self) -> None:
        self.asked += 1
        self.question()

    def _count_put_back(self) -> None:
        self.put_back += 1

    def behave(self, **behaviour: str) -> None:
        stub_sign_in.install(self.bin, **behaviour)

    def until(self, *states: str, seconds: float = 15) -> LoginStatus:
        deadline = time.monotonic() + seconds
        status = self.login.status()
        while status.state not in states:
            assert time.monotonic() < deadline, f"still {status}"
            status = self.login.wait(status.version, 1)
        return status

    def open(self, method: str = "claudeai", holder: str = "anna", **options: object) -> LoginStatus:
        self.login.start(method, holder, **options)  # type: ignore[arg-type]  # as above
        return self.until("awaiting_code", "failed")

    def finish(self, text: str = CODE, holder: str = "anna") -> LoginStatus:
        self.login.submit(text, holder)
        return self.until("succeeded", "refused", "failed", "expired", "awaiting_code")


def helper_pid() -> int:
    found = [pid for pid in descendants(os.getpid()) if b"login_helper" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    (pid,) = found
    return pid

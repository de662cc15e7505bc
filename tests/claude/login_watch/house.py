"""A login's file, the copy and the notes of it, and the watch over them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.claude.command import Installation
from app.claude.login_watch import LoginWatch
from app.store.files import write_atomically
from tests.support.login_files import text, write_account, write_login

NOW = 1_800_000_000.0


@dataclass
class House:
    root: Path
    now: float = NOW

    @property
    def config(self) -> Path:
        return self.root / "claude"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def file(self) -> Path:
        return self.config / ".credentials.json"

    @property
    def copy(self) -> Path:
        return self.data / "login-copy" / "credentials.json"

    @property
    def notes(self) -> Path:
        return self.data / "login-state.json"

    def watch(self, passed: dict[str, str] | None = None, **options: Any) -> LoginWatch:
        installation = Installation(self.root, self.config, self.root, self.root, self.root, passed or {})
        options = {"write": write_atomically, "clock": lambda: self.now} | options
        return LoginWatch(installation, self.data, **options)

    def sign_in(self, **changes: Any) -> bytes:
        content = text(self.now, **changes)
        write_account(self.config)
        write_login(self.config, content)
        return content


def codes(watch: LoginWatch) -> list[str]:
    return [each.code for each in watch.account().problems]


def proved(house: House, **changes: Any) -> tuple[LoginWatch, bytes]:
    """A watch over a login that has answered, and of which a copy is kept."""
    content = house.sign_in(**changes)
    watch = house.watch()
    watch.look()
    watch.answered()
    watch.look()
    assert house.copy.read_bytes() == content
    return watch, content

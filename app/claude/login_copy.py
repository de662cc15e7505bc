"""The last good copy of the file with the login, in the gateway's own data: for when the file is damaged."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from app.claude.login_file import LoginFile, read_login
from app.errors import InvalidRequest

Write = Callable[[Path, bytes], None]


class LoginCopy:
    """`write` puts a file there whole or not at all, for its owner only. All but `exists` and `read` block (fsync)."""

    def __init__(self, original: Path, folder: Path, write: Write):
        self._original = original
        self._copy = folder / "credentials.json"
        self._write = write

    def exists(self) -> bool:
        return self._copy.exists()

    def read(self) -> LoginFile:
        return read_login(self._copy)

    def keep(self, content: bytes) -> None:
        self._copy.parent.mkdir(mode=0o700, exist_ok=True)
        _sweep(self._copy)
        self._write(self._copy, content)

    def restore(self) -> None:
        """Raises InvalidRequest, when there is nothing to restore, and OSError."""
        if read_login(self._original).state == "sound":
            raise InvalidRequest("The login is in good order: there is nothing to restore.")
        copy = self.read()
        if copy.state != "sound":
            raise InvalidRequest("There is no good copy of the login. Sign in again.")
        _sweep(self._original)
        self._write(self._original, copy.content)

    def forget(self) -> None:
        self._copy.unlink(missing_ok=True)
        _sweep(self._copy)
        _sweep(self._original)


def _sweep(file: Path) -> None:
    """Takes away what a write that was killed has left: it holds tokens."""
    with suppress(FileNotFoundError):
        for left_over in file.parent.glob(f".{file.name}.*"):
            left_over.unlink(missing_ok=True)

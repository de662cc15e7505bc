"""The administrator and the password."""

import time
import unicodedata
from collections.abc import Callable

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from app.access.strength import checked_password
from app.errors import InvalidRequest, SettingsError, SetUpDone
from app.store.database import Database

_NAME = "admin"


class Administrators:
    """There is one. What hashes takes 0.2 s of a processor: off the event loop."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._hasher = PasswordHasher()

    def exists(self) -> bool:
        return self._hash() is not None

    def check_password(self, password: str) -> None:
        """Raises InvalidRequest for one that is too easy to guess."""
        checked_password(password)

    def set_password(self, password: str, *, first: bool = False) -> None:
        """Blocks. Raises InvalidRequest; with `first`, SetUpDone when there is an administrator already."""
        hashed = self._hasher.hash(_same(checked_password(password)))
        with self._database.write() as transaction:
            if first and transaction.execute("SELECT 1 FROM administrators").fetchone():
                raise SetUpDone("The password has been set already. Sign in with it.")
            transaction.execute(
                "INSERT OR REPLACE INTO administrators (name, password, changed_at) VALUES (?, ?, ?)",
                (_NAME, hashed, self._clock()),
            )

    def verify(self, password: str) -> bool:
        """Blocks."""
        hashed = self._hash()
        if hashed is None:
            return False
        try:
            return self._hasher.verify(hashed, _same(password))
        except VerificationError:
            return False

    def seed(self, configured: str) -> None:
        """Only while there is none. Blocks. Raises SettingsError for a weak one, also when it is not needed."""
        try:
            if configured:
                checked_password(configured)
                if not self.exists():
                    self.set_password(configured)
        except InvalidRequest as error:
            raise SettingsError(f"GATEWAY_ADMIN_PASSWORD: {error}") from None

    def _hash(self) -> str | None:
        rows = self._database.read("SELECT password FROM administrators WHERE name = ?", (_NAME,))
        return rows[0]["password"] if rows else None


def _same(password: str) -> bytes:
    """Keyboards write one letter in several ways."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")

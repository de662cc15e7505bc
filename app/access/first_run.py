"""The first run: a one-time link in the log makes one browser the one that chooses the password (threat 51)."""

import hashlib
import secrets
import time
from collections.abc import Callable

from app.errors import SetUpDone, SetUpLinkRefused
from app.store.database import Database

STEPS = ("password", "connect", "key", "test", "done")
LINK_SECONDS = 1800.0
BROWSER_SECONDS = 3600.0

_NEW_LINK = """
INSERT INTO set_up (only, link, link_expires_at) VALUES (1, ?, ?)
ON CONFLICT (only) DO UPDATE SET link = excluded.link, link_expires_at = excluded.link_expires_at
"""
_OPEN = "SELECT 1 FROM set_up WHERE link = ? AND link_expires_at > ?"
_CLAIM = """
UPDATE set_up SET link = NULL, browser = ?, browser_expires_at = ? WHERE link = ? AND link_expires_at > ?
"""


class FirstRun:
    """It is over with the first administrator. Links and browsers' tokens are kept as hashes."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def token(self) -> str:
        """For a new link; the one before is void, a browser that has claimed one is not. Blocks. Raises SetUpDone."""
        self._demand_open()
        token = secrets.token_urlsafe(32)
        with self._database.write() as transaction:
            transaction.execute(_NEW_LINK, (_digest(token), self._clock() + LINK_SECONDS))
        return token

    def claim(self, token: str) -> str:
        """Uses the link up. The token for the cookie of the browser that came by it; another browser's is void. Blocks.

        Raises SetUpLinkRefused for a link that is used, old or wrong, SetUpDone when there is an administrator.
        """
        self._demand_open()
        browser = secrets.token_urlsafe(32)
        now = self._clock()
        with self._database.write() as transaction:
            claimed = transaction.execute(_CLAIM, (_digest(browser), now + BROWSER_SECONDS, _digest(token), now))
            if claimed.rowcount != 1:
                raise _link_refused()
        return browser

    def demand_link(self, token: str) -> None:
        """Does not use it up. Raises as `claim` does."""
        self._demand_open()
        if not self._database.read(_OPEN, (_digest(token), self._clock())):
            raise _link_refused()

    def claimed_by(self, browser: str) -> bool:
        """Whether this browser may choose the password."""
        claim = "SELECT 1 FROM set_up WHERE browser = ? AND browser_expires_at > ?"
        return not self._over() and bool(self._database.read(claim, (_digest(browser), self._clock())))

    def use(self, set_password: Callable[[], None]) -> None:
        """The password is chosen: no link and no browser stands for anything afterwards. Blocks."""
        set_password()
        with self._database.write() as transaction:
            transaction.execute("DELETE FROM set_up")

    def complete(self, step: str) -> None:
        """A step of the set-up is done, and is not asked for again. Blocks."""
        with self._database.write() as transaction:
            transaction.execute("INSERT OR IGNORE INTO set_up_steps (step) VALUES (?)", (step,))

    def completed(self) -> frozenset[str]:
        return frozenset(row["step"] for row in self._database.read("SELECT step FROM set_up_steps"))

    def _over(self) -> bool:
        return bool(self._database.read("SELECT 1 FROM administrators"))

    def _demand_open(self) -> None:
        if self._over():
            raise set_up_done()


def _link_refused() -> SetUpLinkRefused:
    return SetUpLinkRefused(
        "This link was used already, or is older than 30 minutes. Restart the gateway: it writes a new one to its log."
    )


def set_up_done() -> SetUpDone:
    return SetUpDone("This gateway is set up already. Sign in with the administrator's password.")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()

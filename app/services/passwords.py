"""The administrator's password, checked so that nobody else has to wait."""

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable

_AT_A_TIME = 2  # argon2 takes 64 MB and 0.2 s of a processor each time
_REMEMBERED = 300.0


class PasswordCheck:
    """On the event loop.

    What was right is remembered for some minutes, as an HMAC under a key of this process: a script sends the password
    with each call, and need not wait for it each time. `stored` is what it is checked against; when that changes,
    nothing is remembered any more.
    """

    def __init__(
        self,
        verify: Callable[[str], bool],
        stored: Callable[[], object],
        off_loop: Callable[[Callable[[str], bool], str], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._verify = verify
        self._stored = stored
        self._off_loop = off_loop
        self._clock = clock
        self._slots = threading.Semaphore(_AT_A_TIME)
        self._key = secrets.token_bytes(32)
        self._known = b""
        self._known_until = 0.0

    def __call__(self, password: str) -> bool:
        seal = self._seal(password)
        if self._is_known(seal):
            return True
        with self._slots:
            # Another call may have found out meanwhile.
            right = self._is_known(seal) or self._off_loop(self._verify, password)
        if right:
            self._known, self._known_until = seal, self._clock() + _REMEMBERED
        return right

    def _is_known(self, seal: bytes) -> bool:
        return self._clock() < self._known_until and hmac.compare_digest(seal, self._known)

    def _seal(self, password: str) -> bytes:
        stored = hashlib.sha256(repr(self._stored()).encode()).digest()
        return hmac.digest(self._key, stored + password.encode("utf-8", "surrogatepass"), "sha256")

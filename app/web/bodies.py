"""The bodies of requests, waited for no longer than is sensible (threat 66)."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from io import RawIOBase
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import RequestTimeout
from werkzeug.wsgi import ClosingIterator

from app.pace import STEP_BYTES, give_way

if TYPE_CHECKING:
    from _typeshed.wsgi import InputStream, StartResponse, WSGIApplication, WSGIEnvironment

_PIECE = 1024 * 1024
_FORM_SECONDS = 5.0
_WRITTEN_AT_ONCE = 256 * 1024

Within = Callable[[float], AbstractContextManager[object]]


class TimedBodies:
    """WSGI middleware: a client that keeps back its body holds a connection, and needs no key for it. It gets 408.

    Each MiB may take so many seconds, a form a few. `within` ends what is done in it with TimeoutError.
    """

    def __init__(self, app: "WSGIApplication", seconds: float, within: Within) -> None:
        self._app = app
        self._seconds = seconds
        self._within = within

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        for_api = environ.get("PATH_INFO", "").startswith("/v1/")
        seconds = self._seconds if for_api else min(self._seconds, _FORM_SECONDS)
        environ["wsgi.input"] = _Body(environ["wsgi.input"], seconds, self._within)
        answer = self._app(environ, start_response)
        return ClosingIterator(_in_pieces(answer), getattr(answer, "close", None))


def _in_pieces(answer: Iterable[bytes]) -> Iterator[bytes]:
    """The server gives the client its time for each of them."""
    for item in answer:
        yield item[:_WRITTEN_AT_ONCE]
        for start in range(_WRITTEN_AT_ONCE, len(item), _WRITTEN_AT_ONCE):
            yield item[start : start + _WRITTEN_AT_ONCE]


class _Body(RawIOBase):
    def __init__(self, source: "InputStream", seconds: float, within: Within) -> None:
        self._source = source
        self._seconds = seconds
        self._within = within
        self._begun_at: float | None = None
        self._received = self._gave_way_at = 0
        self._held = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._held:
            self._held = memoryview(self._next())
        data, self._held = self._held[: len(buffer)], self._held[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)

    def _next(self) -> bytes:
        """As much as the server reads at once: asked for less, it would copy the rest each time."""
        if self._received - self._gave_way_at >= STEP_BYTES:
            # A client that sends faster than it is read keeps the reader busy. (A turn takes a millisecond.)
            self._gave_way_at = self._received
            give_way()
        try:
            with self._within(self._left()):
                data = self._source.read(_PIECE)
        except TimeoutError as error:
            raise RequestTimeout("The request's body did not come in time.") from error
        self._received += len(data)
        return data

    def _left(self) -> float:
        now = time.monotonic()
        if self._begun_at is None:
            self._begun_at = now
        return max(0.0, self._begun_at + self._seconds * (1 + self._received // _PIECE) - now)

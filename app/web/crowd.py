"""How many requests are answered at the same time. One more is refused at once, in the shape of its protocol."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask, request
from werkzeug.wsgi import ClosingIterator

from app.errors import Crowded

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_REFUSED = "postern.refused"
_RETRY_AFTER = 1


class Crowd:
    """WSGI middleware: from the end of a request's headers to the end of its answer it is one of `most`.

    Health is told to whoever asks: a gateway that is busy is not taken for one that is dead.
    """

    def __init__(self, app: "WSGIApplication", most: int) -> None:
        self._app = app
        self._most = most
        self._here = 0

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ.get("PATH_INFO", "").startswith("/health/"):
            return self._app(environ, start_response)
        if self._here >= self._most:
            environ[_REFUSED] = True
            return self._app(environ, start_response)
        self._here += 1
        try:
            return ClosingIterator(self._app(environ, start_response), self._leave)
        except BaseException:
            self._leave()
            raise

    def _leave(self) -> None:
        self._here -= 1


def register(app: Flask, most: int) -> None:
    app.wsgi_app = Crowd(app.wsgi_app, most)  # type: ignore[method-assign]  # as Flask documents it
    app.before_request(_refuse)


def _refuse() -> None:
    if _REFUSED in request.environ:
        raise Crowded("Too many requests at the same time. Try again in a moment.", retry_after=_RETRY_AFTER)

"""How many requests are answered at the same time. One more is refused at once, in the shape of its protocol."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Flask, request
from werkzeug.wsgi import ClosingIterator

from app.errors import Crowded

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_PLACE = "postern.place"
_RETRY_AFTER = 1


@dataclass
class _Room:
    most: int
    here: int = 0


class _Place:
    """Of one request."""

    def __init__(self, room: _Room) -> None:
        self._room = room
        self._taken = False

    def take(self) -> None:
        if self._room.here >= self._room.most:
            raise Crowded("Too many requests at the same time. Try again in a moment.", retry_after=_RETRY_AFTER)
        self._room.here += 1
        self._taken = True

    def leave(self) -> None:
        self._room.here -= self._taken
        self._taken = False


class Crowd:
    """WSGI middleware: a request that has taken its place leaves it at the end of its answer.

    The API has as many places as the pages have: whoever has no key takes none of an application's (threat 66).
    """

    def __init__(self, app: "WSGIApplication", most: int) -> None:
        self._app = app
        self._api, self._pages = _Room(most), _Room(most)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        for_api = environ.get("PATH_INFO", "").startswith("/v1/")
        place = environ[_PLACE] = _Place(self._api if for_api else self._pages)
        try:
            return ClosingIterator(self._app(environ, start_response), place.leave)
        except BaseException:
            place.leave()
            raise


def register(app: Flask, most: int) -> None:
    app.wsgi_app = Crowd(app.wsgi_app, most)  # type: ignore[method-assign]  # as Flask documents it
    app.before_request(_take_place_for_a_page)


def take_place() -> None:
    """Raises Crowded."""
    if place := request.environ.get(_PLACE):  # there is none where the application counts nobody
        place.take()


def _take_place_for_a_page() -> None:
    """Health is told to whoever asks: a gateway that is busy is not taken for one that is dead."""
    if not request.path.startswith(("/v1/", "/health/")):
        take_place()

"""The document of the API, and the page that shows it. Both tell what anybody can read in the source (threat 64)."""

from collections.abc import Iterator
from typing import Any

import msgspec
from flask import Blueprint, Response, current_app, request, stream_template
from markupsafe import escape

from app.ops import reading
from app.pace import give_way
from app.services import services
from app.web.openapi import document
from app.web.policy import Who, allow

blueprint = Blueprint("docs", __name__)

_EXTENSION = "postern_docs"
# The page is made once for each path prefix that a proxy tells; there is one, or there are few.
_MOST_PAGES = 8
# Where the page names the gateway. No name has it, so that what a request says of itself is put in at the end.
_HERE = "http://postern.invalid"


@blueprint.get("/openapi.json")
@allow(Who.ANYONE)
def openapi() -> Response:
    told = _document() | {"servers": [{"url": request.root_path or "/"}]}
    response = Response(msgspec.json.encode(told), content_type="application/json")
    response.headers["Cache-Control"] = "no-cache"
    response.add_etag()
    response.make_conditional(request)
    return response


@blueprint.get("/docs")
@allow(Who.ANYONE)
def page() -> str:
    return _page(request.root_path).replace(_HERE, escape(request.host_url.rstrip("/")))


def _kept() -> dict[str, Any]:
    kept: dict[str, Any] = current_app.extensions.setdefault(_EXTENSION, {})
    return kept


def _document() -> dict[str, Any]:
    kept = _kept()
    if "document" not in kept:
        app = current_app._get_current_object()  # type: ignore[attr-defined]  # the proxy has it, its type does not
        kept["document"] = services().off_loop(document, app)
    told: dict[str, Any] = kept["document"]
    return told


def _page(prefix: str) -> str:
    pages: dict[str, str] = _kept().setdefault("pages", {})
    if prefix not in pages:
        if len(pages) >= _MOST_PAGES:
            pages.clear()
        pages[prefix] = "".join(_pieces(prefix))
    return pages[prefix]


def _pieces(prefix: str) -> Iterator[str]:
    """Takes 0.2 s in all: others are served in between."""
    told = services().off_loop(reading.page, _document(), _HERE + prefix)
    for piece in stream_template("docs/page.html", prefix=prefix, **told):
        yield piece
        give_way()

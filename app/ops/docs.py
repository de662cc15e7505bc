"""The document of the API. It tells what anybody can read in the source (threat 64)."""

from typing import Any

import msgspec
from flask import Blueprint, Response, current_app, request

from app.web.openapi import document
from app.web.policy import Who, allow

blueprint = Blueprint("docs", __name__)

_EXTENSION = "postern_docs"


@blueprint.get("/openapi.json")
@allow(Who.ANYONE)
def openapi() -> Response:
    told = _document() | {"servers": [{"url": request.root_path or "/"}]}
    response = Response(msgspec.json.encode(told), content_type="application/json")
    response.headers["Cache-Control"] = "no-cache"
    response.add_etag()
    response.make_conditional(request)
    return response


def _kept() -> dict[str, Any]:
    kept: dict[str, Any] = current_app.extensions.setdefault(_EXTENSION, {})
    return kept


def _document() -> dict[str, Any]:
    kept = _kept()
    if "document" not in kept:
        kept["document"] = document(current_app)
    told: dict[str, Any] = kept["document"]
    return told

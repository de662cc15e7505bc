"""Who may call: `Authorization: Bearer KEY` or `x-api-key: KEY`; and which models."""

import time
from collections.abc import Callable

from flask import g, request

from app.access.keys import Key
from app.claude.models import Model
from app.errors import InvalidRequest, ModelNotAllowed, Unauthorized, UnknownModel
from app.services import services

_LOOK_SECONDS = 0.5
_HINT = "Send it as 'Authorization: Bearer sk-...' or as 'x-api-key: sk-...'."


def require_key() -> None:
    """Before every view of the API. Raises Unauthorized, InvalidRequest."""
    key = services().keys.find(_sent_key())
    services().keys.note_use(key.id, request.remote_addr or "", request.headers.get("User-Agent", ""))
    g.key = key


def demand_model(name: str) -> None:
    """Raises UnknownModel, ModelNotAllowed."""
    if not allows(services().catalogue.find(name)):
        raise ModelNotAllowed(f"This key may not use the model {name!r}.", param="model")


def allows(model: Model) -> bool:
    """Under whatever name: a key that may use `sonnet` may use its other names."""
    key: Key = g.key
    return key.models is None or model in _models(key.models)


def _models(names: tuple[str, ...]) -> list[Model]:
    found = []
    for name in names:
        try:
            found.append(services().catalogue.find(name))
        except UnknownModel:  # it was taken out of the catalogue
            continue
    return found


def until_revoked(gone: Callable[[], bool]) -> Callable[[], bool]:
    """`gone`, which besides raises Unauthorized once the key is no longer valid: what runs is cut off (threat 44)."""
    keys, key_id = services().keys, g.key.id
    looked_at = time.monotonic()

    def look() -> bool:
        nonlocal looked_at
        if time.monotonic() - looked_at >= _LOOK_SECONDS:
            looked_at = time.monotonic()
            if not keys.still_live(key_id):
                raise Unauthorized("The API key was revoked, or its time is up.")
        return gone()

    return look


def _sent_key() -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    plain = request.headers.get("x-api-key", "").strip()
    if bearer and plain and bearer != plain:
        raise InvalidRequest("Two different keys in one request: send one.", param="x-api-key", code="two_api_keys")
    if not bearer and not plain:
        raise Unauthorized(f"No API key provided. {_HINT}")
    return bearer or plain

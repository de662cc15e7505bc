"""From the body of a request to its answer: what every protocol's view has in common."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from flask import Response, g, request
from werkzeug.exceptions import HTTPException

from app.api import answer
from app.api.answer import Answer
from app.api.auth import demand_model, until_revoked
from app.errors import InvalidRequest
from app.pace import STEP_BYTES
from app.protocols.prompt import Prompt
from app.services import services

T = TypeVar("T")

_PIECE = 1024 * 1024


def body() -> bytes:
    if request.content_encoding not in (None, "", "identity"):
        said = "The body is compressed (Content-Encoding): send it as it is, without that header."
        raise InvalidRequest(said, code="invalid_body")
    try:
        pieces = list(iter(partial(request.stream.read, _PIECE), b""))
    except HTTPException:
        raise
    except Exception as error:  # the server's own, for a body that breaks off or whose chunks are malformed
        raise InvalidRequest("The body could not be read.", code="invalid_body", detail=str(error)) from error
    if len(pieces) < 2:
        return b"".join(pieces)
    return services().off_loop(b"".join, pieces)  # 30 MB take 40 ms, and Python lets others go on meanwhile


def understood(from_request: Callable[[bytes], T], data: bytes) -> T:
    """A large body is taken apart in a thread: others are served between any two steps of it.

    `from_request` takes no lock and knows nothing of the server. Raises what it does.
    """
    if len(data) < STEP_BYTES:
        return from_request(data)
    return services().off_loop(from_request, data)


def reply(model: str, prompt: Prompt, told: Answer, *, stream: bool, n: int = 1) -> Response:
    """Raises UnknownModel, ModelNotAllowed, and what the first event of a stream brings."""
    demand_model(model)
    gone = until_revoked(answer.client_gone())
    running = services()
    completion = running.complete(model, prompt, n, g.key.id)
    if not stream:
        return answer.whole(completion, told, gone)
    stream_settings = running.stream
    timing = answer.Timing(
        stream_settings.queue_hold, stream_settings.status_hold, stream_settings.keepalive, running.write_timeout
    )
    return answer.stream(completion, told, gone, timing, running.carry)

"""From the body of a request to its answer: what every protocol's view has in common."""

from collections.abc import Callable
from typing import TypeVar

from flask import Response, g, request
from werkzeug.exceptions import HTTPException

from app.api import answer
from app.api.answer import Answer
from app.api.auth import demand_model, until_revoked
from app.errors import InvalidRequest
from app.pace import STEP_BYTES, give_way
from app.protocols.prompt import Prompt
from app.services import services

T = TypeVar("T")


def body() -> bytes:
    try:
        return request.get_data(cache=False)
    except HTTPException:
        raise
    except Exception as error:  # the server's own, for a body that breaks off or whose chunks are malformed
        raise InvalidRequest("The body could not be read.", code="invalid_body", detail=str(error)) from error


def understood(from_request: Callable[[bytes], T], data: bytes) -> T:
    """A large body is taken apart in a thread: others are served between any two steps of it.

    `from_request` takes no lock and knows nothing of the server. Raises what it does.
    """
    if len(data) < STEP_BYTES:
        return from_request(data)
    give_way()  # to have put 30 MB together was a step as well
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

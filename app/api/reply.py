"""From the body of a request to its answer: what every protocol's view has in common."""

from flask import Response, g, request
from werkzeug.exceptions import HTTPException

from app.api import answer
from app.api.answer import Answer
from app.api.auth import demand_model, until_revoked
from app.errors import InvalidRequest
from app.protocols.prompt import Prompt
from app.services import services


def body() -> bytes:
    try:
        return request.get_data(cache=False)
    except HTTPException:
        raise
    except Exception as error:  # the server's own, for a body that breaks off or whose chunks are malformed
        raise InvalidRequest("The body could not be read.", code="invalid_body", detail=str(error)) from error


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

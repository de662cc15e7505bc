"""The routes under /v1."""

import time
import uuid

from flask import Blueprint, Response, g, jsonify, request
from werkzeug.exceptions import HTTPException

from app.api import answer
from app.api.auth import allows, demand_model, require_key, until_revoked
from app.errors import InvalidRequest
from app.protocols import openai_answer, openai_chat
from app.services import services
from app.web.policy import Who, allow

blueprint = Blueprint("api", __name__, url_prefix="/v1")
blueprint.before_request(require_key)


@blueprint.post("/chat/completions")
@allow(Who.KEY)
def chat_completions() -> Response:
    call = openai_chat.from_request(_body())
    demand_model(call.model)
    gone = until_revoked(answer.client_gone())
    completion = services().complete(call.model, call.prompt, call.n, g.key.id)
    chat = openai_answer.ChatAnswer(
        f"chatcmpl-{uuid.uuid4().hex}", int(time.time()), call.model, call.n, include_usage=call.include_usage
    )
    if not call.stream:
        return answer.whole(completion, chat, gone)
    running = services()
    timing = answer.Timing(running.stream.status_hold, running.stream.keepalive, running.write_timeout)
    return answer.stream(completion, chat, gone, timing, running.stream_threads)


def _body() -> bytes:
    try:
        return request.get_data(cache=False)
    except HTTPException:
        raise
    except Exception as error:  # the server's own, for a body that breaks off or whose chunks are malformed
        raise InvalidRequest("The body could not be read.", code="invalid_body", detail=str(error)) from error


@blueprint.get("/models")
@allow(Who.KEY)
def models() -> Response:
    known = ((name, model.owner, model.context_window) for name, model in services().catalogue if allows(model))
    return jsonify(openai_chat.model_page(known))


@blueprint.get("/models/<name>")
@allow(Who.KEY)
def one_model(name: str) -> Response:
    demand_model(name)
    model = services().catalogue.find(name)
    return jsonify(openai_chat.to_model(name, model.owner, model.context_window))

"""OpenAI's Responses API."""

import time
import uuid
from typing import Any

from flask import Response, g, jsonify, request

from app.api.blueprint import blueprint
from app.api.descriptions.responses import CREATE, DELETE, INPUT_ITEMS, SHOW
from app.api.reply import body, reply
from app.errors import InvalidRequest, UnknownResponse
from app.protocols.responses_answer import ResponsesAnswer
from app.protocols.responses_kept import to_deleted, to_kept, to_page
from app.protocols.responses_request import ResponsesCall, from_request
from app.services import services
from app.web.describe import describe
from app.web.policy import Who, allow


@blueprint.post("/responses")
@allow(Who.KEY)
@describe(CREATE)
def create_response() -> Response:
    owner = g.key.id
    call = from_request(body(), lambda name: services().responses.find(owner, name))
    return reply(call.model, call.prompt, _Answer(call, owner), stream=call.stream)


@blueprint.get("/responses/<name>")
@allow(Who.KEY)
@describe(SHOW)
def one_response(name: str) -> Response:
    if request.args.get("stream", "false") != "false":
        message = "A response that is kept is not streamed again: leave stream out."
        raise InvalidRequest(message, param="stream", code="unsupported_parameter")
    return jsonify(_kept(name)["response"])


@blueprint.get("/responses/<name>/input_items")
@allow(Who.KEY)
@describe(INPUT_ITEMS)
def input_items(name: str) -> Response:
    return jsonify(to_page(_kept(name)["input"], request.args))


@blueprint.delete("/responses/<name>")
@allow(Who.KEY)
@describe(DELETE)
def delete_response(name: str) -> Response:
    if not services().responses.forget(g.key.id, name):
        raise _unknown(name)
    return jsonify(to_deleted(name))


class _Answer(ResponsesAnswer):
    """Kept before its end is told: the client may go on from it at once."""

    def __init__(self, call: ResponsesCall, owner: str):
        super().__init__(
            uuid.uuid4().hex,
            time.time,
            call.model,
            call.names,
            call.echo,
            shows_thinking=call.shows_thinking,
            gives_thinking=call.gives_thinking,
        )
        self._call = call
        self._owner = owner
        self._store = services().responses

    def whole(self) -> dict[str, Any]:
        response = super().whole()
        if self._call.store:
            self._store.keep(self._owner, self.id, to_kept(self._call, response, self.blocks(), self.thoughts()))
        return response


def _kept(name: str) -> Any:
    found = services().responses.find(g.key.id, name)
    if found is None:
        raise _unknown(name)
    return found


def _unknown(name: str) -> UnknownResponse:
    return UnknownResponse(f"Response with id {name[:100]!r} not found. It is kept for an hour at most.")

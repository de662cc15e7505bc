"""OpenAI's Responses API."""

import time
import uuid
from functools import partial
from typing import Any

from flask import Response, g, jsonify, request

from app.api.answer import as_json
from app.api.blueprint import blueprint
from app.api.descriptions.responses import CREATE, DELETE, INPUT_ITEMS, SHOW
from app.api.reply import body, reply, understood
from app.errors import InvalidRequest, UnknownResponse
from app.pace import STEP_BYTES
from app.protocols.responses_answer import ResponsesAnswer
from app.protocols.responses_kept import to_deleted, to_kept, to_kept_json, to_page
from app.protocols.responses_request import ResponsesCall, from_request
from app.services import services
from app.web.describe import describe
from app.web.policy import Who, allow


@blueprint.post("/responses")
@allow(Who.KEY)
@describe(CREATE)
def create_response() -> Response:
    owner, data = g.key.id, body()
    large = len(data) >= STEP_BYTES
    responses = services().responses
    find = partial(responses.look if large else responses.find, owner)
    call = understood(partial(from_request, find=find), data)
    told = _Answer(call, owner, len(data))
    return reply(call.model, call.prompt, told, stream=call.stream)


@blueprint.get("/responses/<name>")
@allow(Who.KEY)
@describe(SHOW)
def one_response(name: str) -> Response:
    if request.args.get("stream", "false") != "false":
        message = "A response that is kept is not streamed again: leave stream out."
        raise InvalidRequest(message, param="stream", code="unsupported_parameter")
    return as_json(_kept(name)["response"])


@blueprint.get("/responses/<name>/input_items")
@allow(Who.KEY)
@describe(INPUT_ITEMS)
def input_items(name: str) -> Response:
    return as_json(to_page(_kept(name)["input"], request.args))


@blueprint.delete("/responses/<name>")
@allow(Who.KEY)
@describe(DELETE)
def delete_response(name: str) -> Response:
    if not services().responses.forget(g.key.id, name):
        raise _unknown(name)
    return jsonify(to_deleted(name))


class _Answer(ResponsesAnswer):
    """Kept before its end is told: the client may go on from it at once."""

    def __init__(self, call: ResponsesCall, owner: str, size: int):
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
        self._off_loop = services().off_loop if size >= STEP_BYTES else None
        # What is kept has all of the request in it.
        self._is_kept = call.store and self._store.may_hold(size)

    def whole(self) -> dict[str, Any]:
        response = super().whole()
        if self._is_kept:
            kept = self._call, response, self.blocks(), self.thoughts()
            value = self._off_loop(to_kept_json, *kept) if self._off_loop else to_kept(*kept)
            self._store.keep(self._owner, self.id, value)
        return response


def _kept(name: str) -> Any:
    found = services().responses.find(g.key.id, name)
    if found is None:
        raise _unknown(name)
    return found


def _unknown(name: str) -> UnknownResponse:
    return UnknownResponse(f"Response with id {name[:100]!r} not found. It is kept for an hour at most.")

"""Anthropic's routes."""

from flask import Response, jsonify

from app.api.answer import client_gone
from app.api.auth import demand_model, until_revoked
from app.api.blueprint import blueprint
from app.api.descriptions.messages import COUNT_TOKENS, MESSAGES
from app.api.errors import request_id
from app.api.reply import body, reply, understood
from app.protocols import anthropic
from app.protocols.anthropic_answer import AnthropicAnswer
from app.services import services
from app.web.describe import describe
from app.web.policy import Who, allow


@blueprint.post("/messages")
@allow(Who.KEY)
@describe(MESSAGES)
def messages() -> Response:
    call = understood(anthropic.from_request, body())
    return reply(call.model, call.prompt, AnthropicAnswer(call.names, request_id()), stream=call.stream)


@blueprint.post("/messages/count_tokens")
@allow(Who.KEY)
@describe(COUNT_TOKENS)
def count_tokens() -> Response:
    call = understood(anthropic.from_count_request, body())
    demand_model(call.model)
    return jsonify(input_tokens=services().count_tokens(call.model, call.prompt, until_revoked(client_gone())))

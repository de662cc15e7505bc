"""OpenAI's routes. Importing this registers those of the other protocols too."""

import time
import uuid

from flask import Response, jsonify

from app.api import messages, responses
from app.api.auth import allows, demand_model
from app.api.blueprint import blueprint
from app.api.descriptions.chat import CHAT, LEGACY
from app.api.descriptions.models import LIST_MODELS, ONE_MODEL
from app.api.reply import body, reply, understood
from app.protocols import openai_answer, openai_chat, openai_completions
from app.services import services
from app.web.describe import describe
from app.web.policy import Who, allow

__all__ = ["blueprint", "messages", "responses"]


@blueprint.post("/chat/completions")
@allow(Who.KEY)
@describe(CHAT)
def chat_completions() -> Response:
    call = understood(openai_chat.from_request, body())
    chat = openai_answer.ChatAnswer(
        f"chatcmpl-{uuid.uuid4().hex}",
        int(time.time()),
        call.model,
        call.n,
        include_usage=call.include_usage,
        tool_names=call.tool_names,
    )
    return reply(call.model, call.prompt, chat, stream=call.stream, n=call.n)


@blueprint.post("/completions")
@allow(Who.KEY)
@describe(LEGACY)
def completions() -> Response:
    call = understood(openai_completions.from_request, body())
    text = openai_completions.CompletionAnswer(
        f"cmpl-{uuid.uuid4().hex}", int(time.time()), call.model, call.n, include_usage=call.include_usage
    )
    return reply(call.model, call.prompt, text, stream=call.stream, n=call.n)


@blueprint.get("/models")
@allow(Who.KEY)
@describe(LIST_MODELS)
def models() -> Response:
    known = ((name, model.owner, model.context_window) for name, model in services().catalogue if allows(model))
    return jsonify(openai_chat.model_page(known))


@blueprint.get("/models/<name>")
@allow(Who.KEY)
@describe(ONE_MODEL)
def one_model(name: str) -> Response:
    demand_model(name)
    model = services().catalogue.find(name)
    return jsonify(openai_chat.to_model(name, model.owner, model.context_window))

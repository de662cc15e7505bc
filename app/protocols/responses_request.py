"""POST /v1/responses: the request to a Prompt. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from app.errors import InvalidRequest
from app.protocols import reasoning, structured
from app.protocols.decode import Unfolding, decode
from app.protocols.openai_models import JsonObjectFormat
from app.protocols.openai_parameters import (
    ONE_OBJECT,
    Harmless,
    metadata,
    randomness,
    refuse_unsupported,
    without_none,
)
from app.protocols.prompt import Prompt
from app.protocols.responses_conversation import to_messages, to_system
from app.protocols.responses_items import Item, read_input
from app.protocols.responses_models import JsonSchemaFormat, Reasoning, ResponsesRequest, StreamOptions
from app.protocols.responses_references import Find, with_referred
from app.protocols.responses_tools import Tool, names_in, read_tools, to_tools, under_upstreams_names
from app.protocols.tool_names import ToolNames

Json = dict[str, Any]

_decoder = msgspec.json.Decoder(ResponsesRequest)
_CLIENTS_NAMES = {"max_tokens": "max_output_tokens"}
_NOTHING: Mapping[str, Any] = {"system": [], "messages": [], "known": []}

HARMLESS: Harmless = {
    "access_programs": lambda value: False,
    "background": lambda value: value is False,
    "background_options": lambda value: False,
    "context_management": lambda value: value == [],
    "conversation": lambda value: False,
    "image": lambda value: False,
    "include": lambda value: "message.output_text.logprobs" not in value,
    "max_tool_calls": lambda value: False,
    "moderation": lambda value: False,
    "prompt": lambda value: False,
    "top_logprobs": lambda value: value == 0,
    "truncation": lambda value: value == "disabled",
}
_HARMLESS_REASONING: Harmless = {"context": lambda value: value == "auto", "mode": lambda value: value == "standard"}
_HARMLESS_STREAM_OPTIONS: Harmless = {"include_obfuscation": lambda value: value is False}


@dataclass(frozen=True)
class ResponsesCall:
    """A request, understood. `model` is the public name that was asked for.

    messages: the whole conversation, with the client's names of tools; `names` maps those. echo: what the response says
    of the request. shows_thinking: as a summary of the reasoning. gives_thinking: as the `encrypted_content` of it.
    """

    model: str
    prompt: Prompt
    stream: bool
    store: bool
    items: Sequence[Item]
    known: Collection[str]  # ids of items in the conversation before these, and of those that these refer to
    messages: Sequence[Json]
    system: Sequence[str]  # of the whole conversation, without this request's instructions
    names: ToolNames
    echo: Mapping[str, Any]
    shows_thinking: bool
    gives_thinking: bool


def from_request(body: bytes, find: Find = lambda name: None) -> ResponsesCall:
    """Raises InvalidRequest that names the field. `find` gives what is kept of an earlier response (to_kept)."""
    request = decode(body, _decoder)
    _refuse_unsupported(request)
    unfolding = Unfolding()
    items, tools = read_input(request.input), read_tools(request.tools, unfolding)
    before = _before(request.previous_response_id, find)
    known = set(before["known"])
    messages = to_messages(with_referred(items, known, find), before["messages"], unfolding)
    system = [*before["system"], *to_system(items)]
    names = names_in(tools, messages)
    told_format = _told_format(request, unfolding)
    return ResponsesCall(
        model=request.model,
        prompt=_prompt(request, tools, system, under_upstreams_names(messages, names), names, told_format),
        stream=bool(request.stream),
        store=request.store is not False,
        items=items,
        known=known,
        messages=messages,
        system=system,
        names=names,
        echo=_echo(request, tools, told_format),
        shows_thinking=_summary(request) is not None,
        gives_thinking="reasoning.encrypted_content" in (request.include or ()),
    )


def _refuse_unsupported(request: ResponsesRequest) -> None:
    refuse_unsupported(request, HARMLESS)
    refuse_unsupported(request.reasoning or Reasoning(), _HARMLESS_REASONING, "reasoning.")
    options = request.stream_options
    refuse_unsupported(options or StreamOptions(), _HARMLESS_STREAM_OPTIONS, "stream_options.")
    if options is not None and not request.stream:
        message = "stream_options goes with stream: true only."
        raise InvalidRequest(message, param="stream_options", code="invalid_value")


def _before(name: str | None, find: Find) -> Mapping[str, Any]:
    found = _NOTHING if name is None else find(name)
    if found is None:
        message = f"Previous response with id {(name or '')[:100]!r} not found. It is kept for an hour at most."
        raise InvalidRequest(message, param="previous_response_id", code="previous_response_not_found")
    return found


def _prompt(
    request: ResponsesRequest,
    tools: Sequence[Tool],
    system: Sequence[str],
    messages: Sequence[Json],
    names: ToolNames,
    told_format: Json,
) -> Prompt:
    offered, choice = to_tools(request, tools, messages, names)
    wanted = [ONE_OBJECT] if told_format["type"] == "json_object" else []
    texts = [text for text in (request.instructions or "", *system, *wanted) if text.strip()]
    return Prompt(texts, messages, _parameters(request, choice, _to_format(told_format)), offered)


def _parameters(request: ResponsesRequest, tool_choice: Json | None, answer_format: Json | None) -> Json:
    """The members of the upstream request's body."""
    thinking = _thinking(request)
    found = {
        "max_tokens": request.max_output_tokens,
        **randomness(request.temperature, request.top_p),
        "metadata": metadata(request.user or request.safety_identifier, request.metadata),
        "tool_choice": tool_choice,
        "thinking": thinking.get("thinking"),
        "output_config": reasoning.merge_output_config(thinking.get("output_config"), answer_format),
    }
    return reasoning.fitted(without_none(found), _CLIENTS_NAMES)


def _thinking(request: ResponsesRequest) -> Json:
    """Who asks to be shown the reasoning, and not how much, gets what Claude thinks fit."""
    effort, summary = (request.reasoning or Reasoning()).effort, _summary(request)
    found: Json = {} if effort is None else reasoning.from_effort(effort, "reasoning.effort")
    if summary is not None and effort != "none":
        found["thinking"] = {"type": "adaptive", "display": "summarized"}
    return found


def _summary(request: ResponsesRequest) -> str | None:
    asked = request.reasoning or Reasoning()
    return asked.summary or asked.generate_summary


def _told_format(request: ResponsesRequest, unfolding: Unfolding) -> Json:
    """The form of the answer, as the response repeats it."""
    match request.text and request.text.format:
        case JsonSchemaFormat() as wanted:
            schema = unfolding.value(wanted.schema, "text.format.schema")
            more = {"description": wanted.description, "strict": wanted.strict}
            return {"type": "json_schema", "name": wanted.name, "schema": schema, **without_none(more)}
        case JsonObjectFormat():
            return {"type": "json_object"}
    return {"type": "text"}


def _to_format(told_format: Mapping[str, Any]) -> Json | None:
    if told_format["type"] != "json_schema":
        return None
    found = structured.to_format(told_format["schema"], "text.format.schema")
    if told_format.get("description"):
        found["schema"].setdefault("description", told_format["description"])
    return {"format": found}


def _echo(request: ResponsesRequest, tools: Sequence[Tool], told_format: Json) -> Json:
    """OpenAI's responses repeat what was asked for, with its defaults."""
    return {
        "background": False,
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "max_tool_calls": None,
        "metadata": request.metadata or {},
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": request.previous_response_id,
        "prompt_cache_key": request.prompt_cache_key,
        "reasoning": {"effort": request.reasoning and request.reasoning.effort, "summary": _summary(request)},
        "safety_identifier": request.safety_identifier,
        "store": request.store is not False,
        "temperature": request.temperature,
        "text": {"format": told_format, "verbosity": (request.text and request.text.verbosity) or "medium"},
        "tool_choice": msgspec.to_builtins(request.tool_choice) if request.tool_choice else "auto",
        "tools": [tool.to_echo() for tool in tools],
        "top_logprobs": 0,
        "top_p": request.top_p,
        "truncation": "disabled",
        "user": request.user,
    }

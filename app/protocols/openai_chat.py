"""POST /v1/chat/completions: the request to a Prompt. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from app.errors import InvalidRequest
from app.protocols import reasoning, structured
from app.protocols.decode import Unfolding, decode
from app.protocols.openai_messages import to_conversation, to_system
from app.protocols.openai_models import (
    AdaptiveThinking,
    ChatRequest,
    EnabledThinking,
    JsonObjectFormat,
    JsonSchemaFormat,
    ResponseFormat,
)
from app.protocols.openai_parameters import (
    HARMLESS,
    ONE_OBJECT,
    Harmless,
    metadata,
    refuse_unsupported,
    sampling,
    wants_usage,
    without_none,
)
from app.protocols.openai_tools import all_names, to_tools
from app.protocols.prompt import Prompt
from app.protocols.tool_names import ToolNames

Json = dict[str, Any]

_decoder = msgspec.json.Decoder(ChatRequest)

_HARMLESS: Harmless = {
    **HARMLESS,
    "audio": lambda value: False,
    "function_call": lambda value: value in ("none", "auto"),
    "functions": lambda value: not value,
    "logprobs": lambda value: value is False,
    "modalities": lambda value: value == ["text"],
    "moderation": lambda value: False,
    "prediction": lambda value: False,
    "top_logprobs": lambda value: value == 0,
    "verbosity": lambda value: value == "medium",
    "web_search_options": lambda value: False,
}
_OTHER_TOOL = re.compile(r"(tools\[\d+\]|tool_choice)\.(type|custom)")


@dataclass(frozen=True)
class ChatCall:
    """A request, understood. `model` is the public name that was asked for."""

    model: str
    prompt: Prompt
    n: int
    stream: bool
    include_usage: bool
    tool_names: ToolNames = field(compare=False)


def from_request(body: bytes) -> ChatCall:
    """Raises InvalidRequest that names the field."""
    request = _decoded(body)
    refuse_unsupported(request, _HARMLESS)
    names = all_names(request)
    return ChatCall(
        model=request.model,
        prompt=_prompt(request, names),
        n=request.n or 1,
        stream=bool(request.stream),
        include_usage=wants_usage(request),
        tool_names=names,
    )


def _decoded(body: bytes) -> ChatRequest:
    try:
        return decode(body, _decoder)
    except InvalidRequest as error:
        if not _OTHER_TOOL.fullmatch(error.param or ""):
            raise
        message = f"{error.param}: only tools of the type 'function' are supported by this gateway."
        raise InvalidRequest(message, param=error.param, code="unsupported_parameter") from error


def _prompt(request: ChatRequest, names: ToolNames) -> Prompt:
    unfolding = Unfolding()
    system = to_system(request.messages)
    if isinstance(request.response_format, JsonObjectFormat):
        system.append(ONE_OBJECT)
    conversation = to_conversation(request.messages, names, unfolding)
    tools, tool_choice = to_tools(request, names, unfolding)
    answer_format = _format(request.response_format, unfolding)
    return Prompt(system, conversation, _parameters(request, conversation, tool_choice, answer_format), tools)


def _parameters(
    request: ChatRequest, conversation: Sequence[Json], tool_choice: Json | None, answer_format: Json | None
) -> Json:
    """The members of the upstream request's body."""
    asked = reasoning.from_effort(request.reasoning_effort) if request.reasoning_effort is not None else {}
    found = {
        "max_tokens": request.max_completion_tokens or request.max_tokens,
        **sampling(request),
        "top_k": request.top_k,
        "metadata": metadata(request.user or request.safety_identifier, request.metadata),
        "tool_choice": tool_choice,
        "thinking": _thinking(request, asked.get("thinking"), conversation),
        "output_config": reasoning.merge_output_config(asked.get("output_config"), answer_format),
    }
    limit = "max_completion_tokens" if request.max_completion_tokens else "max_tokens"
    return reasoning.fitted(without_none(found), {"max_tokens": limit})


def _thinking(request: ChatRequest, by_effort: Json | None, conversation: Sequence[Json]) -> Json | None:
    """LiteLLM's `thinking` says more than OpenAI's effort, and wins."""
    match request.thinking:
        case None:
            return by_effort
        case AdaptiveThinking():
            return {"type": "adaptive"}
        case EnabledThinking(budget_tokens=budget) if not _goes_on_without_thoughts(conversation):
            return {"type": "enabled", "budget_tokens": budget}
    return None


def _goes_on_without_thoughts(conversation: Sequence[Json]) -> bool:
    """Results of tools whose call came without its thinking: with a budget Anthropic refuses to think on from there.

    Clients that know only OpenAI's members lose the thinking; they get an answer without it rather than none.
    """
    if conversation[-1]["content"][0]["type"] != "tool_result":
        return False
    return conversation[-2]["content"][0]["type"] not in ("thinking", "redacted_thinking")


def _format(asked: ResponseFormat | None, unfolding: Unfolding) -> Json | None:
    if not isinstance(asked, JsonSchemaFormat):
        return None
    where = "response_format.json_schema.schema"
    found = structured.to_format(unfolding.value(asked.json_schema.schema, where), where)
    if asked.json_schema.description:
        found["schema"].setdefault("description", asked.json_schema.description)
    return {"format": found}


def model_page(names: Iterator[tuple[str, str, int]]) -> dict[str, Any]:
    return {"object": "list", "data": [to_model(*name) for name in names]}


def to_model(name: str, owner: str, context_window: int) -> dict[str, Any]:
    """`context_window` is not OpenAI's; clients that do not know it pass it by."""
    return {"id": name, "object": "model", "created": 0, "owned_by": owner, "context_window": context_window}

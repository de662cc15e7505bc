"""POST /v1/messages and /v1/messages/count_tokens: the request to a Prompt. Pure.

The neutral form is this protocol's own, so little is translated here; most is checking.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from app.errors import InvalidRequest
from app.protocols import structured
from app.protocols.anthropic_content import system_texts, to_turns
from app.protocols.anthropic_models import CountRequest, MessagesRequest
from app.protocols.anthropic_tools import check_calls, names_in, read_tools, to_tool, to_tool_choice
from app.protocols.decode import decode
from app.protocols.prompt import Prompt
from app.protocols.tool_names import ToolNames

_messages_decoder = msgspec.json.Decoder(MessagesRequest)
_count_decoder = msgspec.json.Decoder(CountRequest)
_LONGEST_HARMLESS = 200

# Field -> does the value ask for nothing that the CLI would have to carry?
_HARMLESS: dict[str, Callable[[Any], bool]] = {
    "container": lambda value: False,
    "context_management": lambda value: value in ({}, {"edits": []}),
    "diagnostics": lambda value: False,
    "inference_geo": lambda value: False,
    "mcp_servers": lambda value: value == [],
    "speed": lambda value: value == "standard",
}


@dataclass(frozen=True)
class MessagesCall:
    """A request, understood. `model` is the public name that was asked for; `names` are those of its tools."""

    model: str
    prompt: Prompt
    stream: bool
    names: ToolNames


def from_request(body: bytes) -> MessagesCall:
    """Raises InvalidRequest that names the field."""
    request = decode(body, _messages_decoder)
    return _call(request, _sampling(request), stream=bool(request.stream))


def from_count_request(body: bytes) -> MessagesCall:
    """Raises InvalidRequest that names the field."""
    return _call(decode(body, _count_decoder), {}, stream=False)


def _call(request: CountRequest, sampling: Mapping[str, Any], *, stream: bool) -> MessagesCall:
    _refuse_unsupported(request)
    tools = read_tools(request.tools)
    names = names_in(request, tools)
    messages = to_turns(request.messages, names)
    check_calls(messages)
    found = {
        **sampling,
        "tool_choice": to_tool_choice(request.tool_choice, tools, names),
        "thinking": msgspec.to_builtins(request.thinking),
        "output_config": _output_config(request),
    }
    parameters = {name: value for name, value in found.items() if value is not None}
    system = system_texts(request.system, request.messages)
    prompt = Prompt(system, messages, parameters, [to_tool(tool, names) for tool in tools])
    return MessagesCall(request.model, prompt, stream, names)


def _refuse_unsupported(request: CountRequest) -> None:
    for name, harmless in _HARMLESS.items():
        raw: msgspec.Raw | None = getattr(request, name)
        if raw is None:
            continue
        # No value that asks for nothing is long; a long one is refused as it is.
        value = msgspec.json.decode(raw) if len(raw) < _LONGEST_HARMLESS else raw
        if value is not None and not harmless(value):
            message = f"Unsupported parameter: {name!r} with this value is not supported by this gateway."
            raise InvalidRequest(message, param=name, code="unsupported_parameter")


def _sampling(request: MessagesRequest) -> dict[str, Any]:
    user = request.metadata and request.metadata.user_id
    return {
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_k": request.top_k,
        "stop_sequences": _stop_sequences(request.stop_sequences),
        "metadata": {"user_id": user} if user else None,
    }


def _stop_sequences(sequences: list[str] | None) -> list[str] | None:
    for index, sequence in enumerate(sequences or ()):
        if not sequence.strip():
            where = f"stop_sequences[{index}]"
            message = f"{where}: a stop sequence must have a character that is not white space."
            raise InvalidRequest(message, param=where, code="invalid_value")
    return sequences or None


def _output_config(request: CountRequest) -> dict[str, Any] | None:
    config = request.output_config
    inner, outer = config and config.format, request.output_format
    if inner and outer:
        message = "output_format is the earlier name of output_config.format: send one of them."
        raise InvalidRequest(message, param="output_format", code="invalid_value")
    found: dict[str, Any] = {"effort": config.effort} if config and config.effort else {}
    if inner:
        found["format"] = structured.to_format(inner.schema, "output_config.format.schema")
    elif outer:
        found["format"] = structured.to_format(outer.schema, "output_format.schema")
    return found or None

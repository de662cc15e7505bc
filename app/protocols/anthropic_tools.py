"""The tools of a request, and their calls in its history. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from app.errors import InvalidRequest
from app.protocols.anthropic_content import refusal
from app.protocols.anthropic_models import AssistantMessage, ChoiceTool, CountRequest, Tool, ToolChoice, ToolUsePart
from app.protocols.decode import decode, demand_shallow
from app.protocols.tool_names import ToolNames


class _Head(msgspec.Struct):
    type: str | None = None


_head = msgspec.json.Decoder(_Head)
_tool = msgspec.json.Decoder(Tool)

# Field of a tool -> does the value ask for nothing?
_HARMLESS: dict[str, Callable[[Any], bool]] = {
    "allowed_callers": lambda value: value == ["direct"],
    "defer_loading": lambda value: value is False,
    "input_examples": lambda value: not value,
}


def read_tools(raw: Iterable[bytes] | None) -> list[Tool]:
    """Raises InvalidRequest."""
    tools = [_read(bytes(one), f"tools[{index}]") for index, one in enumerate(raw or [])]
    seen: set[str] = set()
    for index, tool in enumerate(tools):
        if tool.name in seen:
            raise refusal(f"tools[{index}].name", f"two tools have the name {tool.name!r}")
        seen.add(tool.name)
    return tools


def _read(raw: bytes, where: str) -> Tool:
    kind = decode(raw, _head, where).type
    if kind not in (None, "custom"):
        said = f"{kind[:100]!r} is a tool of Anthropic's own; only client tools, with an input_schema, are supported"
        raise InvalidRequest(f"{where}.type: {said}.", param=f"{where}.type", code="unsupported_parameter")
    tool = decode(raw, _tool, where)
    if tool.input_schema.get("type") != "object":
        raise refusal(f"{where}.input_schema.type", "must be 'object'")
    demand_shallow(tool.input_schema, f"{where}.input_schema")
    _refuse_unsupported(tool, where)
    return tool


def _refuse_unsupported(tool: Tool, where: str) -> None:
    for name, harmless in _HARMLESS.items():
        value = getattr(tool, name)
        if value is not None and not harmless(value):
            message = f"Unsupported parameter: '{where}.{name}' with this value is not supported by this gateway."
            raise InvalidRequest(message, param=f"{where}.{name}", code="unsupported_parameter")


def names_in(request: CountRequest, tools: Sequence[Tool]) -> ToolNames:
    """Of the definitions and of the history, whose tools may no longer be defined."""
    messages = (message.content for message in request.messages if isinstance(message, AssistantMessage))
    parts = (part for content in messages if not isinstance(content, str) for part in content)
    called = (part.name for part in parts if isinstance(part, ToolUsePart))
    return ToolNames([*(tool.name for tool in tools), *called])


def to_tool(tool: Tool, names: ToolNames) -> dict[str, Any]:
    described = {} if tool.description is None else {"description": tool.description}
    strict = {"strict": True} if tool.strict else {}
    return {"name": names.to_upstream(tool.name), **described, "input_schema": tool.input_schema, **strict}


def to_tool_choice(choice: ToolChoice | None, tools: Sequence[Tool], names: ToolNames) -> dict[str, Any] | None:
    if choice is None:
        return None
    chosen: dict[str, Any] = msgspec.to_builtins(choice)
    if isinstance(choice, ChoiceTool):
        if choice.name not in {tool.name for tool in tools}:
            raise refusal("tool_choice.name", f"there is no tool {choice.name[:100]!r} in tools")
        chosen["name"] = names.to_upstream(choice.name)
    elif chosen["type"] == "any" and not tools:
        raise refusal("tool_choice", "to have a tool used, give tools")
    return chosen if tools else None  # upstream refuses a choice among none


def check_calls(turns: Sequence[Mapping[str, Any]]) -> None:
    """Raises InvalidRequest unless each call is answered in the next message, once, and each answer has its call."""
    calls: list[str] = []
    seen: set[str] = set()
    for turn in turns:
        if turn["role"] == "user":
            _check_results(turn["content"], calls)
        calls = [block["id"] for block in turn["content"] if block["type"] == "tool_use"]
        for call in calls:
            if call in seen:
                raise refusal("messages", f"the id of a tool_use must be its own, and {call[:100]!r} comes twice")
            seen.add(call)


def _check_results(blocks: Sequence[Mapping[str, Any]], calls: Sequence[str]) -> None:
    results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
    if any(block["type"] == "tool_result" for block in blocks[len(results) :]):
        raise refusal("messages", "in a user's message the tool_result blocks come before all others")
    called, answered = set(calls), set(results)
    if (orphan := next((one for one in results if one not in called), None)) is not None:
        raise refusal("messages", f"tool_result {orphan[:100]!r} has no tool_use in the message before it")
    if missing := next((one for one in calls if one not in answered), None):
        raise refusal("messages", f"tool_use {missing[:100]!r} has no tool_result in the message after it")
    if len(results) > len(answered):
        raise refusal("messages", "a tool_use has more than one tool_result")

"""OpenAI's tools, the choice among them, and calls of them, in Anthropic's words. Pure.

https://platform.openai.com/docs/guides/function-calling
"""

from collections.abc import Iterator, Sequence
from typing import Any

from app.errors import InvalidRequest
from app.protocols.decode import Unfolding
from app.protocols.openai_models import (
    AllowedToolsChoice,
    AssistantMessage,
    ChatRequest,
    FunctionChoice,
    FunctionTool,
    Message,
    ToolCall,
)
from app.protocols.structured import to_schema
from app.protocols.tool_names import ToolNames

Json = dict[str, Any]

_NO_PARAMETERS: Json = {"type": "object", "properties": {}}
_CHOICES = {"auto": "auto", "none": "none", "required": "any"}


def all_names(request: ChatRequest) -> ToolNames:
    """Of the tools that are offered, and of those that the history holds."""
    offered = [tool.function.name for tool in request.tools or ()]
    return ToolNames([*offered, *_called(request.messages)])


def to_tools(request: ChatRequest, names: ToolNames, unfolding: Unfolding) -> tuple[list[Json], Json | None]:
    """(tools, tool_choice)"""
    if not request.tools:
        _refuse_forced_choice(request)
        return _tools_of_the_past(request.messages, names)
    tools = {}
    for index, tool in enumerate(request.tools):
        where = f"tools[{index}].function"
        if tool.function.name in tools:
            raise _invalid(f"{where}.name: each tool must have a name of its own.", f"{where}.name")
        tools[tool.function.name] = _definition(tool, names, where, unfolding)
    return _chosen(request, tools)


def call_input(call: ToolCall, where: str, unfolding: Unfolding) -> Json:
    """The arguments of a call that the client sends back."""
    text = call.function.arguments
    return unfolding.object(text, f"{where}.function.arguments") if text.strip() else {}


def _called(messages: Sequence[Message]) -> Iterator[str]:
    for message in messages:
        if isinstance(message, AssistantMessage):
            yield from (call.function.name for call in message.tool_calls or ())


def _tools_of_the_past(messages: Sequence[Message], names: ToolNames) -> tuple[list[Json], Json | None]:
    """Anthropic refuses a history with calls when no tools are defined, OpenAI does not.

    So what was called is defined, by its name alone, and nothing of it may be called again.
    """
    called = dict.fromkeys(_called(messages))
    tools = [{"name": names.to_upstream(name), "input_schema": _NO_PARAMETERS} for name in called]
    return tools, {"type": "none"} if tools else None


def _definition(tool: FunctionTool, names: ToolNames, where: str, unfolding: Unfolding) -> Json:
    function = tool.function
    schema = unfolding.value(function.parameters, f"{where}.parameters")
    schema = _NO_PARAMETERS if schema in (None, {}) else schema
    if not isinstance(schema, dict) or schema.get("type") != "object":
        message = f"{where}.parameters must be a JSON Schema of an object: set its type to 'object'."
        raise _invalid(message, f"{where}.parameters")
    found: Json = {"name": names.to_upstream(function.name), "input_schema": schema}
    if function.description:
        found["description"] = function.description
    if function.strict:
        found |= {"input_schema": to_schema(schema, f"{where}.parameters"), "strict": True}
    return found


def _chosen(request: ChatRequest, tools: dict[str, Json]) -> tuple[list[Json], Json | None]:
    choice: Json | None
    match request.tool_choice:
        case None:
            choice = None
        case str(word):
            choice = {"type": _CHOICES[word]}
        case FunctionChoice() as named:
            choice = {"type": "tool", "name": _one_of(tools, named, "tool_choice")["name"]}
        case AllowedToolsChoice(allowed_tools=allowed):
            where = "tool_choice.allowed_tools"
            wanted = {_one_of(tools, tool, f"{where}.tools[{n}]")["name"] for n, tool in enumerate(allowed.tools)}
            tools = {name: tool for name, tool in tools.items() if tool["name"] in wanted}
            choice = {"type": _CHOICES[allowed.mode]}
    if request.parallel_tool_calls is False and choice != {"type": "none"}:
        choice = (choice or {"type": "auto"}) | {"disable_parallel_tool_use": True}
    return list(tools.values()), choice


def _one_of(tools: dict[str, Json], wanted: FunctionChoice, where: str) -> Json:
    name = wanted.function.name
    if name not in tools:
        where = f"{where}.function.name"
        raise _invalid(f"{where}: there is no tool {name[:100]!r} in tools.", where)
    return tools[name]


def _refuse_forced_choice(request: ChatRequest) -> None:
    if request.tool_choice not in (None, "none", "auto"):
        raise _invalid("tool_choice asks for a tool, but there are none: send them in tools.", "tool_choice")


def _invalid(message: str, param: str) -> InvalidRequest:
    return InvalidRequest(message, param=param, code="invalid_value")

"""The tools of a request to POST /v1/responses. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from app.errors import InvalidRequest
from app.protocols.decode import Unfolding, decode
from app.protocols.openai_parameters import Harmless, refuse_unsupported
from app.protocols.responses_items import Head, each
from app.protocols.responses_models import AllowedTools, ChosenFunction, FunctionTool, ResponsesRequest
from app.protocols.structured import to_schema
from app.protocols.tool_names import ToolNames

Json = dict[str, Any]

_decoder = msgspec.json.Decoder(FunctionTool)
_LONGEST_SHOWN = 100
_NO_PARAMETERS: Json = {"type": "object", "properties": {}}

_HARMLESS: Harmless = {
    "allowed_callers": lambda value: value == ["direct"],
    "defer_loading": lambda value: value is False,
    "output_schema": lambda value: False,
}


@dataclass(frozen=True)
class Tool:
    """`parameters` as they came."""

    name: str
    description: str | None
    parameters: Json | None
    strict: bool
    where: str

    def to_upstream(self, names: ToolNames) -> Json:
        found: Json = {"name": names.to_upstream(self.name)}
        if self.description:
            found["description"] = self.description
        schema = {"type": "object", **self.parameters} if self.parameters else _NO_PARAMETERS
        strict = {"input_schema": to_schema(schema, f"{self.where}.parameters"), "strict": True} if self.strict else {}
        return {**found, "input_schema": schema, **strict}

    def to_echo(self) -> Json:
        told = {"name": self.name, "description": self.description, "parameters": self.parameters}
        return {"type": "function", **told, "strict": self.strict}


def read_tools(raw: msgspec.Raw | None, unfolding: Unfolding) -> list[Tool]:
    """Raises InvalidRequest."""
    tools: dict[str, Tool] = {}
    for head, body, where in each(raw, "tools"):
        tool = _tool(head, body, where, unfolding)
        if tool.name in tools:
            raise _refusal(f"{where}.name", f"two tools have the name {tool.name[:_LONGEST_SHOWN]!r}")
        tools[tool.name] = tool
    return list(tools.values())


def _tool(head: Head, body: bytes, where: str, unfolding: Unfolding) -> Tool:
    if head.type not in (None, "function"):
        message = f"{where}: tools of type {head.type[:_LONGEST_SHOWN]!r} are not supported by this gateway."
        raise InvalidRequest(f"{message} Give functions.", param=f"{where}.type", code="unsupported_parameter")
    tool = decode(body, _decoder, where)
    refuse_unsupported(tool, _HARMLESS, f"{where}.")
    parameters = unfolding.value(tool.parameters, f"{where}.parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise _refusal(f"{where}.parameters", "it must be a JSON Schema of an object")
    if parameters and parameters.get("type", "object") != "object":
        raise _refusal(f"{where}.parameters.type", "it must be 'object'")
    return Tool(tool.name, tool.description, parameters, bool(tool.strict), where)


def names_in(tools: Iterable[Tool], messages: Iterable[Mapping[str, Any]]) -> ToolNames:
    """Of the definitions and of the history, whose tools may no longer be defined."""
    return ToolNames([*(tool.name for tool in tools), *_called(messages)])


def _called(messages: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for turn in messages:
        yield from (block["name"] for block in turn["content"] if block["type"] == "tool_use")


def under_upstreams_names(messages: Sequence[Mapping[str, Any]], names: ToolNames) -> list[dict[str, Any]]:
    return [{**turn, "content": [_renamed(block, names) for block in turn["content"]]} for turn in messages]


def _renamed(block: Mapping[str, Any], names: ToolNames) -> Mapping[str, Any]:
    return {**block, "name": names.to_upstream(block["name"])} if block["type"] == "tool_use" else block


def to_tools(
    request: ResponsesRequest, tools: Sequence[Tool], messages: Iterable[Mapping[str, Any]], names: ToolNames
) -> tuple[list[Json], Json | None]:
    """(tools, tool_choice). Raises InvalidRequest.

    Of allowed_tools, those alone are offered: the others cannot be called then.
    """
    choice = request.tool_choice
    _check_choice(choice, {tool.name for tool in tools})
    if not tools:
        return _of_the_past(messages)
    allowed = {one.name for one in choice.tools} if isinstance(choice, AllowedTools) else None
    offered = [tool.to_upstream(names) for tool in tools if allowed is None or tool.name in allowed]
    found = _choice(choice, names)
    if found["type"] != "none" and request.parallel_tool_calls is False:
        found["disable_parallel_tool_use"] = True
    return offered, None if found == {"type": "auto"} else found


def _of_the_past(messages: Iterable[Mapping[str, Any]]) -> tuple[list[Json], Json | None]:
    """Anthropic refuses a history with calls when no tools are defined, OpenAI does not.

    So what was called is defined, by its name alone, and nothing of it may be called again.
    """
    called = dict.fromkeys(_called(messages))
    return [{"name": name, "input_schema": _NO_PARAMETERS} for name in called], {"type": "none"} if called else None


def _choice(choice: object, names: ToolNames) -> dict[str, Any]:
    match choice:
        case ChosenFunction(name=name):
            return {"type": "tool", "name": names.to_upstream(name)}
        case "required" | AllowedTools(mode="required"):
            return {"type": "any"}
        case "none":
            return {"type": "none"}
    return {"type": "auto"}


def _check_choice(choice: object, known: set[str]) -> None:
    wanted: list[tuple[str, str]] = []
    match choice:
        case ChosenFunction(name=name):
            wanted = [("tool_choice.name", name)]
        case AllowedTools(tools=allowed):
            wanted = [(f"tool_choice.tools[{index}].name", one.name) for index, one in enumerate(allowed)]
        case "required" if not known:
            raise _refusal("tool_choice", "to have a tool used, give tools")
    for where, name in wanted:
        if name not in known:
            raise _refusal(where, f"there is no tool {name[:_LONGEST_SHOWN]!r} in tools")


def _refusal(where: str, problem: str) -> InvalidRequest:
    return InvalidRequest(f"{where}: {problem}.", param=where, code="invalid_value")

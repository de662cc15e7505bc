import json
from typing import Any

import pytest

from app.errors import InvalidRequest
from app.protocols.anthropic import MessagesCall, from_request

HELLO = [{"role": "user", "content": "hi"}]
SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "minLength": 1}}, "required": ["a"]}
LONG = "look_" + "x" * 100
MARK = {"type": "ephemeral"}


def tool(name: str = "look", **members: Any) -> dict[str, Any]:
    return {"name": name, "input_schema": SCHEMA, **members}


def call(*tools: Any, messages: Any = HELLO, **members: Any) -> MessagesCall:
    body = {"model": "m", "max_tokens": 5, "messages": messages, "tools": tools, **members}
    return from_request(json.dumps(body).encode())


def refused(*tools: Any, **members: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as raised:
        call(*tools, **members)
    return raised.value


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        (tool(), tool()),
        (tool(description="Looks."), tool(description="Looks.")),
        (tool(description=""), tool(description="")),
        (tool(strict=True), tool(strict=True)),
        (tool(strict=False), tool()),
        (tool("A-b_9"), tool("A-b_9")),
        (tool(input_schema={"type": "object", "x": [1]}), tool(input_schema={"type": "object", "x": [1]})),
        # what asks for nothing
        (tool(type="custom", cache_control=MARK), tool()),
        (tool(type=None, description=None, strict=None, cache_control=None), tool()),
        (tool(eager_input_streaming=True), tool()),
        (tool(allowed_callers=["direct"], defer_loading=False, input_examples=[]), tool()),
    ],
)
def test_a_tool_goes_upstream_as_it_came(sent: dict[str, Any], seen: dict[str, Any]):
    assert call(sent).prompt.tools == [seen]


def test_tools_keep_their_order():
    assert [one["name"] for one in call(tool("b"), tool("a"), tool("c")).prompt.tools] == ["b", "a", "c"]


@pytest.mark.parametrize(
    "given",
    [
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 5},
        {"type": "bash_20250124", "name": "bash"},
        {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool", "cache_control": MARK},
        {"type": "mcp_toolset", "mcp_server_name": "x"},
        {"type": "x" * 10_000},
    ],
)
def test_a_tool_of_anthropics_own_is_refused_with_what_is_supported(given: dict[str, Any]):
    error = refused(tool(), given)
    assert (error.param, error.code) == ("tools[1].type", "unsupported_parameter")
    assert "only client tools, with an input_schema, are supported" in str(error)
    assert len(str(error)) < 300


@pytest.mark.parametrize(
    ("given", "param", "code"),
    [
        (5, "tools[1]", "invalid_value"),
        ({}, "tools[1].name", "missing_parameter"),
        ({"name": "x"}, "tools[1].input_schema", "missing_parameter"),
        (tool(""), "tools[1].name", "invalid_value"),
        (tool("a.b"), "tools[1].name", "invalid_value"),
        (tool("x" * 129), "tools[1].name", "invalid_value"),
        (tool("look"), "tools[1].name", "invalid_value"),  # twice
        (tool("x", input_schema=[]), "tools[1].input_schema", "invalid_value"),
        (tool("x", input_schema={}), "tools[1].input_schema.type", "invalid_value"),
        (tool("x", input_schema={"type": "string"}), "tools[1].input_schema.type", "invalid_value"),
        (tool("x", type=5), "tools[1].type", "invalid_value"),
        (tool("x", strict="yes"), "tools[1].strict", "invalid_value"),
        (tool("x", description=5), "tools[1].description", "invalid_value"),
        (tool("x", parameters={}), "tools[1].parameters", "unknown_parameter"),
        (tool("x", cache_control=MARK | {"x": 1}), "tools[1].cache_control.x", "unknown_parameter"),
        (tool("x", allowed_callers=["code_execution_20250825"]), "tools[1].allowed_callers", "unsupported_parameter"),
        (tool("x", defer_loading=True), "tools[1].defer_loading", "unsupported_parameter"),
        (tool("x", input_examples=[{"a": "b"}]), "tools[1].input_examples", "unsupported_parameter"),
    ],
)
def test_a_malformed_tool_is_refused_and_named(given: Any, param: str, code: str):
    error = refused(tool("look"), given)
    assert (error.param, error.code) == (param, code)
    assert param in str(error)


# threat 66
@pytest.mark.parametrize("levels", [250, 900, 990, 5000])
def test_a_schema_that_is_nested_too_deeply_is_refused(levels: int):
    body = {"model": "m", "max_tokens": 5, "messages": HELLO, "tools": [tool(input_schema={"type": "object", "a": 5})]}
    with pytest.raises(InvalidRequest, match="nested too deeply"):
        from_request(json.dumps(body).replace('"a": 5', '"a": ' + "[" * levels + "]" * levels).encode())


@pytest.mark.parametrize(
    "choice",
    [
        {"type": "auto"},
        {"type": "any"},
        {"type": "none"},
        {"type": "tool", "name": "look"},
        {"type": "auto", "disable_parallel_tool_use": True},
        {"type": "any", "disable_parallel_tool_use": False},
        {"type": "tool", "name": "look", "disable_parallel_tool_use": True},
    ],
)
def test_the_choice_goes_upstream_as_it_came(choice: dict[str, Any]):
    assert call(tool(), tool_choice=choice).prompt.parameters["tool_choice"] == choice


@pytest.mark.parametrize(
    ("tools", "choice", "param"),
    [
        ([tool()], {"type": "tool", "name": "other"}, "tool_choice.name"),
        ([], {"type": "tool", "name": "look"}, "tool_choice.name"),
        ([], {"type": "any"}, "tool_choice"),
        ([tool()], {"type": "tool"}, "tool_choice.name"),
        ([tool()], {"type": "required"}, "tool_choice.type"),
        ([tool()], {"type": "none", "disable_parallel_tool_use": True}, "tool_choice.disable_parallel_tool_use"),
    ],
)
def test_a_choice_that_cannot_be_made_is_refused(tools: list[Any], choice: dict[str, Any], param: str):
    assert refused(*tools, tool_choice=choice).param == param


# Legal at Anthropic's up to 128 characters, carried by the CLI up to 64.
def test_a_long_name_is_the_same_short_one_everywhere():
    messages = [
        *HELLO,
        {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": LONG, "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1"}]},
    ]
    found = call(tool(LONG), tool("other"), messages=messages, tool_choice={"type": "tool", "name": LONG})
    short = found.prompt.tools[0]["name"]
    assert len(short) <= 64
    assert found.prompt.tools[1]["name"] == "other"
    assert found.prompt.parameters["tool_choice"]["name"] == short
    assert found.prompt.messages[1]["content"][0]["name"] == short
    assert found.names.from_upstream(short) == LONG


def test_a_name_that_only_the_history_knows_takes_no_tools_name():
    short = call(tool(LONG)).prompt.tools[0]["name"]
    messages = [
        *HELLO,
        {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": short, "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1"}]},
    ]
    found = call(tool(LONG), messages=messages)
    assert found.prompt.messages[1]["content"][0]["name"] == short
    assert found.prompt.tools[0]["name"] != short

import json
from typing import Any

import pytest

from app.errors import InvalidRequest
from app.protocols.prompt import Prompt
from app.protocols.responses_request import from_request

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
EMPTY = {"type": "object", "properties": {}}
CALLED = [
    {"role": "user", "content": "a"},
    {"type": "function_call", "call_id": "c", "name": "old.one", "arguments": ""},
    {"type": "function_call_output", "call_id": "c", "output": "5"},
]


def prompt(tools: Any = None, input: Any = "hi", **members: Any) -> Prompt:
    return from_request(json.dumps({"model": "m", "input": input, "tools": tools, **members}).encode()).prompt


def refused(**members: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as raised:
        prompt(**members)
    return raised.value


def function(name: str = "f", **members: Any) -> dict[str, Any]:
    return {"type": "function", "name": name, **members}


def names(found: Prompt) -> list[str]:
    return [tool["name"] for tool in found.tools]


@pytest.mark.parametrize(
    ("tool", "upstream"),
    [
        (function(), {"name": "f", "input_schema": EMPTY}),
        (function(parameters=None, strict=None, description=None), {"name": "f", "input_schema": EMPTY}),
        (function(parameters={}), {"name": "f", "input_schema": EMPTY}),
        (function(parameters=SCHEMA, strict=False), {"name": "f", "input_schema": SCHEMA}),
        (function(description="d"), {"name": "f", "description": "d", "input_schema": EMPTY}),
        (
            function(parameters={"properties": {"n": {"type": "integer", "minimum": 1}}}),
            {"name": "f", "input_schema": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}}},
        ),
        (function(parameters=SCHEMA, strict=True), {"name": "f", "input_schema": SCHEMA, "strict": True}),
        (
            function(allowed_callers=["direct"], defer_loading=False, **{"async": False, "output_schema": None}),
            {"name": "f", "input_schema": EMPTY},
        ),
        ({"name": "f"}, {"name": "f", "input_schema": EMPTY}),
    ],
)
def test_a_function_is_offered_as_it_is_described(tool: Any, upstream: Any):
    assert prompt([tool]).tools == [upstream]


def test_tools_keep_their_order_and_odd_names_are_carried():
    found = prompt([function("b"), function("a.b:c"), function("a")])
    first, odd, last = names(found)
    assert (first, last) == ("b", "a")
    assert odd != "a.b:c"


@pytest.mark.parametrize(
    ("members", "choice"),
    [
        ({}, None),
        ({"tool_choice": "auto"}, None),
        ({"tool_choice": "none"}, {"type": "none"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        ({"tool_choice": function("f")}, {"type": "tool", "name": "f"}),
        ({"parallel_tool_calls": True}, None),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        (
            {"parallel_tool_calls": False, "tool_choice": "required"},
            {"type": "any", "disable_parallel_tool_use": True},
        ),
        ({"parallel_tool_calls": False, "tool_choice": "none"}, {"type": "none"}),
    ],
)
def test_the_choice_among_tools_is_said_in_anthropics_words(members: dict[str, Any], choice: Any):
    assert prompt([function("f"), function("g")], **members).parameters.get("tool_choice") == choice


@pytest.mark.parametrize(("mode", "choice"), [("auto", None), ("required", {"type": "any"})])
def test_of_allowed_tools_those_alone_are_offered(mode: str, choice: Any):
    allowed = {"type": "allowed_tools", "mode": mode, "tools": [function("h"), function("f")]}
    found = prompt([function("f"), function("g"), function("h")], tool_choice=allowed)
    assert (names(found), found.parameters.get("tool_choice")) == (["f", "h"], choice)


def test_the_chosen_tool_has_the_name_that_is_offered():
    found = prompt([function("a.b")], tool_choice=function("a.b"))
    assert found.parameters["tool_choice"]["name"] == names(found)[0]


def test_without_tools_there_is_no_choice():
    assert "tool_choice" not in prompt(tool_choice="auto", parallel_tool_calls=False).parameters


@pytest.mark.parametrize("members", [{}, {"tools": []}, {"tool_choice": "none"}])
def test_tools_that_the_history_called_are_defined_and_not_to_be_called_again(members: dict[str, Any]):
    found = prompt(input=CALLED, **members)
    called = found.messages[1]["content"][0]["name"]
    assert found.tools == [{"name": called, "input_schema": EMPTY}]
    assert found.parameters["tool_choice"] == {"type": "none"}


def test_with_other_tools_the_ones_of_the_history_are_left_to_it():
    found = prompt([function("new")], input=CALLED)
    assert names(found) == ["new"]
    assert "tool_choice" not in found.parameters


@pytest.mark.parametrize(
    ("members", "param", "code"),
    [
        ({"tools": [function(), function()]}, "tools[1].name", "invalid_value"),
        ({"tools": [function("")]}, "tools[0].name", "invalid_value"),
        ({"tools": [{"type": "function"}]}, "tools[0].name", "missing_parameter"),
        ({"tools": [function(function={"name": "f"})]}, "tools[0].function", "unknown_parameter"),
        ({"tools": [function(parameters={"type": "array"})]}, "tools[0].parameters.type", "invalid_value"),
        ({"tools": [function(parameters="x")]}, "tools[0].parameters", "invalid_value"),
        ({"tools": [function(output_schema={})]}, "tools[0].output_schema", "unsupported_parameter"),
        ({"tools": [function(**{"async": True})]}, "tools[0].async", "invalid_value"),
        ({"tools": [{"type": "file_search"}]}, "tools[0].type", "unsupported_parameter"),
        ({"tools": [{"type": "custom", "name": "f"}]}, "tools[0].type", "unsupported_parameter"),
        (
            {
                "tools": [
                    function(strict=True, parameters={"type": "object", "properties": {"a": {"maxLength": 3}}}),
                ]
            },
            "tools[0].parameters.properties.a.maxLength",
            "unsupported_schema",
        ),
        ({"tool_choice": "required"}, "tool_choice", "invalid_value"),
        ({"tool_choice": function("f")}, "tool_choice.name", "invalid_value"),
        ({"tools": [function("g")], "tool_choice": function("f")}, "tool_choice.name", "invalid_value"),
        (
            {"tools": [function("g")], "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": []}},
            "tool_choice.tools",
            "invalid_value",
        ),
        (
            {
                "tools": [function("g")],
                "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [function("f")]},
            },
            "tool_choice.tools[0].name",
            "invalid_value",
        ),
        (
            {
                "tools": [function("g")],
                "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "mcp"}]},
            },
            "tool_choice.tools[0].type",
            "invalid_value",
        ),
    ],
)
def test_wrong_tools_are_refused_by_their_place(members: dict[str, Any], param: str, code: str):
    error = refused(**members)
    assert (error.param, error.code) == (param, code)

import json
from typing import Any

import pytest

from app.errors import InvalidRequest
from app.protocols.responses_models import ResponsesRequest
from app.protocols.responses_request import ResponsesCall, from_request
from tests.protocols.responses import NAMED_SCHEMA, SCHEMA, as_bytes, call, refused

FORMAT = {"type": "json_schema", "schema": SCHEMA}


SHOWN = {"type": "adaptive", "display": "summarized"}
PARAMETERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"max_output_tokens": 5}, {"max_tokens": 5}),
    ({"temperature": 0.3}, {"temperature": 0.3}),
    ({"temperature": 2}, {"temperature": 1.0}),
    ({"top_p": 0.9}, {"top_p": 0.9}),
    ({"temperature": 1, "top_p": 0.9}, {"top_p": 0.9}),
    ({"user": "u-1"}, {"metadata": {"user_id": "u-1"}}),
    ({"safety_identifier": "s-1"}, {"metadata": {"user_id": "s-1"}}),
    ({"user": "u", "metadata": {"a": "b"}}, {"metadata": {"user_id": '{"user":"u","metadata":{"a":"b"}}'}}),
    ({"reasoning": {}}, {}),
    ({"reasoning": {"effort": "none"}}, {}),
    ({"reasoning": {"effort": "none", "summary": "auto"}}, {}),
    ({"reasoning": {"effort": "high"}}, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
    ({"reasoning": {"effort": "minimal"}}, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
    ({"reasoning": {"effort": "low", "summary": "auto"}}, {"thinking": SHOWN, "output_config": {"effort": "low"}}),
    ({"reasoning": {"summary": "detailed"}}, {"thinking": SHOWN}),
    ({"reasoning": {"generate_summary": "concise"}}, {"thinking": SHOWN}),
    (
        {"reasoning": {"effort": "high"}, "temperature": 1},
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
    ),
    ({"text": {"format": {"type": "text"}}}, {}),
    ({"text": {"format": {"type": "json_object"}}}, {}),
    ({"text": {"format": NAMED_SCHEMA}}, {"output_config": {"format": FORMAT}}),
    (
        {"text": {"format": {**NAMED_SCHEMA, "description": "what"}}},
        {"output_config": {"format": {**FORMAT, "schema": {**SCHEMA, "description": "what"}}}},
    ),
    (
        {"text": {"format": NAMED_SCHEMA}, "reasoning": {"effort": "max"}},
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max", "format": FORMAT}},
    ),
]

NO_CHANGE: list[tuple[str, Any]] = [
    ("background", False),
    ("context_management", []),
    ("include", []),
    ("include", ["reasoning.encrypted_content", "file_search_call.results", "message.input_image.image_url"]),
    ("instructions", " "),
    ("parallel_tool_calls", True),
    ("parallel_tool_calls", False),
    ("prompt_cache_key", "k"),
    ("prompt_cache_options", {"mode": "implicit"}),
    ("prompt_cache_retention", "24h"),
    ("reasoning", {"context": "auto", "mode": "standard"}),
    ("service_tier", "flex"),
    ("store", True),
    ("stream", False),
    ("text", {"verbosity": "low"}),
    ("tool_choice", "auto"),
    ("tool_choice", "none"),
    ("tools", []),
    ("top_logprobs", 0),
    ("truncation", "disabled"),
]

UNSUPPORTED: list[tuple[str, Any, str]] = [
    ("access_programs", {"cyber": "standard"}, "access_programs"),
    ("background", True, "background"),
    ("background_options", {}, "background_options"),
    ("context_management", [{"type": "compaction"}], "context_management"),
    ("conversation", "conv_1", "conversation"),
    ("image", {"context_compression": "auto"}, "image"),
    ("include", ["message.output_text.logprobs"], "include"),
    ("max_tool_calls", 3, "max_tool_calls"),
    ("moderation", {"model": "m"}, "moderation"),
    ("prompt", {"id": "pmpt_1"}, "prompt"),
    ("reasoning", {"context": "all_turns"}, "reasoning.context"),
    ("reasoning", {"mode": "pro"}, "reasoning.mode"),
    ("tools", [{"type": "web_search"}], "tools[0].type"),
    ("tools", [{"type": "function", "name": "f", "parameters": {}}, {"type": "mcp"}], "tools[1].type"),
    ("tools", [{"type": "function", "name": "f", "defer_loading": True}], "tools[0].defer_loading"),
    ("top_logprobs", 2, "top_logprobs"),
    ("truncation", "auto", "truncation"),
]

WRONG: list[tuple[str, Any, str]] = [
    ("model", 5, "model"),
    ("input", None, "input"),
    ("input", "", "input"),
    ("input", " \n", "input"),
    ("input", 5, "input"),
    ("input", {}, "input"),
    ("input", [5], "input[0]"),
    ("input", [], "input"),
    ("include", ["everything"], "include[0]"),
    ("include", "reasoning.encrypted_content", "include"),
    ("instructions", ["x"], "instructions"),
    ("max_output_tokens", 0, "max_output_tokens"),
    ("metadata", {str(number): "x" for number in range(17)}, "metadata"),
    ("metadata", {"a": "x" * 513}, "metadata[...]"),
    ("user", "u" * 257, "user"),
    ("previous_response_id", 5, "previous_response_id"),
    ("reasoning", {"effort": "enormous"}, "reasoning.effort"),
    ("reasoning", {"summary": "all"}, "reasoning.summary"),
    ("reasoning", "high", "reasoning"),
    ("store", "yes", "store"),
    ("stream", 1, "stream"),
    ("stream_options", {}, "stream_options"),  # without stream
    ("temperature", 2.1, "temperature"),
    ("text", {"format": {"type": "xml"}}, "text.format.type"),
    ("text", {"format": {"type": "json_schema", "name": "", "schema": {}}}, "text.format.name"),
    ("text", {"verbosity": "none"}, "text.verbosity"),
    ("tool_choice", "always", "tool_choice"),
    ("tool_choice", {"type": "mcp"}, "tool_choice.type"),
    ("tools", {}, "tools"),
    ("tools", [5], "tools[0]"),
    ("top_p", 1.1, "top_p"),
    ("user", 5, "user"),
]


@pytest.mark.parametrize(("members", "parameters"), PARAMETERS, ids=lambda value: json.dumps(value)[:50])
def test_parameters_go_upstream_in_anthropics_words(members: dict[str, Any], parameters: dict[str, Any]):
    assert call(**members).prompt.parameters == parameters


@pytest.mark.parametrize(("name", "value"), NO_CHANGE)
def test_a_value_that_asks_for_nothing_passes_and_changes_nothing(name: str, value: Any):
    assert call(**{name: value}).prompt == call().prompt


@pytest.mark.parametrize("name", sorted({*ResponsesRequest.__struct_fields__} - {"model", "input"}))
def test_null_is_as_good_as_absent(name: str):
    found, plain = call(**{name: None}), call()
    assert (found.prompt, found.echo, found.stream, found.store) == (plain.prompt, plain.echo, False, True)


@pytest.mark.parametrize(("name", "value", "param"), UNSUPPORTED)
def test_an_unsupported_value_is_refused_by_name(name: str, value: Any, param: str):
    error = refused(as_bytes(**{name: value}))
    assert (error.param, error.code) == (param, "unsupported_parameter")


@pytest.mark.parametrize(("name", "value", "param"), WRONG, ids=lambda value: repr(value)[:30])
def test_a_wrong_value_is_refused_by_name(name: str, value: Any, param: str):
    error = refused(as_bytes(**{name: value}))
    assert (error.param, error.code) == (param, "invalid_value")


def test_every_field_is_in_one_of_the_tables_above():
    named = {name for members, _ in PARAMETERS for name in members} | {name for name, _ in NO_CHANGE}
    named |= {name for name, *_ in UNSUPPORTED + WRONG}
    assert {*ResponsesRequest.__struct_fields__} == named


# threat 11
@pytest.mark.parametrize("name", ["messages", "max_tokens", "system", "thinking", "extra_body", "mcp_servers", "é"])
def test_an_unknown_field_is_refused_by_name(name: str):
    error = refused(as_bytes(**{name: "x"}))
    assert (error.param, error.code) == (name, "unknown_parameter")


@pytest.mark.parametrize("missing", ["model", "input"])
def test_a_missing_field_is_named(missing: str):
    body = json.loads(as_bytes())
    del body[missing]
    error = refused(json.dumps(body).encode())
    assert (error.param, error.code) == (missing, "missing_parameter")


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"temperature": 0.5}, "temperature"),
        ({"top_p": 0.5}, "top_p"),
        ({"tools": [{"type": "function", "name": "f"}], "tool_choice": "required"}, "tool_choice"),
    ],
)
def test_what_thinking_rules_out_is_refused_by_the_clients_word(members: dict[str, Any], param: str):
    assert refused(as_bytes(reasoning={"effort": "low"}, **members)).param == param


def test_a_schema_that_is_not_taken_is_refused_by_its_keyword():
    schema = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 3}}}
    error = refused(as_bytes(text={"format": {**NAMED_SCHEMA, "schema": schema}}))
    assert (error.param, error.code) == ("text.format.schema.properties.a.minimum", "unsupported_schema")


@pytest.mark.parametrize("schema", [5, None, "x", []])
def test_a_schema_that_is_none_is_refused(schema: Any):
    error = refused(as_bytes(text={"format": {**NAMED_SCHEMA, "schema": schema}}))
    assert (error.param, error.code) == ("text.format.schema", "unsupported_schema")


def test_one_object_is_asked_for_in_words():
    assert call().prompt.system == []
    found = call(text={"format": {"type": "json_object"}}, instructions="Be brief.").prompt.system
    assert found[0] == "Be brief."
    assert "JSON object" in found[1]


@pytest.mark.parametrize(
    ("members", "stream", "store", "shows_thinking"),
    [
        ({}, False, True, False),
        ({"stream": True, "store": False}, True, False, False),
        ({"stream": True, "stream_options": {"include_obfuscation": False}}, True, True, False),
        ({"reasoning": {"effort": "low", "summary": "auto"}}, False, True, True),
        ({"reasoning": {"effort": "low"}}, False, True, False),
    ],
)
def test_the_answers_form_is_as_asked(members: dict[str, Any], stream: bool, store: bool, shows_thinking: bool):
    found = call(**members)
    assert (found.stream, found.store, found.shows_thinking) == (stream, store, shows_thinking)


def test_obfuscation_is_not_promised():
    error = refused(as_bytes(stream=True, stream_options={"include_obfuscation": True}))
    assert (error.param, error.code) == ("stream_options.include_obfuscation", "unsupported_parameter")


def test_instructions_come_first_in_the_system_prompt():
    items = [
        {"role": "system", "content": "1"},
        {"role": "user", "content": "hi"},
        {"role": "developer", "content": [{"type": "input_text", "text": "2"}, {"type": "input_text", "text": "3"}]},
    ]
    assert call(items, instructions="0").prompt.system == ["0", "1", "2\n3"]


def test_the_response_repeats_what_was_asked_for():
    tool = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": None}
    asked = {
        "instructions": "Be brief.",
        "max_output_tokens": 2000,
        "metadata": {"a": "b", "k" * 64: "v" * 512},
        "parallel_tool_calls": False,
        "prompt_cache_key": "k",
        "reasoning": {"effort": "low", "summary": "auto"},
        "safety_identifier": "s",
        "store": False,
        "text": {"format": {**NAMED_SCHEMA, "strict": True}, "verbosity": "low"},
        "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
        "tools": [tool],
        "top_p": 1.0,
        "user": "u",
    }
    echo = call(**asked).echo
    assert {name: echo[name] for name in asked} == {**asked, "tools": [{**tool, "strict": False}]}
    assert (echo["truncation"], echo["background"], echo["temperature"]) == ("disabled", False, None)


# ---- going on from an earlier response

BEFORE = {
    "known": ["msg_0", "msg_1", "fc_1"],
    "system": ["Speak French."],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "a"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "f.g", "input": {}}]},
    ],
}
OUTPUT = {"type": "function_call_output", "call_id": "toolu_1", "output": "5"}


def gone_on(input: Any, **members: Any) -> ResponsesCall:
    kept = {"resp_1": BEFORE}
    return from_request(as_bytes(input, previous_response_id="resp_1", **members), kept.get)


def test_a_conversation_goes_on_without_the_earlier_instructions():
    found = gone_on([OUTPUT, {"role": "user", "content": "and?"}], instructions="new")
    assert found.prompt.system == ["new", "Speak French."]  # what stood in the input goes on
    assert found.system == ["Speak French."]
    asked, called, answered = found.messages
    assert [asked, called] == BEFORE["messages"]
    assert answered["content"] == [
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "5"}]},
        {"type": "text", "text": "and?"},
    ]
    assert found.echo["previous_response_id"] == "resp_1"


def test_what_is_kept_is_not_changed_by_going_on():
    before = json.dumps(BEFORE)
    gone_on([OUTPUT])
    assert json.dumps(BEFORE) == before


def test_a_kept_call_goes_upstream_under_the_name_that_the_cli_carries():
    found = gone_on([OUTPUT], tools=[{"type": "function", "name": "f.g"}])
    name = found.prompt.messages[1]["content"][0]["name"]
    assert name == found.prompt.tools[0]["name"] == found.names.to_upstream("f.g") != "f.g"
    assert found.messages[1]["content"][0]["name"] == "f.g"


@pytest.mark.parametrize("name", ["msg_0", "msg_1", "fc_1"])
def test_a_reference_to_an_earlier_item_adds_nothing(name: str):
    assert gone_on([{"id": name}, OUTPUT]).messages == gone_on([OUTPUT]).messages
    assert gone_on([{"type": "item_reference", "id": name}, OUTPUT]).messages == gone_on([OUTPUT]).messages


def test_who_asks_for_the_thinking_is_given_it():
    assert not call("hi").gives_thinking
    assert call("hi", include=["reasoning.encrypted_content"]).gives_thinking


def test_a_reference_to_anything_else_is_refused():
    error = refused(as_bytes([{"role": "user", "content": "a"}, {"type": "item_reference", "id": "msg_0"}]))
    assert (error.param, error.code) == ("input[1].id", "invalid_value")


def test_a_call_that_was_kept_must_be_answered():
    with pytest.raises(InvalidRequest, match="No tool output found for the call 'toolu_1'") as raised:
        gone_on("and?")
    assert raised.value.param == "input"


def test_an_earlier_response_that_is_not_there_is_refused():
    error = refused(as_bytes(previous_response_id="resp_2"))
    assert (error.param, error.code) == ("previous_response_id", "previous_response_not_found")
    assert "resp_2" in str(error)

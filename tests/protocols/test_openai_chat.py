import json
from typing import Any

import pytest

from app.protocols.openai_chat import model_page, to_model
from app.protocols.openai_models import ChatRequest
from tests.protocols.chat import (
    ENABLED,
    HELLO,
    SCHEMA,
    as_bytes,
    call,
    json_schema,
    refused,
)

FORMAT = {"format": {"type": "json_schema", "schema": SCHEMA}}


def thinking(effort: str) -> dict[str, Any]:
    return {"thinking": {"type": "adaptive"}, "output_config": {"effort": effort}}


PARAMETERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"max_tokens": 5}, {"max_tokens": 5}),
    ({"max_completion_tokens": 7}, {"max_tokens": 7}),
    ({"max_tokens": 5, "max_completion_tokens": 7}, {"max_tokens": 7}),
    ({"temperature": 0}, {"temperature": 0.0}),
    ({"temperature": 0.3}, {"temperature": 0.3}),
    ({"temperature": 1}, {"temperature": 1.0}),
    ({"temperature": 1.01}, {"temperature": 1.0}),
    ({"temperature": 2}, {"temperature": 1.0}),
    ({"top_p": 0}, {"top_p": 0.0}),
    ({"top_p": 0.9}, {"top_p": 0.9}),
    # One of the two alone, when the other changes nothing: newer models refuse both.
    ({"temperature": 0.3, "top_p": 1}, {"temperature": 0.3}),
    ({"temperature": 1, "top_p": 0.9}, {"top_p": 0.9}),
    ({"temperature": 1.7, "top_p": 0.9}, {"top_p": 0.9}),
    ({"temperature": 1, "top_p": 1}, {"temperature": 1.0}),
    ({"temperature": 0.3, "top_p": 0.9}, {"temperature": 0.3, "top_p": 0.9}),
    ({"top_k": 40}, {"top_k": 40}),
    ({"stop": "END"}, {"stop_sequences": ["END"]}),
    ({"stop": ["a", "\n\nb"]}, {"stop_sequences": ["a", "\n\nb"]}),
    ({"stop": []}, {}),
    ({"user": "u-1"}, {"metadata": {"user_id": "u-1"}}),
    ({"user": ""}, {}),
    ({"safety_identifier": "s-1"}, {"metadata": {"user_id": "s-1"}}),
    ({"user": "u-1", "safety_identifier": "s-1"}, {"metadata": {"user_id": "u-1"}}),
    ({"metadata": {}}, {}),
    ({"metadata": {"a": "é"}}, {"metadata": {"user_id": '{"metadata":{"a":"é"}}'}}),
    ({"metadata": {"a": "b"}, "user": "u"}, {"metadata": {"user_id": '{"user":"u","metadata":{"a":"b"}}'}}),
    # what finds no room there is left out, pair by pair
    ({"metadata": {"a": "x" * 512, "b": "c"}}, {"metadata": {"user_id": '{"metadata":{"b":"c"}}'}}),
    ({"metadata": {"k" * 64: "x" * 512}}, {}),
    ({"metadata": {"a": "b"}, "user": "u" * 256}, {"metadata": {"user_id": "u" * 256}}),
    ({"reasoning_effort": "minimal"}, thinking("low")),
    ({"reasoning_effort": "low"}, thinking("low")),
    ({"reasoning_effort": "medium"}, thinking("medium")),
    ({"reasoning_effort": "high"}, thinking("high")),
    ({"reasoning_effort": "xhigh"}, thinking("xhigh")),
    ({"reasoning_effort": "max"}, thinking("max")),
    ({"reasoning_effort": "high", "temperature": 1, "top_p": 1}, thinking("high")),
    ({"reasoning_effort": "high", "temperature": 1.5, "max_tokens": 5}, {"max_tokens": 5, **thinking("high")}),
    ({"thinking": ENABLED}, {"thinking": ENABLED}),
    ({"thinking": ENABLED, "max_tokens": 1025}, {"thinking": ENABLED, "max_tokens": 1025}),
    ({"thinking": ENABLED, "top_p": 0.95}, {"thinking": ENABLED, "top_p": 0.95}),
    ({"thinking": {"type": "adaptive"}}, {"thinking": {"type": "adaptive"}}),
    ({"thinking": {"type": "adaptive"}, "reasoning_effort": "low"}, thinking("low")),
    ({"thinking": ENABLED, "reasoning_effort": "low"}, {"thinking": ENABLED, "output_config": {"effort": "low"}}),
    ({"thinking": ENABLED, "reasoning_effort": "none"}, {"thinking": ENABLED}),
    ({"thinking": {"type": "disabled"}, "reasoning_effort": "low"}, {"output_config": {"effort": "low"}}),
    ({"thinking": {"type": "disabled"}, "temperature": 0.5}, {"temperature": 0.5}),
    ({"response_format": json_schema()}, {"output_config": FORMAT}),
    ({"response_format": json_schema(strict=True, description=None)}, {"output_config": FORMAT}),
    (
        {"response_format": json_schema(), "reasoning_effort": "low"},
        {**thinking("low"), "output_config": FORMAT | {"effort": "low"}},
    ),
    (
        {"response_format": json_schema(description="d")},
        {"output_config": {"format": {"type": "json_schema", "schema": {**SCHEMA, "description": "d"}}}},
    ),
    (
        {"response_format": json_schema(description="d", schema={"type": "string", "description": "own"})},
        {"output_config": {"format": {"type": "json_schema", "schema": {"type": "string", "description": "own"}}}},
    ),
]

NO_CHANGE: list[tuple[str, Any]] = [
    ("prompt_cache_key", "k"),
    ("prompt_cache_options", {"mode": "auto"}),
    ("prompt_cache_retention", "24h"),
    ("seed", 42),
    ("service_tier", "auto"),
    ("store", True),
    ("frequency_penalty", 0),
    ("frequency_penalty", 0.0),
    ("presence_penalty", 0),
    ("function_call", "none"),
    ("function_call", "auto"),
    ("functions", []),
    ("logit_bias", {}),
    ("logprobs", False),
    ("top_logprobs", 0),
    ("modalities", ["text"]),
    ("parallel_tool_calls", True),
    ("parallel_tool_calls", False),
    ("reasoning_effort", "none"),
    ("response_format", {"type": "text"}),
    ("tool_choice", "none"),
    ("tool_choice", "auto"),
    ("tools", []),
    ("verbosity", "medium"),
    ("n", 1),
    ("stream", False),
]

UNSUPPORTED: list[tuple[str, Any]] = [
    ("audio", {"voice": "alloy", "format": "wav"}),
    ("frequency_penalty", 0.5),
    ("presence_penalty", -0.1),
    ("function_call", {"name": "f"}),
    ("functions", [{"name": "f"}]),
    ("logit_bias", {"50256": -100}),
    ("logprobs", True),
    ("top_logprobs", 2),
    ("modalities", ["text", "audio"]),
    ("modalities", []),
    ("prediction", {"type": "content", "content": "x"}),
    ("moderation", {}),
    ("verbosity", "low"),
    ("web_search_options", {}),
]

FUNCTION = {"type": "function", "function": {"name": "f"}}
WRONG: list[tuple[str, Any]] = [
    ("model", 5),
    ("model", None),
    ("messages", "hi"),
    ("messages", None),
    ("messages", []),
    ("max_tokens", 0),
    ("max_tokens", -1),
    ("max_tokens", 1.5),
    ("max_tokens", "5"),
    ("max_tokens", True),
    ("max_completion_tokens", 0),
    ("temperature", -0.1),
    ("temperature", 2.1),
    ("temperature", "hot"),
    ("top_p", 1.1),
    ("top_p", -0.1),
    ("top_k", 0),
    ("stop", 5),
    ("stop", ""),
    ("stop", " \n"),
    ("stop", ["a", ""]),
    ("stop", ["a", "b", "c", "d", "e"]),
    ("n", 0),
    ("n", 9),
    ("n", "2"),
    ("stream", 1),
    ("stream", "true"),
    ("stream_options", []),
    ("stream_options", {}),  # without stream
    ("stream_options", {"include_usage": True}),
    ("user", 5),
    ("safety_identifier", {}),
    ("metadata", "x"),
    ("metadata", {str(number): "x" for number in range(17)}),
    ("user", "u" * 257),
    ("safety_identifier", "u" * 257),
    ("seed", "x"),
    ("store", "yes"),
    ("service_tier", 1),
    ("prompt_cache_key", 1),
    ("frequency_penalty", "0"),
    ("logprobs", 1),
    ("top_logprobs", 0.5),
    ("parallel_tool_calls", 1),
    ("presence_penalty", []),
    ("reasoning_effort", 1),
    ("reasoning_effort", ""),
    ("reasoning_effort", "turbo"),
    ("verbosity", 1),
    ("thinking", True),
    ("thinking", "enabled"),
    ("response_format", "json"),
    ("tools", {}),
    ("tools", [5]),
    ("tool_choice", "any"),
    ("tool_choice", 5),
    ("tool_choice", "required"),  # without tools
    ("tool_choice", {"type": "function", "function": {"name": "f"}}),
    ("tool_choice", {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [FUNCTION]}}),
]


@pytest.mark.parametrize(("members", "parameters"), PARAMETERS, ids=lambda value: json.dumps(value)[:40])
def test_sampling_parameters_go_upstream_in_anthropics_words(members: dict[str, Any], parameters: dict[str, Any]):
    assert call(**members).prompt.parameters == parameters


@pytest.mark.parametrize(("name", "value"), NO_CHANGE)
def test_a_value_that_asks_for_nothing_passes_and_changes_nothing(name: str, value: Any):
    assert call(**{name: value}) == call()


@pytest.mark.parametrize("name", sorted({*ChatRequest.__struct_fields__} - {"model", "messages"}))
def test_null_is_as_good_as_absent(name: str):
    assert call(**{name: None}) == call()


@pytest.mark.parametrize(("name", "value"), UNSUPPORTED)
def test_an_unsupported_value_is_refused_by_name(name: str, value: Any):
    error = refused(as_bytes(**{name: value}))
    assert (error.param, error.code) == (name, "unsupported_parameter")
    assert f"Unsupported parameter: {name!r}" in str(error)


@pytest.mark.parametrize(("name", "value"), WRONG, ids=lambda value: repr(value)[:30])
def test_a_wrong_value_is_refused_by_name(name: str, value: Any):
    error = refused(as_bytes(**{name: value}))
    assert (error.param, error.code) == (name if value != [5] else "tools[0]", "invalid_value")


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"thinking": {}}, "thinking.type"),
        ({"thinking": {"type": "on"}}, "thinking.type"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1023}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "adaptive", "budget_tokens": 2000}}, "thinking.budget_tokens"),
        ({"response_format": {"type": "grammar"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"response_format": {"type": "text", "json_schema": {}}}, "response_format.json_schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}},
            "response_format.json_schema.schema",
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}}},
            "response_format.json_schema.name",
        ),
        ({"response_format": json_schema(schema=None)}, "response_format.json_schema.schema"),
        ({"response_format": json_schema(schema=[])}, "response_format.json_schema.schema"),
        (
            {"response_format": json_schema(schema={"properties": {"a": {"minimum": 5}}})},
            "response_format.json_schema.schema.properties.a.minimum",
        ),
        # what does not go together with thinking, by the client's own names
        ({"thinking": ENABLED, "max_tokens": 1024}, "max_tokens"),
        ({"thinking": ENABLED, "max_completion_tokens": 1024}, "max_completion_tokens"),
        ({"thinking": ENABLED, "max_completion_tokens": 1024, "max_tokens": 5000}, "max_completion_tokens"),
        ({"thinking": ENABLED, "temperature": 0.5}, "temperature"),
        ({"reasoning_effort": "low", "temperature": 0}, "temperature"),
        ({"reasoning_effort": "low", "top_p": 0.9}, "top_p"),
        ({"reasoning_effort": "low", "top_k": 9}, "top_k"),
        ({"reasoning_effort": "low", "tools": [FUNCTION], "tool_choice": "required"}, "tool_choice"),
        ({"reasoning_effort": "low", "tools": [FUNCTION], "tool_choice": FUNCTION}, "tool_choice"),
        ({"metadata": {"a": 5}}, "metadata[...]"),
        ({"metadata": {"a": "x" * 513}}, "metadata[...]"),
        ({"metadata": {"k" * 65: "x"}}, "metadata"),
        ({"stop": ["a", 5]}, "stop[1]"),
        ({"stream": True, "stream_options": {"include_usage": "yes"}}, "stream_options.include_usage"),
    ],
)
def test_a_wrong_value_within_a_field_is_found(members: dict[str, Any], param: str):
    assert refused(as_bytes(**members)).param == param


def test_every_field_is_in_one_of_the_tables_above():
    named = {name for members, _ in PARAMETERS for name in members} | {name for name, _ in NO_CHANGE + UNSUPPORTED}
    in_tests_of_their_own = {"model", "messages", "stream_options"}  # and of tools in test_openai_tools
    assert {*ChatRequest.__struct_fields__} - in_tests_of_their_own <= named


# threat 11
@pytest.mark.parametrize(
    "name",
    ["api_base", "base_url", "headers", "extra_body", "mcp_servers", "system", "env", "Temperature", "é"],
)
def test_an_unknown_field_is_refused_by_name(name: str):
    error = refused(as_bytes(**{name: "x"}))
    assert (error.param, error.code) == (name, "unknown_parameter")


@pytest.mark.parametrize("missing", ["model", "messages"])
def test_a_missing_field_is_named(missing: str):
    body = json.loads(as_bytes())
    del body[missing]
    error = refused(json.dumps(body).encode())
    assert (error.param, error.code) == (missing, "missing_parameter")


@pytest.mark.parametrize(
    ("members", "stream", "include_usage"),
    [
        ({}, False, False),
        ({"stream": True}, True, False),
        ({"stream": True, "stream_options": {}}, True, False),
        ({"stream": True, "stream_options": {"include_usage": False}}, True, False),
        ({"stream": True, "stream_options": {"include_usage": True}}, True, True),
        ({"stream": True, "stream_options": {"include_usage": True, "include_obfuscation": False}}, True, True),
    ],
)
def test_streaming_is_as_asked(members: dict[str, Any], stream: bool, include_usage: bool):
    found = call(**members)
    assert (found.stream, found.include_usage) == (stream, include_usage)


@pytest.mark.parametrize(("members", "n"), [({}, 1), ({"n": 1}, 1), ({"n": 8}, 8)])
def test_n_is_as_asked(members: dict[str, Any], n: int):
    assert call(**members).n == n


@pytest.mark.parametrize("model", ["sonnet", "", "--settings={}", "a\0b", "x" * 1000])
def test_the_models_name_is_kept_for_the_catalogue_to_judge(model: str):
    assert call(model=model).model == model


def test_one_json_object_is_asked_for_in_the_system_prompt():
    prompt = call([{"role": "system", "content": "be"}, *HELLO], response_format={"type": "json_object"}).prompt
    own, asked = prompt.system
    assert own == "be"
    assert asked.startswith("Answer with one JSON object and nothing else")
    assert prompt.parameters == {}


def test_models_are_listed_in_openais_form():
    page = model_page(iter([("sonnet", "anthropic", 5), ("opus", "anthropic", 6)]))
    assert page == {"object": "list", "data": [to_model("sonnet", "anthropic", 5), to_model("opus", "anthropic", 6)]}
    assert page["data"][0] == {
        "id": "sonnet",
        "object": "model",
        "created": 0,
        "owned_by": "anthropic",
        "context_window": 5,
    }

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import InvalidRequest
from app.protocols.anthropic import MessagesCall, from_count_request, from_request
from app.protocols.anthropic_models import CountRequest, MessagesRequest
from tests.protocols.anything import ANYTHING

HELLO = [{"role": "user", "content": "hi"}]
TOOL = {"name": "look", "input_schema": {"type": "object"}}
UPSTREAM = {
    *("max_tokens", "temperature", "top_p", "top_k", "stop_sequences", "metadata"),
    *("tool_choice", "thinking", "output_config"),
}
CLOSED = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
FORMAT = {"type": "json_schema", "schema": CLOSED}
MARK = {"type": "ephemeral", "ttl": "1h"}


def as_bytes(messages: Any = HELLO, **members: Any) -> bytes:
    return json.dumps({"model": "sonnet", "max_tokens": 9, "messages": messages, **members}).encode()


def call(messages: Any = HELLO, **members: Any) -> MessagesCall:
    return from_request(as_bytes(messages, **members))


def said(found: MessagesCall) -> tuple[Any, ...]:
    """All that a call says, to be compared."""
    prompt = found.prompt
    return found.model, found.stream, prompt.system, prompt.messages, prompt.parameters, prompt.tools


def refused(body: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as raised:
        from_request(body)
    assert str(raised.value)
    return raised.value


# ---- the fields, one by one

PARAMETERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"temperature": 0}, {"temperature": 0.0}),
    ({"temperature": 1}, {"temperature": 1.0}),
    ({"temperature": 0.3, "top_p": 0.9}, {"temperature": 0.3, "top_p": 0.9}),
    ({"top_p": 1}, {"top_p": 1.0}),
    ({"top_k": 0}, {"top_k": 0}),
    ({"top_k": 40}, {"top_k": 40}),
    ({"stop_sequences": ["END", "\n\nb"]}, {"stop_sequences": ["END", "\n\nb"]}),
    ({"stop_sequences": []}, {}),
    ({"metadata": {"user_id": "u-1"}}, {"metadata": {"user_id": "u-1"}}),
    ({"metadata": {"user_id": None}}, {}),
    ({"metadata": {}}, {}),
    ({"thinking": {"type": "disabled"}}, {"thinking": {"type": "disabled"}}),
    ({"thinking": {"type": "adaptive"}}, {"thinking": {"type": "adaptive"}}),
    (
        {"thinking": {"type": "adaptive", "display": "omitted"}},
        {"thinking": {"type": "adaptive", "display": "omitted"}},
    ),
    (
        {"thinking": {"type": "enabled", "budget_tokens": 2048}},
        {"thinking": {"type": "enabled", "budget_tokens": 2048}},
    ),
    (
        {"thinking": {"type": "enabled", "budget_tokens": 1024, "display": None}},
        {"thinking": {"type": "enabled", "budget_tokens": 1024}},
    ),
    ({"output_config": {}}, {}),
    ({"output_config": {"effort": None, "format": None}}, {}),
    ({"output_config": {"effort": "xhigh"}}, {"output_config": {"effort": "xhigh"}}),
    ({"output_config": {"format": FORMAT}}, {"output_config": {"format": FORMAT}}),
    ({"output_config": {"effort": "low", "format": FORMAT}}, {"output_config": {"effort": "low", "format": FORMAT}}),
    ({"output_format": FORMAT}, {"output_config": {"format": FORMAT}}),
    (
        {"output_config": {"effort": "max"}, "output_format": FORMAT},
        {"output_config": {"effort": "max", "format": FORMAT}},
    ),
    # an object is closed, for upstream demands that it is said
    (
        {"output_format": {"type": "json_schema", "schema": {"type": "object"}}},
        {
            "output_config": {
                "format": {"type": "json_schema", "schema": {"type": "object", "additionalProperties": False}}
            }
        },
    ),
    # a choice among no tools
    ({"tool_choice": {"type": "auto"}}, {}),
    ({"tool_choice": {"type": "none"}}, {}),
]

NO_CHANGE: list[tuple[str, Any]] = [
    ("cache_control", MARK),
    ("container", None),
    ("context_management", {}),
    ("context_management", {"edits": []}),
    ("diagnostics", None),
    ("inference_geo", None),
    ("mcp_servers", []),
    ("service_tier", "auto"),
    ("service_tier", "standard_only"),
    ("speed", "standard"),
    ("stream", False),
    ("system", ""),
    ("system", " \n"),
    ("system", []),
    ("system", [{"type": "text", "text": " "}]),
    ("tools", []),
]

UNSUPPORTED: list[tuple[str, Any]] = [
    ("container", "container_1"),
    ("container", {"skills": []}),
    ("context_management", {"edits": [{"type": "clear_tool_uses_20250919"}]}),
    ("context_management", {"edits": ["x" * 300]}),
    ("diagnostics", {"previous_message_id": None}),
    ("inference_geo", "us"),
    ("mcp_servers", [{"type": "url", "url": "https://x", "name": "x"}]),
    ("speed", "fast"),
]

WRONG: list[tuple[str, Any]] = [
    ("model", 5),
    ("model", None),
    ("messages", "hi"),
    ("messages", None),
    ("messages", []),
    ("max_tokens", 0),
    ("max_tokens", None),
    ("max_tokens", 1.5),
    ("max_tokens", "5"),
    ("max_tokens", True),
    ("temperature", -0.1),
    ("temperature", 1.01),
    ("temperature", "hot"),
    ("top_p", 1.1),
    ("top_k", -1),
    ("top_k", 0.5),
    ("stop_sequences", "END"),
    ("stream", 1),
    ("stream", "true"),
    ("metadata", "x"),
    ("service_tier", "fast"),
    ("system", 5),
    ("thinking", True),
    ("tools", {}),
    ("tool_choice", "auto"),
    ("output_config", []),
    ("output_format", "json"),
    ("cache_control", True),
]


@pytest.mark.parametrize(("members", "parameters"), PARAMETERS, ids=lambda value: json.dumps(value)[:60])
def test_parameters_go_upstream_as_they_came(members: dict[str, Any], parameters: dict[str, Any]):
    assert call(**members).prompt.parameters == {"max_tokens": 9, **parameters}


@pytest.mark.parametrize(("name", "value"), NO_CHANGE)
def test_a_value_that_asks_for_nothing_passes_and_changes_nothing(name: str, value: Any):
    assert said(call(**{name: value})) == said(call())


@pytest.mark.parametrize("name", sorted({*MessagesRequest.__struct_fields__} - {"model", "messages", "max_tokens"}))
def test_null_is_as_good_as_absent(name: str):
    assert said(call(**{name: None})) == said(call())


@pytest.mark.parametrize(("name", "value"), UNSUPPORTED)
def test_an_unsupported_value_is_refused_by_name(name: str, value: Any):
    error = refused(as_bytes(**{name: value}))
    assert (error.param, error.code) == (name, "unsupported_parameter")
    assert f"Unsupported parameter: {name!r}" in str(error)


@pytest.mark.parametrize(("name", "value"), WRONG, ids=lambda value: repr(value)[:30])
def test_a_wrong_value_is_refused_by_name(name: str, value: Any):
    error = refused(as_bytes(**{name: value}))
    assert (error.param, error.code) == (name, "invalid_value")
    assert name in str(error)


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"stop_sequences": ["a", 5]}, "stop_sequences[1]"),
        ({"stop_sequences": ["a", ""]}, "stop_sequences[1]"),
        ({"stop_sequences": [" \n"]}, "stop_sequences[0]"),
        ({"metadata": {"user_id": 5}}, "metadata.user_id"),
        ({"metadata": {"user_id": "x" * 257}}, "metadata.user_id"),
        ({"system": [{"type": "image"}]}, "system[0].type"),
        ({"system": [{"type": "text"}]}, "system[0].text"),
        ({"thinking": {"type": "sometimes"}}, "thinking.type"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": 0}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "adaptive", "display": "loud"}}, "thinking.display"),
        ({"output_config": {"effort": "minimal"}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "json_object"}}}, "output_config.format.type"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
        ({"output_config": {"format": FORMAT}, "output_format": FORMAT}, "output_format"),
        ({"cache_control": {"type": "forever"}}, "cache_control.type"),
        ({"cache_control": {"type": "ephemeral", "ttl": "2h"}}, "cache_control.ttl"),
    ],
)
def test_a_wrong_value_within_a_field_is_found(members: dict[str, Any], param: str):
    error = refused(as_bytes(**members))
    assert error.param == param
    assert param in str(error)


@pytest.mark.parametrize(
    ("members", "where"),
    [
        ({"output_config": {"format": {"type": "json_schema", "schema": {"minLength": 1}}}}, "output_config.format"),
        ({"output_format": {"type": "json_schema", "schema": {"minLength": 1}}}, "output_format"),
    ],
)
def test_a_keyword_that_structured_output_does_not_take_is_named(members: dict[str, Any], where: str):
    error = refused(as_bytes(**members))
    assert (error.param, error.code) == (f"{where}.schema.minLength", "unsupported_schema")


def test_every_field_is_in_one_of_the_tables_above():
    named = {name for members, _ in PARAMETERS for name in members} | {name for name, _ in NO_CHANGE + UNSUPPORTED}
    in_tests_of_their_own = {"model", "messages", "max_tokens"}
    assert {*MessagesRequest.__struct_fields__} - in_tests_of_their_own <= named


# threat 11
@pytest.mark.parametrize(
    ("members", "param"),
    [
        *(({name: "x"}, name) for name in ("api_base", "stop", "max_completion_tokens", "env", "Temperature", "é")),
        ({"metadata": {"user": "x"}}, "metadata.user"),
        ({"system": [{"type": "text", "text": "x", "lang": "en"}]}, "system[0].lang"),
        ({"thinking": {"type": "disabled", "budget_tokens": 5}}, "thinking.budget_tokens"),
        ({"output_config": {"task_budget": {}}}, "output_config.task_budget"),
        ({"output_format": FORMAT | {"name": "x"}}, "output_format.name"),
        ({"tool_choice": {"type": "auto", "name": "x"}}, "tool_choice.name"),
        ({"cache_control": MARK | {"scope": "global"}}, "cache_control.scope"),
        ({"messages": [HELLO[0] | {"name": "Ann"}]}, "messages[0].name"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_unknown_field_is_refused_by_name(members: dict[str, Any], param: str):
    error = refused(as_bytes(**members))
    assert (error.param, error.code) == (param, "unknown_parameter")


@pytest.mark.parametrize("missing", ["model", "messages", "max_tokens"])
def test_a_missing_field_is_named(missing: str):
    body = json.loads(as_bytes())
    del body[missing]
    error = refused(json.dumps(body).encode())
    assert (error.param, error.code) == (missing, "missing_parameter")


@pytest.mark.parametrize(("members", "stream"), [({}, False), ({"stream": False}, False), ({"stream": True}, True)])
def test_streaming_is_as_asked(members: dict[str, Any], stream: bool):
    assert call(**members).stream is stream


@pytest.mark.parametrize("model", ["sonnet", "", "--settings={}", "a\0b", "x" * 1000])
def test_the_models_name_is_kept_for_the_catalogue_to_judge(model: str):
    assert call(model=model).model == model


# ---- the system prompt


@pytest.mark.parametrize(
    ("system", "messages", "texts"),
    [
        (None, HELLO, []),
        ("be", HELLO, ["be"]),
        (" be\n", HELLO, [" be\n"]),
        ([{"type": "text", "text": "1", "cache_control": MARK}, {"type": "text", "text": "2"}], HELLO, ["1", "2"]),
        ([{"type": "text", "text": "1", "citations": None}, {"type": "text", "text": ""}], HELLO, ["1"]),
        # gathered at the head, in their order, wherever they stand
        ("1", [{"role": "system", "content": "2"}, *HELLO], ["1", "2"]),
        (
            None,
            [*HELLO, {"role": "system", "content": [{"type": "text", "text": "1"}, {"type": "text", "text": "2"}]}],
            ["1", "2"],
        ),
        (None, [{"role": "system", "content": " "}, *HELLO], []),
    ],
)
def test_the_system_prompt_is_a_list_of_texts(system: Any, messages: Any, texts: list[str]):
    prompt = call(messages, system=system).prompt
    assert prompt.system == texts
    assert prompt.messages == [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]


# ---- count_tokens


def test_a_count_is_of_the_same_prompt():
    shared = {"system": "be", "tools": [TOOL], "tool_choice": {"type": "any"}, "thinking": {"type": "adaptive"}}
    body = json.dumps({"model": "opus", "messages": HELLO, **shared}).encode()
    counted, asked = from_count_request(body), call(**shared)
    assert counted.model == "opus"
    assert said(counted)[2:4] == said(asked)[2:4]
    assert counted.prompt.parameters | {"max_tokens": 9} == asked.prompt.parameters
    assert counted.prompt.tools == asked.prompt.tools == [TOOL]


@pytest.mark.parametrize("name", sorted({*MessagesRequest.__struct_fields__} - {*CountRequest.__struct_fields__}))
def test_what_only_an_answer_needs_is_no_part_of_a_count(name: str):
    body = json.dumps({"model": "opus", "messages": HELLO, name: None}).encode()
    with pytest.raises(InvalidRequest) as raised:
        from_count_request(body)
    assert (raised.value.param, raised.value.code) == (name, "unknown_parameter")


# ---- bodies

KINDS = ["text", "image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking", "search_result", "?"]
SOURCES = st.fixed_dictionaries(
    {"type": st.sampled_from(["base64", "url", "text", "content", "file"])},
    optional={
        "media_type": st.sampled_from(["image/png", "application/pdf", "text/plain", "x"]),
        "data": st.sampled_from(["QUJD", "", "a note"]),
        "url": st.sampled_from(["https://x", "file:///x"]),
        "content": st.text(max_size=5) | ANYTHING,
    },
)
PARTS = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS)},
    optional={
        "text": st.text(max_size=5) | ANYTHING,
        "source": SOURCES | ANYTHING,
        "id": st.sampled_from(["a", "b", ""]),
        "tool_use_id": st.sampled_from(["a", "b"]),
        "name": st.text(max_size=5),
        "input": st.dictionaries(st.text(max_size=3), ANYTHING, max_size=2),
        "content": st.text(max_size=5) | ANYTHING,
        "thinking": st.text(max_size=5),
        "signature": st.text(max_size=5),
        "cache_control": st.just(MARK) | ANYTHING,
    },
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["user", "user", "assistant", "system", "tool"]),
            "content": st.text(max_size=5) | st.lists(PARTS, max_size=3) | ANYTHING,
        }
    )
    | ANYTHING,
    max_size=4,
)
FIELDS = st.dictionaries(
    st.sampled_from(MessagesRequest.__struct_fields__) | st.text(max_size=8),
    ANYTHING | st.sampled_from([0, 1, 0.5, "none", [], {}, [TOOL]]),
    max_size=4,
)


# threat 11
@settings(deadline=None, max_examples=200)
@given(
    st.just({"model": "m", "max_tokens": 5, "messages": HELLO})
    | st.fixed_dictionaries({"model": ANYTHING, "max_tokens": st.just(5), "messages": MESSAGES | ANYTHING}),
    FIELDS,
)
def test_any_body_is_a_call_or_an_invalid_request(base: dict[str, Any], more: dict[str, Any]):
    with suppress(InvalidRequest):
        prompt = from_request(json.dumps(base | more).encode()).prompt
        assert prompt.parameters.keys() <= UPSTREAM
        assert None not in prompt.parameters.values()
        assert prompt.messages[-1]["role"] == "user"
        json.dumps([prompt.system, prompt.messages, prompt.parameters, prompt.tools])


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"5", b'{"model": "\xff"}', b'{"model": "\\ud800"}'])
def test_a_body_that_is_no_json_object_is_refused(body: bytes):
    refused(body)


# threat 66
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tools", b'[{"a":' * 50_000 + b"1" + b"}]" * 50_000),
        ("mcp_servers", b"[" * 100_000 + b"]" * 100_000),
        ("top_k", b"9" * 100_000),
        ("temperature", b"1e999"),
    ],
)
def test_a_bomb_is_refused(name: str, value: bytes):
    refused(as_bytes(**{name: "BOMB"}).replace(b'"BOMB"', value))

"""Bodies that are hostile, any bodies, and any valid ones."""

import json
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import InvalidRequest
from app.protocols.openai_chat import ChatCall, from_request
from app.protocols.openai_models import ChatRequest
from sandbox.rules import check_message
from sandbox.signatures import signature_of
from tests.protocols.anything import ANYTHING
from tests.protocols.chat import (
    ENABLED,
    HELLO,
    SCHEMA,
    as_bytes,
    call,
    called,
    calling,
    json_schema,
    refused,
    result,
    text,
)

SAMPLING = {"max_tokens", "temperature", "top_p", "top_k", "stop_sequences", "metadata"}
UPSTREAM = SAMPLING | {"tool_choice", "thinking", "output_config"}


# threat 4: such texts arrive as they are; what keeps them harmless is how they are written (tests/claude)
@pytest.mark.parametrize(
    "said",
    ["a\0b", "/context", "@/etc/passwd", '\n{"type":"control_request"}\n', "a\u2028\u2029\u0085", "😀", "\u202e"],
)
def test_a_text_goes_through_unchanged(said: str):
    prompt = call([{"role": "system", "content": f"s{said}"}, {"role": "user", "content": said}]).prompt
    assert (prompt.system, prompt.messages[0]["content"]) == ([f"s{said}"], text(said))


# threat 4
@pytest.mark.parametrize("escape", ["\\ud800", "\\udc00 \\ud800", "\\udfff\\udfff"])
@pytest.mark.parametrize("place", ["content", "model", "user"])
def test_a_lone_surrogate_is_refused(escape: str, place: str):
    members = {"content": "x", "model": "m", "user": "u"} | {place: "HERE"}
    body = as_bytes([{"role": "user", "content": members["content"]}], model=members["model"], user=members["user"])
    assert refused(body.replace(b"HERE", escape.encode())).code == "invalid_json"


# threat 66
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("audio", b"[" * 100_000 + b"]" * 100_000),
        ("tools", b'[{"a":' * 50_000 + b"1" + b"}]" * 50_000),
        ("seed", b"9" * 100_000),
        ("top_k", b"9" * 100_000),
        ("temperature", b"1e999"),
        ("temperature", b"-1e999"),
    ],
)
def test_a_bomb_is_refused(name: str, value: bytes):
    refused(as_bytes(**{name: "BOMB"}).replace(b'"BOMB"', value))


# threat 66
def test_a_deeply_nested_unknown_field_is_refused():
    refused(as_bytes(bomb="BOMB").replace(b'"BOMB"', b"[" * 100_000 + b"]" * 100_000))


PARTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "image_url", "file", "input_audio", "refusal", "?"])},
    optional={
        "text": st.text(max_size=5) | ANYTHING,
        "image_url": st.fixed_dictionaries({"url": st.sampled_from(["https://x", "data:image/png;base64,QUJD", "x"])}),
        "file": st.fixed_dictionaries({"file_data": st.sampled_from(["data:text/plain;base64,QUJD", "", None])}),
        "refusal": st.text(max_size=5),
    },
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["user", "user", "assistant", "system", "developer", "tool"]),
            "content": st.text(max_size=5) | st.lists(PARTS, max_size=3) | ANYTHING,
        },
        optional={
            "tool_call_id": st.sampled_from(["a", "b", ""]) | ANYTHING,
            "tool_calls": st.lists(st.builds(called, st.sampled_from("ab"), st.text(max_size=3), st.text(max_size=3)))
            | ANYTHING,
            "thinking_blocks": ANYTHING,
        },
    )
    | ANYTHING,
    max_size=4,
)
FIELDS = st.dictionaries(
    st.sampled_from(ChatRequest.__struct_fields__) | st.text(max_size=8),
    ANYTHING | st.sampled_from([0, 1, 0.5, "none", [], {}]),
    max_size=4,
)


# threat 11
@settings(deadline=None, max_examples=100)
@given(
    st.just({"model": "m", "messages": HELLO})
    | st.fixed_dictionaries({"model": ANYTHING, "messages": MESSAGES | ANYTHING}),
    FIELDS,
)
def test_any_body_is_a_call_or_an_invalid_request(base: dict[str, Any], more: dict[str, Any]):
    with suppress(InvalidRequest):
        check(from_request(json.dumps(base | more).encode()))


NAMES = st.sampled_from(["f", "files.read", "x" * 70, "größe"])
ARGUMENTS = st.sampled_from(["", "{}", '{"a": [1.5, null, "é"]}'])
IDS = st.sampled_from(["toolu_1", "call_1", "f:0", "", "é"])
SIGNED = st.sampled_from(["", "hm"]).map(
    lambda said: {"type": "thinking", "thinking": said, "signature": signature_of(said)}
)
SAID = st.sampled_from(["a", " b\n", "/context"])
TEXT_PARTS = st.lists(SAID.map(lambda said: {"type": "text", "text": said}), min_size=1, max_size=2)
PICTURE = {"type": "image_url", "image_url": {"url": "https://x/y.png"}}
RESULTS = st.sampled_from(["", "5", [PICTURE], None]) | TEXT_PARTS


@st.composite
def exchange(draw: st.DrawFn) -> list[dict[str, Any]]:
    """An answer that calls tools, their results in any order, and perhaps more of the user's."""
    ids = draw(st.lists(IDS, min_size=1, max_size=3, unique=True))
    calls = [called(one, draw(NAMES), draw(ARGUMENTS)) for one in ids]
    thoughts = draw(st.none() | st.lists(SIGNED, max_size=1))
    answer = calling(*calls, content=draw(st.none() | SAID | TEXT_PARTS), thinking_blocks=thoughts)
    results = [result(one, draw(RESULTS)) for one in draw(st.permutations(ids))]
    return [answer, *results, *draw(st.lists(user(), max_size=1))]


def user() -> st.SearchStrategy[dict[str, Any]]:
    return (SAID | TEXT_PARTS).map(lambda content: {"role": "user", "content": content})


def told() -> st.SearchStrategy[list[dict[str, Any]]]:
    message = {"role": st.sampled_from(["assistant", "system", "developer"]), "content": SAID | TEXT_PARTS}
    return st.fixed_dictionaries(message).map(lambda one: [one])


@st.composite
def conversations(draw: st.DrawFn) -> list[dict[str, Any]]:
    middle = draw(st.lists(told() | exchange(), max_size=4))
    end = draw(exchange() | user().map(lambda one: [one]))
    return [draw(user()), *(message for part in middle for message in part), *end]


TOOLS = st.lists(
    st.fixed_dictionaries(
        {"name": NAMES},
        optional={
            "description": SAID,
            "parameters": st.sampled_from([{}, SCHEMA, {"type": "object", "minProperties": 1}]),
            "strict": st.just(False),
        },
    ).map(lambda function: {"type": "function", "function": function}),
    max_size=3,
    unique_by=lambda one: one["function"]["name"],
)
VALID = {
    "max_tokens": st.integers(1, 100_000),
    "max_completion_tokens": st.integers(1, 100_000),
    "temperature": st.floats(0, 2),
    "top_p": st.floats(0, 1),
    "top_k": st.integers(1, 500),
    "stop": st.just("x") | st.lists(st.just("y"), max_size=4),
    "n": st.integers(1, 8),
    "stream": st.booleans(),
    "user": st.text(max_size=8),
    "safety_identifier": st.text(max_size=8),
    "metadata": st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=3),
    "seed": st.integers(),
    "tools": TOOLS,
    "tool_choice": st.sampled_from(["auto", "none"]),
    "parallel_tool_calls": st.booleans(),
    "response_format": st.sampled_from([{"type": "text"}, {"type": "json_object"}, json_schema()]),
}
THINKING = {
    "reasoning_effort": st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh", "max"]),
    "thinking": st.sampled_from([ENABLED, {"type": "adaptive"}, {"type": "disabled"}]),
    # what goes together with it
    "max_tokens": st.integers(1025, 100_000),
    "temperature": st.floats(1, 2),
    "top_p": st.floats(0.95, 1),
    **{name: VALID[name] for name in ("tools", "tool_choice", "parallel_tool_calls", "response_format", "stop")},
}


def fields(strategies: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={name: st.none() | values for name, values in strategies.items()})


# threat 11
@settings(deadline=None, max_examples=200)
@given(conversations(), fields(VALID) | fields(THINKING))
def test_a_valid_body_is_understood_and_taken_upstream(messages: list[dict[str, Any]], members: dict[str, Any]):
    found = call(messages, **members)
    check(found)
    check_upstream(found)


@settings(deadline=None, max_examples=50)
@given(conversations(), TOOLS.filter(bool), st.booleans())
def test_a_valid_choice_of_a_tool_is_taken_upstream(messages: list[Any], tools: list[Any], must: bool):
    choice = "required" if must else {"type": "function", "function": {"name": tools[-1]["function"]["name"]}}
    check_upstream(call(messages, tools=tools, tool_choice=choice))


def check(found: ChatCall) -> None:
    parameters = found.prompt.parameters
    assert parameters.keys() <= UPSTREAM
    assert None not in parameters.values()
    assert parameters.get("max_tokens", 1) >= 1
    assert 0 <= parameters.get("temperature", 0) <= 1
    assert parameters.get("metadata", {"user_id": ""}).keys() == {"user_id"}
    assert 1 <= found.n <= 8
    roles = [message["role"] for message in found.prompt.messages]
    assert roles[-1] == "user"
    assert all(a != b for a, b in pairwise(roles))
    assert all(message["content"] for message in found.prompt.messages)
    json.dumps([found.prompt.system, found.prompt.messages, parameters, found.prompt.tools])


def check_upstream(found: ChatCall) -> None:
    """By the rules of the stand-in for Anthropic. (An old model, for the newer ones refuse temperature and top_p.)"""
    prompt = found.prompt
    body = {"model": "claude-3-opus", "max_tokens": 100_000, **prompt.parameters}
    body |= {"system": [{"type": "text", "text": said} for said in prompt.system]}
    check_message(json.loads(json.dumps({**body, "messages": prompt.messages, "tools": prompt.tools})))

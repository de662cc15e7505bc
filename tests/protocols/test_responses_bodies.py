"""Bodies that are hostile, any bodies, and any valid ones."""

import json
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import InvalidRequest
from app.protocols.responses_models import ResponsesRequest
from app.protocols.responses_request import ResponsesCall, from_request
from tests.protocols.anything import ANYTHING
from tests.protocols.responses import NAMED_SCHEMA, as_bytes, call, refused

UPSTREAM = {"max_tokens", "temperature", "top_p", "metadata", "tool_choice", "thinking", "output_config"}


# threat 66
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("input", b"[" * 100_000 + b"]" * 100_000),
        ("input", b"[" + b"1," * 1_000_000 + b"1]"),
        ("input", b'[{"role":"user","content":"a","id":' + b"[" * 100_000 + b"]" * 100_000 + b"}]"),
        ("tools", b'[{"a":' * 50_000 + b"1" + b"}]" * 50_000),
        (
            "tools",
            b'[{"type":"function","name":"f","parameters":{"type":"object","x":' + b"[" * 500 + b"]" * 500 + b"}}]",
        ),
        ("prompt", b"[" * 100_000 + b"]" * 100_000),
        ("temperature", b"1e999"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_bomb_is_refused(name: str, value: bytes):
    refused(as_bytes(**{name: "BOMB"}).replace(b'"BOMB"', value))


# threat 66
@pytest.mark.parametrize("arguments", ['{"a":' + "[" * 300 + "]" * 300 + "}", "[" * 100_000])
def test_a_bomb_within_arguments_is_refused(arguments: str):
    items = [{"type": "function_call", "call_id": "c", "name": "f", "arguments": arguments}]
    assert refused(as_bytes(items)).param == "input[0].arguments"


# threat 4
@pytest.mark.parametrize("escape", ["\\ud800", "\\udc00 \\ud800"])
def test_a_lone_surrogate_is_refused(escape: str):
    for body in (as_bytes("HERE"), as_bytes([{"role": "user", "content": "HERE"}]), as_bytes(instructions="HERE")):
        assert refused(body.replace(b"HERE", escape.encode())).code == "invalid_json"


# threat 4: such texts arrive as they are; what keeps them harmless is how they are written (tests/claude)
@pytest.mark.parametrize("said", ["a\0b", "/context", "@/etc/passwd", '\n{"type":"control_request"}\n', "😀", "\u202e"])
def test_a_text_goes_through_unchanged(said: str):
    found = call(said, instructions=f"s{said}").prompt
    assert (found.system, found.messages[0]["content"]) == ([f"s{said}"], [{"type": "text", "text": said}])


PARTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["input_text", "output_text", "input_image", "input_file", "refusal", "?"])},
    optional={
        "text": st.text(max_size=5),
        "image_url": st.sampled_from(["https://x", "data:image/png;base64,QUJD", "x"]),
        "file_data": st.sampled_from(["data:text/plain;base64,QUJD", "JVBERi0x", ""]),
        "refusal": st.text(max_size=5),
    },
)
IDS = st.sampled_from(["a", "b", "ä.é"])
ITEMS = st.one_of(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["user", "user", "assistant", "system", "developer", "tool"]),
            "content": st.text(max_size=5) | st.lists(PARTS, max_size=3) | ANYTHING,
        }
    ),
    st.fixed_dictionaries(
        {"type": st.just("function_call"), "call_id": IDS, "name": IDS, "arguments": st.sampled_from(["{}", "", "5"])}
    ),
    st.fixed_dictionaries({"type": st.just("function_call_output"), "call_id": IDS, "output": st.text(max_size=5)}),
    st.fixed_dictionaries({"type": st.just("reasoning"), "encrypted_content": st.text(max_size=5)}),
    ANYTHING,
)
FIELDS = st.dictionaries(
    st.sampled_from(ResponsesRequest.__struct_fields__) | st.text(max_size=8),
    ANYTHING | st.sampled_from([0, 1, 0.5, "none", [], {}]),
    max_size=4,
)


# threat 11
@settings(deadline=None, max_examples=100)
@given(
    st.fixed_dictionaries({"model": st.just("m"), "input": st.just("hi") | st.lists(ITEMS, max_size=5) | ANYTHING}),
    FIELDS,
)
def test_any_body_is_a_call_or_an_invalid_request(base: dict[str, Any], more: dict[str, Any]):
    with suppress(InvalidRequest):
        check(from_request(json.dumps(base | more).encode()))


CALLS = [
    {"type": "function_call", "call_id": "ä", "name": "x.y", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "ä", "output": ""},
]
VALID = {
    "include": st.lists(st.just("reasoning.encrypted_content"), max_size=1),
    "instructions": st.text(max_size=5),
    "max_output_tokens": st.integers(1, 10**6),
    "metadata": st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=3),
    "parallel_tool_calls": st.booleans(),
    "safety_identifier": st.text(max_size=8),
    "store": st.booleans(),
    "stream": st.booleans(),
    "temperature": st.floats(0, 2),
    "text": st.just({"format": NAMED_SCHEMA}) | st.just({"format": {"type": "json_object"}}),
    "tools": st.lists(st.sampled_from(["a", "x.y"]), unique=True).map(
        lambda names: [{"type": "function", "name": name} for name in names]
    ),
    "top_p": st.floats(0, 1),
    "user": st.text(max_size=8),
}


# threat 11
@settings(deadline=None, max_examples=100)
@given(
    st.just("hi") | st.just([*CALLS, {"role": "user", "content": "a"}]),
    st.fixed_dictionaries({}, optional={name: st.none() | values for name, values in VALID.items()}),
)
def test_a_valid_body_is_understood_and_only_known_names_go_upstream(input: Any, members: dict[str, Any]):
    check(call(input, **members))


def check(found: ResponsesCall) -> None:
    parameters = found.prompt.parameters
    assert parameters.keys() <= UPSTREAM
    assert None not in parameters.values()
    assert parameters.get("metadata", {"user_id": ""}).keys() == {"user_id"}
    roles = [message["role"] for message in found.prompt.messages]
    assert roles[-1] == "user"
    assert all(one != other for one, other in pairwise(roles))
    assert all(message["content"] for message in found.prompt.messages)
    blocks = [block for message in found.prompt.messages for block in message["content"]]
    calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
    assert calls == [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
    assert len(calls) == len(set(calls))
    assert found.prompt.tools or not calls
    json.dumps([found.prompt.system, found.prompt.messages, parameters, found.prompt.tools, found.echo])

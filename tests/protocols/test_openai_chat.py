import json
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import InvalidRequest
from app.protocols.openai_chat import ChatCall, from_request, model_page, to_model
from app.protocols.openai_models import ChatRequest

HELLO = [{"role": "user", "content": "hi"}]
UPSTREAM = {"max_tokens", "temperature", "top_p", "top_k", "stop_sequences", "metadata"}


def as_bytes(messages: Any = HELLO, **members: Any) -> bytes:
    return json.dumps({"model": "sonnet", "messages": messages, **members}).encode()


def call(messages: Any = HELLO, **members: Any) -> ChatCall:
    return from_request(as_bytes(messages, **members))


def refused(body: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as raised:
        from_request(body)
    assert str(raised.value)
    return raised.value


def text(*said: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": one} for one in said]


# ---- the fields, one by one

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
    ("reasoning_effort", "high"),
    ("response_format", {"type": "json_object"}),
    ("tool_choice", "required"),
    ("tool_choice", {"type": "function", "function": {"name": "f"}}),
    ("tools", [{"type": "function", "function": {"name": "f"}}]),
    ("moderation", {}),
    ("verbosity", "low"),
    ("web_search_options", {}),
]

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
    ("verbosity", 1),
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
    assert (error.param, error.code) == (name, "invalid_value")


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"metadata": {"a": 5}}, "metadata[...]"),
        ({"stop": ["a", 5]}, "stop[1]"),
        ({"stream": True, "stream_options": {"include_usage": "yes"}}, "stream_options.include_usage"),
    ],
)
def test_a_wrong_value_within_a_field_is_found(members: dict[str, Any], param: str):
    assert refused(as_bytes(**members)).param == param


def test_every_field_is_in_one_of_the_tables_above():
    named = {name for members, _ in PARAMETERS for name in members} | {name for name, _ in NO_CHANGE + UNSUPPORTED}
    in_tests_of_their_own = {"model", "messages", "stream_options"}
    assert {*ChatRequest.__struct_fields__} - in_tests_of_their_own <= named


# threat 11
@pytest.mark.parametrize(
    "name",
    ["api_base", "base_url", "headers", "extra_body", "mcp_servers", "system", "env", "thinking", "Temperature", "é"],
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


# ---- the conversation


def turns(*said: tuple[str, Any]) -> list[dict[str, Any]]:
    return [{"role": role, "content": content} for role, content in said]


S, D, U, A = "system", "developer", "user", "assistant"


@pytest.mark.parametrize(
    ("messages", "system", "conversation"),
    [
        (turns((U, "hi")), [], [(U, ["hi"])]),
        (turns((S, "be"), (U, "hi")), ["be"], [(U, ["hi"])]),
        (turns((D, "be"), (U, "hi")), ["be"], [(U, ["hi"])]),
        # gathered at the head, in their order, wherever they stand
        (
            turns((S, "1"), (U, "a"), (D, "2"), (A, "b"), (S, "3"), (U, "c"), (D, "4")),
            ["1", "2", "3", "4"],
            [(U, ["a"]), (A, ["b"]), (U, ["c"])],
        ),
        (turns((S, text("1", "2")), (U, "hi")), ["1\n2"], [(U, ["hi"])]),
        (turns((S, ""), (D, " \n"), (S, []), (U, "hi")), [], [(U, ["hi"])]),
        (turns((S, " be\n"), (U, "hi")), [" be\n"], [(U, ["hi"])]),
        # neighbours of one role are one message
        (turns((U, "a"), (U, "b")), [], [(U, ["a", "b"])]),
        (turns((U, "a"), (S, "s"), (U, "b")), ["s"], [(U, ["a", "b"])]),
        (turns((U, "a"), (A, "b"), (A, "c"), (U, "d")), [], [(U, ["a"]), (A, ["b", "c"]), (U, ["d"])]),
        # blank answers say nothing
        (turns((U, "a"), (A, ""), (U, "b")), [], [(U, ["a", "b"])]),
        (turns((U, "a"), (A, None), (U, "b")), [], [(U, ["a", "b"])]),
        (turns((U, "a"), (A, []), (A, "b"), (A, " "), (U, "c")), [], [(U, ["a"]), (A, ["b"]), (U, ["c"])]),
        (turns((A, "b"), (U, "c")), [], [(A, ["b"]), (U, ["c"])]),
        (turns((U, text("a", " ", "b"))), [], [(U, ["a", "b"])]),
    ],
)
def test_messages_keep_their_roles_and_order(messages: Any, system: list[str], conversation: list[Any]):
    prompt = call(messages).prompt
    assert prompt.system == system
    assert prompt.messages == [{"role": role, "content": text(*said)} for role, said in conversation]


def test_an_answer_can_be_sent_back_as_it_came():
    answer = {"role": "assistant", "content": "b", "refusal": None, "annotations": [], "audio": None}
    answer |= {"function_call": None, "tool_calls": None, "name": None}
    prompt = call([*HELLO, answer, *HELLO]).prompt
    assert prompt.messages[1] == {"role": "assistant", "content": text("b")}


@pytest.mark.parametrize(
    "answer", [{"content": None, "refusal": "No."}, {"content": [{"type": "refusal", "refusal": "No."}]}]
)
def test_a_refusal_is_told_as_what_was_said(answer: dict[str, Any]):
    prompt = call([*HELLO, {"role": "assistant", **answer}, *HELLO]).prompt
    assert prompt.messages[1]["content"] == text("No.")


def test_a_name_is_taken_and_has_no_use():
    assert call([{"role": "user", "content": "hi", "name": "Ann"}]) == call()


@pytest.mark.parametrize("detail", ["auto", "low", "high", None])
def test_images_stand_among_the_text(detail: str | None):
    picture = {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": detail}}
    (message,) = call(turns((U, [*text("a"), picture, *text("b")]))).prompt.messages
    source = {"type": "url", "url": "https://x/y.png"}
    assert message["content"] == [*text("a"), {"type": "image", "source": source}, *text("b")]


PART = {"type": "text", "text": "x"}


@pytest.mark.parametrize(
    ("messages", "param", "code"),
    [
        (turns((S, "be")), "messages", "invalid_value"),
        (turns((U, "a"), (A, "b")), "messages", "invalid_value"),
        (turns((A, "b")), "messages", "invalid_value"),
        (turns((A, "")), "messages", "invalid_value"),
        (turns((U, "")), "messages[0].content", "invalid_value"),
        (turns((U, "a"), (A, "b"), (U, " \n")), "messages[2].content", "invalid_value"),
        (turns((U, "a"), (U, " \n")), "messages[1].content", "invalid_value"),
        (turns((U, [])), "messages[0].content", "invalid_value"),
        (turns((U, text("", " "))), "messages[0].content", "invalid_value"),
        (turns((U, None)), "messages[0].content", "invalid_value"),
        (turns((U, 5)), "messages[0].content", "invalid_value"),
        (turns((U, ["a"])), "messages[0].content[0]", "invalid_value"),
        (turns((S, None), (U, "a")), "messages[0].content", "invalid_value"),
        (turns(("", "a")), "messages[0].role", "invalid_value"),
        (turns(("User", "a")), "messages[0].role", "invalid_value"),
        (turns(("unknown field `x`", "a")), "messages[0].role", "invalid_value"),
        ([{"content": "a"}], "messages[0].role", "missing_parameter"),
        ([{"role": None, "content": "a"}], "messages[0].role", "invalid_value"),
        ([{"role": "user"}], "messages[0].content", "missing_parameter"),
        ([None], "messages[0]", "invalid_value"),
        ([{"role": "user", "content": "a", "cache_control": {}}], "messages[0].cache_control", "unknown_parameter"),
        ([{"role": "user", "content": "a", "tool_calls": []}], "messages[0].tool_calls", "unknown_parameter"),
        (turns((U, [PART, {"type": "text"}])), "messages[0].content[1].text", "missing_parameter"),
        (turns((U, [PART | {"text": None}])), "messages[0].content[0].text", "invalid_value"),
        (turns((U, [PART | {"cache_control": {}}])), "messages[0].content[0].cache_control", "unknown_parameter"),
        (turns((U, [{"text": "x"}])), "messages[0].content[0].type", "missing_parameter"),
        (turns((U, [{"type": "video"}])), "messages[0].content[0].type", "invalid_value"),
        (turns((U, [{"type": "refusal", "refusal": "x"}])), "messages[0].content[0].type", "invalid_value"),
        (turns((S, [{"type": "image_url"}]), (U, "a")), "messages[0].content[0].type", "invalid_value"),
        (turns((U, [{"type": "image_url"}])), "messages[0].content[0].image_url", "missing_parameter"),
        (
            turns((U, [{"type": "image_url", "image_url": "https://x"}])),
            "messages[0].content[0].image_url",
            "invalid_value",
        ),
        (
            turns((U, [{"type": "image_url", "image_url": {"url": "https://x", "detail": "max"}}])),
            "messages[0].content[0].image_url.detail",
            "invalid_value",
        ),
        (
            turns((U, "a"), (U, [PART, {"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}])),
            "messages[1].content[1].image_url.url",
            "invalid_value",
        ),
        (
            turns((U, [{"type": "file", "file": {"file_id": "f"}}])),
            "messages[0].content[0].file.file_id",
            "unsupported_parameter",
        ),
        (
            turns((U, [{"type": "input_audio", "input_audio": {}}])),
            "messages[0].content[0]",
            "unsupported_parameter",
        ),
        ([*HELLO, {"role": "assistant", "tool_calls": [{}]}, *HELLO], "messages[1]", "unsupported_parameter"),
        ([*HELLO, {"role": "assistant", "audio": {"id": "a"}}, *HELLO], "messages[1]", "unsupported_parameter"),
        ([*HELLO, {"role": "tool", "tool_call_id": "t", "content": "5"}], "messages[1]", "unsupported_parameter"),
    ],
)
def test_a_wrong_message_is_refused_by_its_place(messages: Any, param: str, code: str):
    error = refused(as_bytes(messages))
    assert (error.param, error.code) == (param, code)


# ---- hostile bodies


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


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
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
        }
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


VALID = {
    "max_tokens": st.integers(1, 10**6),
    "max_completion_tokens": st.integers(1, 10**6),
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
}


# threat 11
@settings(deadline=None, max_examples=100)
@given(st.fixed_dictionaries({}, optional={name: st.none() | values for name, values in VALID.items()}))
def test_a_valid_body_is_understood_and_only_known_names_go_upstream(members: dict[str, Any]):
    check(call(**members))


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
    json.dumps([found.prompt.system, found.prompt.messages, parameters])


# ---- models


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

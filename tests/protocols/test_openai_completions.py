import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types import Completion

from app.errors import InvalidRequest, RateLimited, StreamBroken
from app.protocols.openai_completions import CompletionAnswer, CompletionCall, CompletionRequest, from_request
from tests.protocols.chat import text
from tests.protocols.events import RESTART, Event, calls, message, reply, says, start, thinks

# ---- requests


def as_bytes(**members: Any) -> bytes:
    return json.dumps({"model": "sonnet", "prompt": "hi"} | members).encode()


def call(**members: Any) -> CompletionCall:
    return from_request(as_bytes(**members))


def refused(body: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as raised:
        from_request(body)
    return raised.value


@pytest.mark.parametrize("prompt", ["hi", ["hi"]])
def test_the_prompt_is_the_users_message(prompt: Any):
    found = call(prompt=prompt)
    assert found.model == "sonnet"
    assert (found.prompt.system, found.prompt.parameters, found.prompt.tools) == ([], {}, ())
    assert found.prompt.messages == [{"role": "user", "content": text("hi")}]


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ([""], "is empty"),
        ([], "one text is taken, and 0 were sent"),
        (["a", "b"], "one text is taken, and 2 were sent; send a request for each"),
        (None, "expected"),
        (5, "expected"),
    ],
)
def test_another_prompt_is_refused_with_the_fix(prompt: Any, said: str):
    error = refused(as_bytes(prompt=prompt))
    assert (error.param, error.code) == ("prompt", "invalid_value")
    assert said in str(error)


@pytest.mark.parametrize(
    ("prompt", "param"), [([1, 2], "prompt[0]"), ([[1], [3]], "prompt[0]"), (["a", 5], "prompt[1]")]
)
def test_tokens_are_refused_with_the_fix(prompt: Any, param: str):
    error = refused(as_bytes(prompt=prompt))
    assert (error.param, error.code) == (param, "invalid_value")
    assert str(error) == f"{param}: tokens are not understood here; send a text."


PARAMETERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"max_tokens": 5}, {"max_tokens": 5}),
    ({"temperature": 1.5}, {"temperature": 1.0}),
    ({"temperature": 1, "top_p": 0.9}, {"top_p": 0.9}),
    ({"stop": "END"}, {"stop_sequences": ["END"]}),
    ({"stop": ["a", "b"]}, {"stop_sequences": ["a", "b"]}),
    ({"user": "u"}, {"metadata": {"user_id": "u"}}),
]
NO_CHANGE: list[tuple[str, Any]] = [
    ("best_of", 1),
    ("echo", False),
    ("frequency_penalty", 0),
    ("presence_penalty", 0.0),
    ("logit_bias", {}),
    ("logprobs", False),
    ("seed", 5),
    ("suffix", ""),
    ("n", 1),
    ("stream", False),
]
UNSUPPORTED: list[tuple[str, Any]] = [
    ("best_of", 2),
    ("echo", True),
    ("frequency_penalty", 1),
    ("presence_penalty", 1),
    ("logit_bias", {"5": 1}),
    ("logprobs", 0),
    ("logprobs", 5),
    ("suffix", "end"),
]


@pytest.mark.parametrize("best_of", [None, 1, 3])
def test_the_best_of_as_many_as_are_wanted_asks_for_nothing(best_of: int | None):
    assert call(n=3, best_of=best_of) == call(n=3)


def test_the_best_of_more_than_are_wanted_is_refused():
    assert refused(as_bytes(n=3, best_of=4)).param == "best_of"


@pytest.mark.parametrize(("members", "parameters"), PARAMETERS)
def test_parameters_go_upstream_in_anthropics_words(members: dict[str, Any], parameters: dict[str, Any]):
    assert call(**members).prompt.parameters == parameters


@pytest.mark.parametrize(("name", "value"), NO_CHANGE)
def test_a_value_that_asks_for_nothing_passes_and_changes_nothing(name: str, value: Any):
    assert call(**{name: value}) == call()


@pytest.mark.parametrize("name", sorted({*CompletionRequest.__struct_fields__} - {"model", "prompt"}))
def test_null_is_as_good_as_absent(name: str):
    assert call(**{name: None}) == call()


@pytest.mark.parametrize(("name", "value"), UNSUPPORTED)
def test_an_unsupported_value_is_refused_by_name(name: str, value: Any):
    error = refused(as_bytes(**{name: value}))
    assert (error.param, error.code) == (name, "unsupported_parameter")


@pytest.mark.parametrize(
    ("members", "param", "code"),
    [
        ({"max_tokens": 0}, "max_tokens", "invalid_value"),
        ({"n": 9}, "n", "invalid_value"),
        ({"stop": " "}, "stop", "invalid_value"),
        ({"stream_options": {}}, "stream_options", "invalid_value"),
        ({"messages": []}, "messages", "unknown_parameter"),
        ({"tools": []}, "tools", "unknown_parameter"),
        ({"top_k": 5}, "top_k", "unknown_parameter"),
    ],
)
def test_a_wrong_or_unknown_field_is_refused_by_name(members: dict[str, Any], param: str, code: str):
    error = refused(as_bytes(**members))
    assert (error.param, error.code) == (param, code)


def test_every_field_is_in_one_of_the_tables_above():
    named = {name for members, _ in PARAMETERS for name in members} | {name for name, _ in NO_CHANGE + UNSUPPORTED}
    assert {*CompletionRequest.__struct_fields__} - {"model", "prompt", "stream_options"} <= named


def test_streaming_and_n_are_as_asked():
    found = call(stream=True, stream_options={"include_usage": True}, n=3)
    assert (found.stream, found.include_usage, found.n) == (True, True, 3)
    assert (call().stream, call().include_usage, call().n) == (False, False, 1)


# ---- answers


def answer(n: int = 1, **options: Any) -> CompletionAnswer:
    return CompletionAnswer("cmpl-1", 1_700_000_000, "sonnet", n, **options)


def gathered(events: list[Event], n: int = 1) -> dict[str, Any]:
    whole = answer(n)
    for event in events:
        for index in range(n):
            whole.take(index, event)
    Completion.model_validate(whole.whole(), strict=True)
    return whole.whole()


def chunks(events: list[Event], **options: Any) -> list[dict[str, Any]]:
    stream = answer(**options)
    *sent, done = (b"".join(stream.encode(0, event) for event in events) + stream.end()).split(b"\n\n")[:-1]
    assert done == b"data: [DONE]"
    return [json.loads(chunk.removeprefix(b"data: ")) for chunk in sent]


def test_a_whole_answer_is_a_text():
    assert gathered(reply("Hel", "lo"), n=2) == {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1_700_000_000,
        "model": "claude-sonnet-5-5",
        "choices": [{"text": "Hello", "index": index, "logprobs": None, "finish_reason": "stop"} for index in range(2)],
        "usage": {
            "prompt_tokens": 14,
            "completion_tokens": 10,
            "total_tokens": 24,
            "prompt_tokens_details": {"cached_tokens": 0},
        },
    }


def test_a_stream_is_text_finish_and_done():
    found = chunks(reply("Hel", "lo", stop_reason="max_tokens"))
    assert [chunk["choices"] for chunk in found] == [
        [{"text": said, "index": 0, "logprobs": None, "finish_reason": finish}]
        for said, finish in [("Hel", None), ("lo", None), ("", "length")]
    ]
    assert {(chunk["id"], chunk["object"], chunk["model"]) for chunk in found} == {
        ("cmpl-1", "text_completion", "claude-sonnet-5-5")
    }


def test_usage_comes_last_when_asked_for():
    *others, last = chunks(reply("a"), include_usage=True)
    assert [chunk["usage"] for chunk in others] == [None] * len(others)
    assert (last["choices"], last["usage"]["total_tokens"]) == ([], 12)


def test_nothing_but_text_is_told():
    events = message(thinks(0, "hm"), says(1, "a"), calls(2, "t", "f", "{}"), stop_reason="tool_use")
    assert [chunk["choices"][0]["text"] for chunk in chunks(events)] == ["a", ""]
    assert gathered(events)["choices"] == [{"text": "a", "index": 0, "logprobs": None, "finish_reason": "stop"}]


def test_a_restart_is_told_only_when_it_would_tell_twice():
    again = reply("Hello")
    assert chunks([start(), *thinks(0, "hm"), RESTART, *again]) == chunks(again)
    assert gathered([start(), *says(0, "Hel"), RESTART, *again]) == gathered(again)
    stream = answer()
    stream.encode(0, says(0, "Hel")[1])
    with pytest.raises(StreamBroken):
        stream.encode(0, RESTART)


def test_a_stream_that_fails_ends_with_openais_error():
    sent = answer().failed(RateLimited("Slow down."))
    assert json.loads(sent.removeprefix(b"data: "))["error"]["code"] == "rate_limit_exceeded"


@settings(deadline=None)
@given(st.lists(st.text(max_size=5), max_size=5))
def test_the_chunks_put_together_are_the_whole_answer(said: list[str]):
    found = chunks(reply(*said))
    assert "".join(chunk["choices"][0]["text"] for chunk in found) == gathered(reply(*said))["choices"][0]["text"]

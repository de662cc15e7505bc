import json
from typing import Any

import pytest

from app import errors
from app.errors import PosternError, StreamBroken
from app.protocols.openai_answer import to_error, to_usage
from app.protocols.openai_choice import FINISH_REASONS
from tests.protocols.answers import answer, chunks, gathered, one, streamed
from tests.protocols.events import (
    MODEL,
    RESTART,
    STOP,
    delta,
    reply,
    start,
    text,
    thinks,
)

# ---- streams


def test_a_stream_is_role_text_finish_and_done():
    found, sent = streamed(one(*reply("Hel", "lo")))
    assert [chunk["choices"] for chunk in found] == [
        [{"index": 0, "delta": choice_delta, "logprobs": None, "finish_reason": finish}]
        for choice_delta, finish in [
            ({"role": "assistant", "content": ""}, None),
            ({"content": "Hel"}, None),
            ({"content": "lo"}, None),
            ({}, "stop"),
        ]
    ]
    assert sent.endswith(b"}\n\ndata: [DONE]\n\n")


def test_every_chunk_has_the_same_head_and_the_model_that_answered():
    found, _ = streamed(one(*reply("a")), include_usage=True)
    assert {(c["id"], c["object"], c["created"], c["model"]) for c in found} == {
        ("chatcmpl-1", "chat.completion.chunk", 1_700_000_000, MODEL)
    }


@pytest.mark.parametrize("model", [None, ""])
def test_without_a_name_from_upstream_the_model_is_the_one_that_was_asked_for(model: str | None):
    found, _ = streamed(one(start(model), delta(), STOP))
    assert {chunk["model"] for chunk in found} == {"sonnet"}


def test_usage_comes_last_and_only_when_asked_for():
    found, _ = streamed(one(*reply("a")))
    assert all("usage" not in chunk for chunk in found)
    *others, last = streamed(one(*reply("a")), include_usage=True)[0]
    assert [chunk["usage"] for chunk in others] == [None] * len(others)
    assert last["choices"] == []
    assert last["usage"]["total_tokens"] == 12


def test_usage_that_nobody_reported_is_not_made_up():
    *_, last = streamed(one(start(), delta(), STOP), include_usage=True)[0]
    assert (last["choices"], last["usage"]) == ([], None)


@pytest.mark.parametrize("said", ["", " ", "\n\n", "a\0b", "\u2028", "data: [DONE]\n\n", "é😀", '"}]}'])
def test_a_text_is_streamed_as_it_came(said: str):
    found, sent = streamed(one(*reply(said)))
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in found) == said
    assert sent.count(b"\n\n") == sent.count(b"\n") / 2 == len(found) + 1


UNKNOWN = [
    {"type": "content_block_start", "index": 0, "content_block": {"type": "tomorrows_block", "text": "not said"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "tomorrows_delta", "text": "not said"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": {}}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "of nothing"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "of nothing"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_stop", "index": 7},
    {"type": "ping"},
    {"type": "tomorrows_event"},
]


def test_unknown_events_are_not_told():
    found, _ = streamed(one(start(), *UNKNOWN, text("a"), delta(), STOP))
    assert [chunk["choices"][0]["delta"].get("content") for chunk in found] == ["", "a", None]
    assert gathered([start(), *UNKNOWN, text("a"), delta(), STOP])["choices"][0]["message"]["content"] == "a"


REASONS = [
    *FINISH_REASONS.items(),
    (None, "stop"),
    ("tomorrows_reason", "stop"),
]


@pytest.mark.parametrize(("stop_reason", "finish_reason"), REASONS)
def test_every_reason_to_stop_has_one_of_openais_words(stop_reason: str | None, finish_reason: str):
    found, _ = streamed(one(*reply("a", stop_reason=stop_reason)))
    assert [chunk["choices"][0]["finish_reason"] for chunk in found] == [None, None, finish_reason]
    assert gathered(reply("a", stop_reason=stop_reason))["choices"][0]["finish_reason"] == finish_reason


def test_an_event_that_tells_nothing_makes_no_bytes():
    stream = answer()
    sent = [stream.encode(0, event) for event in [start(), *UNKNOWN, *thinks(0, signature=""), delta()]]
    assert [bool(data) for data in sent] == [True, *[False] * (len(sent) - 1)]


# Nearly all of a text's chunk is encoded once: what differs must differ all the same.
@pytest.mark.parametrize("options", [{}, {"include_usage": True}])
def test_every_chunk_of_a_text_is_whole(options: dict[str, Any]):
    said = ["a", "", '"', '"content":""', "\\", "é😀\u2028", "b" * 10_000]
    pairs = [(index, one_said) for one_said in said for index in (0, 2)]
    begun = [(0, start()), (2, start())]
    found, _ = streamed([*begun, *[(index, text(one_said)) for index, one_said in pairs]], n=3, **options)
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": MODEL}
    usage = {"usage": None} if options else {}
    assert found[len(begun) : len(begun) + len(pairs)] == [
        {
            **head,
            "choices": [{"index": index, "delta": {"content": one_said}, "logprobs": None, "finish_reason": None}],
            **usage,
        }
        for index, one_said in pairs
    ]


def test_a_model_with_an_odd_name_makes_whole_chunks():
    odd = '"content":""}\n\ndata: é'
    found, _ = streamed(one(start(odd), text("a"), text("b"), delta(), STOP))
    assert [chunk["choices"][0]["delta"].get("content") for chunk in found] == ["", "a", "b", None]
    assert {chunk["model"] for chunk in found} == {odd}


def test_choices_are_streamed_side_by_side():
    first, second = reply("a", "b"), reply("c", stop_reason="max_tokens")
    mixed = [pair for events in zip(one(*first[:7]), [(1, e) for e in second], strict=True) for pair in events]
    found, _ = streamed([*mixed, *one(*first[7:])], n=2, include_usage=True)
    *told, last = found
    by_choice: dict[int, list[Any]] = {0: [], 1: []}
    for chunk in told:
        (choice,) = chunk["choices"]
        by_choice[choice["index"]].append((choice["delta"].get("content"), choice["finish_reason"]))
    assert by_choice == {
        0: [("", None), ("a", None), ("b", None), (None, "stop")],
        1: [("", None), ("c", None), (None, "length")],
    }
    assert (last["choices"], last["usage"]["total_tokens"]) == ([], 24)


# ---- upstream begins again


def test_a_restart_before_the_text_is_not_told():
    found, _ = streamed(one(start(), text(""), RESTART, *reply("a")))
    assert [
        chunk["choices"][0]["delta"].get("content") for chunk in found if "role" in chunk["choices"][0]["delta"]
    ] == [""]
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in found) == "a"


def test_after_a_restart_the_chunks_name_the_model_that_answers_then():
    found, _ = streamed(one(start("claude-old"), text(""), RESTART, *reply("a", "b")))
    assert [chunk["model"] for chunk in found] == ["claude-old"] * 2 + [MODEL] * 3


# threat 18: text is never told twice
def test_a_restart_after_text_breaks_the_stream():
    stream = answer()
    sent = [stream.encode(0, event) for event in (start(), text("Hel"))]
    with pytest.raises(StreamBroken):
        stream.encode(0, RESTART)
    assert len(chunks(b"".join(sent))) == 2


def test_a_restart_of_one_choice_does_not_touch_another():
    found, _ = streamed([(0, start()), (0, text("a")), (1, start()), (1, RESTART), (1, start()), (1, text("b"))], n=2)
    assert [chunk["choices"][0]["delta"].get("content") for chunk in found] == ["", "a", "", "b"]


def test_a_whole_answer_holds_the_last_beginning_only():
    whole = gathered([start("claude-old", input_tokens=50), text("Hel"), RESTART, *reply("Hello")])
    assert whole["choices"][0]["message"]["content"] == "Hello"
    assert whole["model"] == MODEL
    assert whole["usage"]["prompt_tokens"] == 7


# ---- whole answers


def test_a_whole_answer_is_the_same_told_at_once():
    assert gathered(reply("Hel", "lo")) == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 7,
            "completion_tokens": 5,
            "total_tokens": 12,
            "prompt_tokens_details": {"cached_tokens": 0},
        },
    }


def test_an_answer_without_text_is_empty_and_not_made_up():
    assert gathered([start(), delta(), STOP])["choices"][0]["message"]["content"] == ""


def test_several_choices_keep_their_places_and_their_usage_is_summed():
    whole = gathered(reply("a"), n=3)
    assert [choice["index"] for choice in whole["choices"]] == [0, 1, 2]
    assert whole["usage"]["total_tokens"] == 36


# ---- usage


@pytest.mark.parametrize(
    ("reported", "prompt", "completion", "cached"),
    [
        ([{"input_tokens": 7, "output_tokens": 5}], 7, 5, 0),
        ([{"input_tokens": 7}], 7, 0, 0),
        ([{"input_tokens": 1, "cache_read_input_tokens": 10, "cache_creation_input_tokens": 100}], 111, 0, 10),
        ([{"input_tokens": 1, "cache_read_input_tokens": None, "output_tokens": 2}], 1, 2, 0),
        ([{"input_tokens": 1, "cache_read_input_tokens": 2}, {}, {"input_tokens": 3, "output_tokens": 4}], 6, 4, 2),
        (
            [{"input_tokens": 1, "service_tier": "standard", "cache_creation": {"ephemeral_1h_input_tokens": 9}}],
            1,
            0,
            0,
        ),
    ],
)
def test_usage_counts_cached_tokens_as_part_of_the_prompt(
    reported: list[Any], prompt: int, completion: int, cached: int
):
    assert to_usage(reported) == {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


@pytest.mark.parametrize(
    ("details", "thinking"),
    [
        ([{"thinking_tokens": 3}], 3),
        ([{"thinking_tokens": 0}], 0),
        ([{"thinking_tokens": 3}, None, {"thinking_tokens": 4}], 7),
        ([None], None),
        ([{}], None),
    ],
)
def test_thinking_is_counted_only_when_upstream_does(details: list[Any], thinking: int | None):
    usage = to_usage({"output_tokens": 9, "output_tokens_details": one} for one in details)
    told = usage.get("completion_tokens_details")
    assert told == (None if thinking is None else {"reasoning_tokens": thinking})


@pytest.mark.parametrize("reported", [[], [{}], [{}, {}]])
def test_no_usage_is_none(reported: list[Any]):
    assert to_usage(reported) is None


def test_what_the_end_reports_replaces_what_the_beginning_did():
    events = [start(input_tokens=7, output_tokens=1, cache_read_input_tokens=3), text("a")]
    events += [delta(input_tokens=None, output_tokens=9, cache_read_input_tokens=4), STOP]
    assert gathered(events)["usage"] == to_usage(
        [{"input_tokens": 7, "cache_read_input_tokens": 4, "output_tokens": 9}]
    )


@pytest.mark.parametrize("usage", [None, {}])
def test_a_beginning_without_usage_is_let_through(usage: Any):
    begun = {"type": "message_start", "message": {"model": MODEL, "usage": usage}}
    assert gathered([begun, delta(output_tokens=2), STOP])["usage"]["total_tokens"] == 2
    assert gathered([begun, {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, STOP])["usage"] is None


# ---- errors

CLASSES = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, PosternError)]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_has_the_one_shape(kind: type[PosternError]):
    error = kind("No.", detail="pid 5, key sk-x", param="model")
    shape = to_error(error)
    assert shape["error"].keys() == {"message", "type", "param", "code"}
    assert (shape["error"]["message"], shape["error"]["param"], shape["error"]["code"]) == ("No.", "model", error.code)
    assert "pid 5" not in json.dumps(shape)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.InvalidRequest("No."), "invalid_request_error"),
        (errors.ContextTooLong("No."), "invalid_request_error"),
        (errors.UnknownModel("No."), "invalid_request_error"),
        (errors.TooLarge("No."), "invalid_request_error"),
        (errors.Unauthorized("No."), "authentication_error"),
        (errors.RateLimited("No."), "rate_limit_error"),
        (errors.QueueFull("No."), "server_error"),
        (errors.NotSignedIn("No."), "server_error"),
        (errors.UpstreamFailed("No."), "server_error"),
        (errors.CliCrashed("No."), "server_error"),
        (errors.CliTimeout("No."), "server_error"),
        (errors.PosternError("No."), "server_error"),
    ],
)
def test_the_type_of_an_error_follows_its_status(error: PosternError, kind: str):
    assert to_error(error)["error"]["type"] == kind

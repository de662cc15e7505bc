"""What an answer holds besides text: calls of tools, and thinking."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.lib.streaming._deltas import accumulate_delta
from openai.types.chat import ChatCompletion

from app.errors import StreamBroken
from app.protocols.openai_choice import FINISH_REASONS
from app.protocols.tool_names import ToolNames
from tests.protocols.answers import answer, gathered, one, streamed
from tests.protocols.events import RESTART, Event, calls, message, redacts, says, start, thinks

# ---- tools

CALL = calls(1, "toolu_1", "f", '{"a"', ": 1}")


def deltas(events: Iterable[Event], **options: Any) -> list[dict[str, Any]]:
    found, _ = streamed(one(*events), **options)
    return [chunk["choices"][0]["delta"] for chunk in found]


def test_a_call_is_streamed_with_its_arguments_as_they_come():
    found, _ = streamed(one(*message(says(0, "Let me see."), CALL, stop_reason="tool_use")))
    assert [chunk["choices"][0]["delta"] for chunk in found] == [
        {"role": "assistant", "content": ""},
        {"content": "Let me see."},
        {"tool_calls": [{"index": 0, "id": "toolu_1", "type": "function", "function": {"name": "f", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ": 1}"}}]},
        {},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in found] == [None] * 5 + ["tool_calls"]


def test_several_calls_are_numbered_among_themselves():
    events = message(says(0, "a"), calls(1, "t1", "f", "{}"), thinks(2, "hm"), calls(3, "t2", "g", '{"b":2}'))
    told = [call for found in deltas(events) for call in found.get("tool_calls", [])]
    assert [(call["index"], call.get("id"), call["function"]["arguments"]) for call in told] == [
        (0, "t1", ""),
        (0, None, "{}"),
        (1, "t2", ""),
        (1, None, '{"b":2}'),
    ]


def test_a_call_without_arguments_has_an_empty_object():
    events = message(calls(0, "t1", "f"), calls(1, "t2", "g", "{}"), stop_reason="tool_use")
    told = [call for found in deltas(events) for call in found.get("tool_calls", [])]
    assert [call["function"]["arguments"] for call in told] == ["", "{}", "", "{}"]
    whole = gathered(events)["choices"][0]["message"]["tool_calls"]
    assert [call["function"]["arguments"] for call in whole] == ["{}", "{}"]


def test_a_whole_answer_of_calls_alone_has_no_content():
    choice = gathered(message(CALL, calls(2, "toolu_2", "g"), stop_reason="tool_use"))["choices"][0]
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "tool_calls": [
            {"id": "toolu_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}},
            {"id": "toolu_2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
        ],
    }
    assert choice["finish_reason"] == "tool_calls"


def test_a_tool_is_told_by_the_clients_name_for_it():
    names = ToolNames(["files.read"])
    events = message(calls(0, "t1", names.to_upstream("files.read")), calls(1, "t2", "WebSearch"))
    told = [call for found in deltas(events, tool_names=names) for call in found.get("tool_calls", [])]
    assert [call["function"].get("name") for call in told] == ["files.read", None, "WebSearch", None]
    whole = gathered(events, tool_names=names)["choices"][0]["message"]["tool_calls"]
    assert [call["function"]["name"] for call in whole] == ["files.read", "WebSearch"]


def test_arguments_that_were_cut_off_are_told_as_far_as_they_came():
    choice = gathered(message(calls(0, "t1", "f", '{"a": "b'), stop_reason="max_tokens"))["choices"][0]
    assert (choice["message"]["tool_calls"][0]["function"]["arguments"], choice["finish_reason"]) == (
        '{"a": "b',
        "length",
    )


# Nearly all of such a chunk is encoded once, as with a text.
def test_every_chunk_of_arguments_is_whole():
    pieces = ['"', '"arguments":""', "\\", "é😀\u2028", "b" * 10_000]
    first, second = calls(0, "t1", "f", *pieces), calls(1, "t2", "f", *pieces)
    told = [call for found in deltas(message(first, second)) for call in found.get("tool_calls", [])]
    assert [(call["index"], call["function"]["arguments"]) for call in told] == [
        (index, piece) for index in (0, 1) for piece in ("", *pieces)
    ]


# ---- thinking


def test_thinking_is_streamed_and_its_block_told_when_it_is_signed():
    assert deltas(message(thinks(0, "h", "m"), redacts(1), says(2, "a"))) == [
        {"role": "assistant", "content": ""},
        {"reasoning_content": "h"},
        {"reasoning_content": "m"},
        {"thinking_blocks": [{"index": 0, "type": "thinking", "thinking": "hm", "signature": "sig"}]},
        {"thinking_blocks": [{"index": 1, "type": "redacted_thinking", "data": "abc"}]},
        {"content": "a"},
        {},
    ]


def test_a_whole_answer_holds_the_thinking_with_its_blocks():
    events = message(thinks(0, "h", "m"), redacts(1), says(2, "a"), thinks(3, "!", signature=""))
    assert gathered(events)["choices"][0]["message"] == {
        "role": "assistant",
        "content": "a",
        "refusal": None,
        "reasoning_content": "hm!",
        "thinking_blocks": [
            {"type": "thinking", "thinking": "hm", "signature": "sig"},
            {"type": "redacted_thinking", "data": "abc"},
        ],
    }


def test_thinking_that_is_not_shown_keeps_its_signature():
    whole = gathered(message(thinks(0), says(1, "a")))["choices"][0]["message"]
    assert "reasoning_content" not in whole
    assert whole["thinking_blocks"] == [{"type": "thinking", "thinking": "", "signature": "sig"}]


# ---- upstream begins again


@pytest.mark.parametrize("told", [thinks(0, "hm")[:2], redacts(0), CALL[:1]], ids=["thinking", "redacted", "call"])
def test_a_restart_after_anything_else_breaks_the_stream_too(told: list[Event]):
    stream = answer()
    for event in (start(), *told):
        stream.encode(0, event)
    with pytest.raises(StreamBroken):
        stream.encode(0, RESTART)


def test_a_whole_answer_forgets_calls_and_thoughts_that_were_broken_off():
    broken = [start(), *thinks(0, "h"), *calls(1, "t1", "f", "{")[:-1], RESTART]
    again = message(thinks(0, "hm"), calls(1, "t2", "f", "{}"), stop_reason="tool_use")
    assert gathered([*broken, *again]) == gathered(again)


# ---- one answer, told in two ways

TEXTS = st.lists(st.text(max_size=5), max_size=3)
BLOCKS = st.one_of(
    TEXTS.map(lambda said: (says, said)),
    TEXTS.map(lambda said: (thinks, said)),
    TEXTS.map(lambda said: (thinks, [*said, "unsigned"])),
    st.just((redacts, [])),
    st.tuples(st.sampled_from(["f", "files_read"]), TEXTS).map(lambda call: (calls, ["toolu", call[0], *call[1]])),
)


def as_events(index: int, kind: Any, values: list[str]) -> list[Event]:
    if kind is calls:
        return calls(index, f"{values[0]}_{index}", *values[1:])
    return thinks(index, *values, signature="") if values[-1:] == ["unsigned"] else kind(index, *values)


def assembled(sent: list[dict[str, Any]], n: int) -> list[dict[str, Any]]:
    """What the official client makes of the chunks."""
    choices: list[dict[str, Any]] = [{"index": index, "message": {"refusal": None}} for index in range(n)]
    for chunk in sent:
        for found in chunk["choices"]:
            choice = choices[found["index"]]
            accumulate_delta(choice["message"], found["delta"])
            choice |= {"logprobs": found["logprobs"], "finish_reason": found["finish_reason"]}
    for choice in choices:
        message = choice["message"]
        for entry in [*message.get("tool_calls", []), *message.get("thinking_blocks", [])]:
            del entry["index"]
        if message.get("tool_calls") and not message["content"]:
            message["content"] = None
    return choices


@settings(deadline=None)
@given(st.lists(st.lists(BLOCKS, max_size=5), min_size=1, max_size=3), st.sampled_from(sorted(FINISH_REASONS)))
def test_the_chunks_put_together_are_the_whole_answer(choices: list[list[Any]], stop_reason: str):
    answers = [
        message(*(as_events(at, *one) for at, one in enumerate(blocks)), stop_reason=stop_reason, output_tokens=3)
        for blocks in choices
    ]
    events = [(index, event) for index, events in enumerate(answers) for event in events]
    whole = answer(len(choices))
    for index, event in events:
        whole.take(index, event)
    found, _ = streamed(events, n=len(choices), include_usage=True)
    assert assembled(found, len(choices)) == whole.whole()["choices"]
    assert found[-1]["usage"] == whole.whole()["usage"]
    ChatCompletion.model_validate(whole.whole(), strict=True)

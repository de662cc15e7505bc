from typing import Any

import pytest

from app.claude.cut_off import CutOff

Json = dict[str, Any]


def start(**usage: Any) -> Json:
    return {"type": "message_start", "message": {"usage": usage}}


def block(kind: str) -> Json:
    return {"type": "content_block_start", "index": 0, "content_block": {"type": kind}}


def delta(kind: str, **members: str) -> Json:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": kind, **members}}


def text(said: str) -> Json:
    return delta("text_delta", text=said)


def may_come(*events: Json, **parameters: Any) -> bool:
    cut_off = CutOff(parameters)
    for event in events:
        cut_off.hear(event)
    return cut_off.may_come


@pytest.mark.parametrize("parameters", [{"max_tokens": 4000}, {"max_tokens": 64_000}, {}], ids=str)
def test_a_short_text_is_far_from_every_limit(parameters: Json):
    begun = [start(input_tokens=10), block("text")]
    assert not may_come(*begun, text("a" * 999), **parameters)
    assert may_come(*begun, text("a" * 998), text("ab"), **parameters)
    assert may_come(*begun, text("\U0001f511" * 250), **parameters)


@pytest.mark.parametrize("few", [1, 200, 3999])
def test_an_answer_of_few_tokens_is_near_its_limit_from_the_first(few: int):
    assert may_come(start(), max_tokens=few)


def test_one_whose_reader_may_be_far_behind_is_near_its_limit_from_the_first():
    assert CutOff({}, ahead=True).may_come


def test_a_text_that_begins_blank_may_be_none():
    assert may_come(text("\n"))
    assert may_come(text(" "), text("a"))
    assert not may_come(text("a"), text("\n"))


@pytest.mark.parametrize(
    "event",
    [
        *map(block, ("thinking", "redacted_thinking", "tool_use", "tomorrows")),
        *(delta(kind) for kind in ("thinking_delta", "signature_delta", "input_json_delta", "tomorrows_delta")),
    ],
    ids=str,
)
def test_what_is_no_text_takes_tokens_that_cannot_be_counted(event: Json):
    assert may_come(start(), event)


@pytest.mark.parametrize("name", ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"])
def test_a_long_prompt_leaves_little_of_the_context_window(name: str):
    assert not may_come(start(**{name: 99_999}))
    assert may_come(start(**{name: 100_000}))
    assert may_come(start(**{"input_tokens": 1, name: 99_999, "cache_read_input_tokens": 99_999}))


@pytest.mark.parametrize("message", [{}, {"usage": None}, {"usage": {"input_tokens": None}}], ids=str)
def test_a_message_need_not_tell_its_tokens(message: Json):
    assert not may_come({"type": "message_start", "message": message}, {"type": "ping"}, text("a"))

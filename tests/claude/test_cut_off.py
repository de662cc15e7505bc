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


@pytest.mark.parametrize(
    ("parameters", "most"), [({"max_tokens": 100}, 50), ({"max_tokens": 64_000}, 32_000), ({}, 2048)]
)
def test_an_answer_may_be_cut_off_from_half_of_its_tokens_on_a_byte_each(parameters: Json, most: int):
    begun = [start(input_tokens=10), block("text")]
    assert not may_come(*begun, text("a" * (most - 1)), **parameters)
    assert may_come(*begun, text("a" * (most - 2)), text("ab"), **parameters)
    assert may_come(*begun, text("\U0001f511" * (most // 4 + 1)), **parameters)


@pytest.mark.parametrize("few", [1, 2])
def test_an_answer_of_next_to_no_tokens_may_be_cut_off_at_once(few: int):
    assert may_come(start(), block("text"), text("a"), max_tokens=few)


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

"""References to kept items, over what is really kept of a response."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from app.errors import InvalidRequest
from app.protocols.responses_answer import ResponsesAnswer
from app.protocols.responses_kept import to_kept
from app.protocols.responses_request import ResponsesCall, from_request
from tests.protocols.responses_answers import reply, text, thinking, tool

FIRST, SECOND, THIRD = ("f" * 32, "5" * 32, "7" * 32)
TOOL = {"type": "function", "name": "f"}


class Kept:
    """What a gateway keeps, and what it was asked for."""

    def __init__(self) -> None:
        self._held: dict[str, Any] = {}
        self.asked: list[str] = []

    def find(self, name: str) -> Mapping[str, Any] | None:
        self.asked.append(name)
        return self._held.get(name)

    def call(self, input: Any, **members: Any) -> ResponsesCall:
        body = {"model": "m", "input": input, "tools": [TOOL], **members}
        return from_request(json.dumps(body).encode(), self.find)

    def answer(self, token: str, call: ResponsesCall, *blocks: Any) -> list[str]:
        """The ids of its items."""
        answer = ResponsesAnswer(token, lambda: 0, "m", call.names, call.echo)
        for event in reply(*blocks):
            answer.take(0, event)
        response = answer.whole()
        kept = to_kept(call, response, answer.blocks(), answer.thoughts())
        self._held[response["id"]] = json.loads(json.dumps(kept))
        return [item["id"] for item in response["output"]]


@pytest.fixture
def kept() -> Kept:
    return Kept()


def refer(*names: str) -> list[Any]:
    return [{"type": "item_reference", "id": name} for name in names]


def said(call: ResponsesCall) -> list[tuple[str, list[str]]]:
    """(role, what each block holds)"""
    kinds = {"text": "text", "thinking": "thinking", "tool_use": "name", "tool_result": "tool_use_id"}
    return [(turn["role"], [block[kinds[block["type"]]] for block in turn["content"]]) for turn in call.messages]


def test_an_item_of_any_kept_response_stands_where_it_is_referred_to(kept: Kept):
    names = kept.answer(FIRST, kept.call("one"), thinking("hm"), text("two"))
    found = kept.call([{"role": "user", "content": "one"}, *refer(*names), {"role": "user", "content": "three"}])
    assert said(found) == [("user", ["one"]), ("assistant", ["hm", "two"]), ("user", ["three"])]
    thought = found.messages[1]["content"][0]
    assert thought == {"type": "thinking", "thinking": "hm", "signature": "sig"}


def test_a_call_can_be_referred_to_and_answered(kept: Kept):
    names = kept.answer(FIRST, kept.call("one"), thinking("hm"), tool("{}"))
    output = {"type": "function_call_output", "call_id": "toolu_1", "output": "5"}
    found = kept.call([{"role": "user", "content": "one"}, *refer(*names), output])
    assert said(found) == [("user", ["one"]), ("assistant", ["hm", "f"]), ("user", ["toolu_1"])]


def test_an_item_of_a_request_can_be_referred_to(kept: Kept):
    kept.answer(FIRST, kept.call("one"), text("two"))
    assert said(kept.call(refer(f"msg_{FIRST}i0000"))) == [("user", ["one"])]


def test_a_reference_to_an_item_in_the_conversation_adds_nothing(kept: Kept):
    """However long ago it was, and whether that response is kept still."""
    (first,) = kept.answer(FIRST, kept.call("one"), text("two"))
    going_on = kept.call("three", previous_response_id=f"resp_{FIRST}")
    kept.answer(SECOND, going_on, text("four"))
    kept.asked.clear()
    found = kept.call([*refer(first), {"role": "user", "content": "five"}], previous_response_id=f"resp_{SECOND}")
    assert [texts for _, texts in said(found)] == [["one"], ["two"], ["three"], ["four"], ["five"]]
    assert kept.asked == [f"resp_{SECOND}"]


def test_what_was_referred_to_is_in_the_conversation_from_then_on(kept: Kept):
    (name,) = kept.answer(FIRST, kept.call("one"), text("two"))
    kept.answer(SECOND, kept.call([*refer(name, name), {"role": "user", "content": "three"}]), text("four"))
    found = kept.call([*refer(name), {"role": "user", "content": "five"}], previous_response_id=f"resp_{SECOND}")
    assert [texts for _, texts in said(found)] == [["two"], ["three"], ["four"], ["five"]]


def test_a_response_is_looked_up_once_whatever_is_wanted_of_it(kept: Kept):
    names = kept.answer(FIRST, kept.call("one"), text("two"), text("three"))
    kept.asked.clear()
    kept.call([*refer(*names * 50), {"role": "user", "content": "four"}])
    assert kept.asked == [f"resp_{FIRST}"]


@pytest.mark.parametrize("name", [f"msg_{THIRD}0000", f"msg_{FIRST}0009", "msg_mine", "x", "resp_" + FIRST, "_"])
def test_what_is_not_kept_is_refused_by_its_place(kept: Kept, name: str):
    kept.answer(FIRST, kept.call("one"), text("two"))
    with pytest.raises(InvalidRequest, match="no response that is kept has an item") as raised:
        kept.call([{"role": "user", "content": "hi"}, *refer(name)])
    assert raised.value.param == "input[1].id"

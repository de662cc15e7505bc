"""A conversation that stays in its process, with the real CLI: what upstream receives from turn to turn."""

import itertools
import json
from typing import Any

import pytest

from app.protocols.prompt import Prompt
from tests.claude.conversing import Json, Lender, answered, plain, result, text, user
from tests.support.sandbox import Sandbox

TOOLS = [{"name": "look", "description": "Looks.", "input_schema": {"type": "object"}}]
RED_DOT = "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAEElEQVR4nGMQUDCAIAY4CwAV1AJBNIRtCgAAAABJRU5ErkJggg=="
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": RED_DOT}}


def question(said: str, *more: Json, **script: Any) -> Json:
    return user(*more, text(f"{said} [[sandbox: {json.dumps(script)}]]"))


def turns(lender: Lender, name: str, count: int, *, tools: bool) -> list[Json]:
    """A conversation with an image in each third question and, with `tools`, a call in each fourth answer."""
    messages: list[Json] = []
    for number in range(count):
        more = [PICTURE] if number % 3 == 1 else []
        script = {"tool_use": [{"name": "look", "input": {"n": number}}]} if tools and number % 4 == 2 else {"words": 3}
        messages.append(question(f"/{name} {number}\n @/etc/passwd ", *more, **script))
        messages.append(_answer(lender, messages, tools=tools))
        for use in [block for block in messages[-1]["content"] if block["type"] == "tool_use"]:
            messages.append(user(result(use, text("seen [[sandbox: {}]]"), PICTURE)))
            messages.append(_answer(lender, messages, tools=tools))
    return messages


def _answer(lender: Lender, messages: list[Json], *, tools: bool) -> Json:
    return answered(lender, Prompt(["Be brief."], messages, {"max_tokens": 500}, TOOLS if tools else []))


def without_markers(value: Any) -> Any:
    match value:
        case dict():
            return {name: without_markers(member) for name, member in value.items() if name != "cache_control"}
        case list():
            return list(map(without_markers, value))
    return value


def head(body: Json) -> str:
    """Less the line for Anthropic's books that the CLI puts before the system prompt under a login, new each time."""
    system = [block for block in body["system"] if not block["text"].startswith("x-anthropic-billing-header: ")]
    return json.dumps(without_markers([body["model"], system, body.get("tools")]))


def upstream(sandbox: Sandbox) -> list[Json]:
    return [entry["body"] for entry in sandbox.messages()]


def test_what_goes_upstream_begins_with_what_went_before(
    lender: Lender, own_sandbox: Sandbox, pytestconfig: pytest.Config
):
    count = pytestconfig.getoption("--conversations")
    for number in range(count):
        own_sandbox.clear()
        _check_a_conversation(lender, own_sandbox, f"number{number}", tools=bool(number % 2))
        assert len(lender.workers) == number + 1


def _check_a_conversation(lender: Lender, sandbox: Sandbox, name: str, *, tools: bool) -> None:
    messages = turns(lender, name, 10, tools=tools)
    bodies = upstream(sandbox)
    assert len(bodies) == (12 if tools else 10)
    for earlier, later in itertools.pairwise(bodies):
        assert head(later) == head(earlier)
        before = without_markers(earlier["messages"])
        assert json.dumps(without_markers(later["messages"])[: len(before)]) == json.dumps(before)
    assert [message["role"] for message in plain(bodies[-1])] == [message["role"] for message in messages[:-1]]


def test_a_replay_differs_by_the_place_of_the_date_only(lender: Lender, own_sandbox: Sandbox):
    messages = turns(lender, "one", 10, tools=True)
    lender.kept.clear()
    _answer(lender, messages[:-1], tools=True)
    *_, live, replayed = upstream(own_sandbox)
    assert len(lender.workers) == 2
    assert head(replayed) == head(live)
    told, told_again = (without_markers(body["messages"]) for body in (live, replayed))
    if len(told_again) != len(told):  # 2.1.330 under a login
        assert told[1]["role"] == told_again[1]["role"] == "system"
        *_, date = told_again
        assert date == {"role": "system", "content": told[1]["content"].rpartition("\n\n")[2]}
        assert date["content"].startswith("Today's date is ")
        told_again[1]["content"] += "\n\n" + told_again.pop()["content"]
    assert told_again == told  # the members of a result stand in another order

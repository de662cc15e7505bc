"""Which process a request goes on with."""

from dataclasses import replace
from typing import Any

import pytest

from app.claude.continuity import Keys, brings_results, may_go_on
from app.protocols.prompt import Prompt

Json = dict[str, Any]
TOOLS = [{"name": "look", "input_schema": {"type": "object"}}]
USE = {"type": "tool_use", "id": "t1", "name": "look", "input": {"a": 1, "b": [2]}}


def text(said: str) -> Json:
    return {"type": "text", "text": said}


def message(role: str, *blocks: Json) -> Json:
    return {"role": role, "content": list(blocks)}


RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": [text("rain")]}
FIRST = Prompt(["Be brief."], [message("user", text("hi"))], {"max_tokens": 5}, TOOLS)
KEPT = Keys("key-1", "sonnet", FIRST).after([text("Let me "), text("see."), USE])


def following(*answer: Json, **changes: Any) -> Prompt:
    messages = [*FIRST.messages, message("assistant", *answer), message("user", RESULT)]
    return replace(FIRST, **{"messages": messages, **changes})


@pytest.mark.parametrize(
    "prompt",
    [
        following(text("Let me see."), USE),
        following(text("Let me see."), USE | {"input": {"b": [2], "a": 1}}),
        following({"type": "thinking", "thinking": "Hm.", "signature": "s"}, text("Let me see."), USE),
        following(text("Let me see."), USE, parameters={"temperature": 1}),
        following(text("Let me see."), text(" \n"), USE),
    ],
)
def test_the_same_conversation_goes_on(prompt: Prompt):
    assert Keys("key-1", "sonnet", prompt).before == KEPT


@pytest.mark.parametrize(
    ("owner", "model", "prompt"),
    [
        ("key-2", "sonnet", following(text("Let me see."), USE)),
        ("key-1", "opus", following(text("Let me see."), USE)),
        ("key-1", "sonnet", following(text("Let me look."), USE)),
        ("key-1", "sonnet", following(text("Let me see."), USE | {"input": {"a": 2, "b": [2]}})),
        ("key-1", "sonnet", following(text("Let me see."), USE | {"id": "t2"})),
        ("key-1", "sonnet", following(text("Let me see."), USE, system=["Be long."])),
        ("key-1", "sonnet", following(text("Let me see."), USE, tools=[])),
        (
            "key-1",
            "sonnet",
            replace(
                FIRST,
                messages=[
                    message("user", text("ho")),
                    message("assistant", text("Let me see."), USE),
                    message("user", RESULT),
                ],
            ),
        ),
    ],
)
def test_any_other_one_does_not(owner: str, model: str, prompt: Prompt):  # threat 9
    assert Keys(owner, model, prompt).before != KEPT


@pytest.mark.parametrize("size", [10, 20_000, 100_000, 300_000])
def test_a_conversation_goes_on_however_long_its_messages_are(size: int):
    """What is long is taken in steps, and what is a message of two may be one of many in the next request."""
    question, answer = message("user", text("ab" * size)), [text("cd" * size), USE | {"input": {"a": ["" * size]}}]
    values = [question, message("assistant", *answer), message("user", RESULT | {"content": [{"n": [""] * size}]})]
    kept = Keys("key-1", "sonnet", replace(FIRST, messages=values)).after(answer)
    longer = [*values, message("assistant", *answer), message("user", text("And now?"))]
    assert Keys("key-1", "sonnet", replace(FIRST, messages=longer)).before == kept


LONG = RESULT | {"content": [text("word " * 10_000)]}


@pytest.mark.parametrize(
    ("last", "goes_on", "results"),
    [
        ([RESULT], True, True),
        ([text("hi")], True, False),
        ([RESULT, text("And now?")], False, True),
        ([LONG], False, True),  # the CLI would reword it
    ],
)
def test_a_question_goes_on_and_results_do_when_the_cli_carries_them(last: list[Json], goes_on: bool, results: bool):
    prompt = replace(following(USE), messages=[*following(USE).messages[:-1], message("user", *last)])
    assert (may_go_on(prompt), brings_results(prompt)) == (goes_on, results)


def test_a_first_message_goes_on_with_nothing():
    assert not may_go_on(FIRST)

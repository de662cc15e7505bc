"""How an answer ends, and that the CLI makes no request of its own after it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from app.claude.events import (
    AssistantLine,
    AssistantMessage,
    Line,
)
from app.claude.turn import Turn
from tests.claude.turn.scripted import NOON, PATIENCE, START, STOP, ScriptedProcess, delta, prompt, text, turn


@pytest.mark.parametrize("stop_reason", ["end_turn", "stop_sequence"])
def test_a_message_that_ends_by_itself_is_not_killed(stop_reason: str):
    process = ScriptedProcess([START, text("a"), delta(stop_reason)], [STOP])
    assert sum(map(len, turn(process).events())) == 4
    assert process.killed == 0


# The CLI would go on upstream by itself.
@pytest.mark.parametrize(
    "stop_reason", ["max_tokens", "model_context_window_exceeded", "tool_use", "refusal", "pause_turn", "tomorrows"]
)
@pytest.mark.parametrize("rest", [[], [STOP, START, text("more")]])
def test_a_message_that_was_cut_kills_the_process_and_is_whole(stop_reason: str, rest: list[Line]):
    process = ScriptedProcess([START, text("a"), delta(stop_reason), *rest])
    kinds = [found["type"] for batch in turn(process).events() for found in batch]
    assert kinds == ["message_start", "content_block_delta", "message_delta", "message_stop"]
    assert process.killed == 1


@pytest.mark.parametrize("before", [[], [START, text("Hel")]], ids=["at once", "after a restart"])
def test_an_answer_without_content_kills_the_process_and_is_whole(before: list[Line]):
    process = ScriptedProcess([*before, START, delta("end_turn")], [STOP])
    kinds = [found["type"] for batch in turn(process).events() for found in batch]
    assert kinds[-3:] == ["message_start", "message_delta", "message_stop"]
    assert (process.killed, process.steps_left) == (1, 1)


def test_the_process_is_told_once_to_make_no_further_request():
    process = ScriptedProcess([START, text("a")], [START, text("a"), delta(), STOP])
    list(turn(process).events())
    assert process.log == [["control", "user 0"], "read", "forbidden", "read"]


LONG = replace(prompt(), parameters={})
MUCH = "a" * 990


def test_an_answer_that_is_far_from_any_limit_costs_the_process_no_setting():
    process = ScriptedProcess([START, text("a")], [text(MUCH)], [delta(), STOP])
    list(turn(process, LONG).events())
    assert process.log == [["control", "user 0"], "read", "read", "read"]


def test_a_long_answer_does():
    process = ScriptedProcess([START, text("a")], [text(MUCH)], [text("a" * 10)], [text("a")], [delta(), STOP])
    list(turn(process, LONG).events())
    assert process.log == [["control", "user 0"], *["read"] * 3, "forbidden", *["read"] * 2]


def test_a_reader_of_deltas_gives_them_back_when_the_answer_gets_long():
    process = ScriptedProcess([START, text("a")], [text(MUCH)], [text("a" * 10)], [text("d")], [delta(), STOP])
    asked = turn(process, LONG)
    found = asked.events()
    next(found)
    deltas = asked.deltas()
    assert [len(deltas.read()) for _ in range(2)] == [1, 1]
    assert deltas.read() is None
    assert "forbidden" not in process.log
    deltas = asked.deltas()
    assert process.log[-1] == "forbidden"
    assert len(list(iter(deltas.read, None))) == 1
    list(found)
    assert process.log.count("forbidden") == 1


@pytest.mark.parametrize(
    ("options", "act"),
    [({"ahead": True}, lambda asked: None), ({}, Turn.forbid_further_requests)],
    ids=["ahead", "slow"],
)
def test_so_does_one_whose_reader_may_be_far_behind(options: dict[str, bool], act: Callable[[Turn], None]):
    process = ScriptedProcess([START, text("a")], [delta(), STOP])
    asked = Turn(process, LONG, PATIENCE, clock=process.clock, wall_clock=lambda: NOON, **options)
    found = asked.events()
    next(found)
    act(asked)
    list(found)
    assert process.log == [["control", "user 0"], "read", "forbidden", "read"]


@pytest.mark.parametrize("said", [["\n"], [" ", "\n\n"]], ids=str)
@pytest.mark.parametrize("stop_reason", ["end_turn", "stop_sequence"])
def test_a_blank_answer_counts_as_none(said: list[str], stop_reason: str):
    process = ScriptedProcess([START, *map(text, said), delta(stop_reason), STOP])
    list(turn(process, LONG).events())
    assert process.killed == 1


@pytest.mark.parametrize("block", [{"type": "text", "text": " a"}, {"type": "tool_use", "name": "x"}], ids=str)
def test_what_was_read_elsewhere_of_an_answer_counts_too(block: dict[str, Any]):
    process = ScriptedProcess([START, text("\n"), AssistantLine(AssistantMessage("claude-x", [block])), delta(), STOP])
    list(turn(process, LONG).events())
    assert process.killed == 0


@pytest.mark.parametrize(
    ("reason", "more"), [("end_turn", True), ("stop_sequence", True), ("refusal", False), ("max_tokens", False)]
)
def test_after_a_whole_answer_a_process_can_be_asked_more(reason: str, more: bool):
    said = AssistantLine(AssistantMessage("claude-x", [{"type": "text", "text": "a"}]))
    one = turn(ScriptedProcess([START, text("a"), said, delta(reason), STOP]))
    list(one.events())
    assert one.waits_for_question == more


def test_after_an_empty_answer_it_cannot():
    one = turn(ScriptedProcess([START, delta(), STOP]))
    list(one.events())
    assert not one.waits_for_question

from dataclasses import replace

import pytest

from app.claude.events import (
    AssistantLine,
    AssistantMessage,
)
from app.claude.turn import Turn
from app.errors import (
    CliTimeout,
)
from app.protocols.prompt import Prompt
from tests.claude.turn.scripted import PATIENCE, START, STOP, ScriptedProcess, delta, prompt, text, turn

TOOLS = [{"name": "look", "input_schema": {"type": "object"}}]
USE = {"type": "tool_use", "id": "t1", "name": "look", "input": {}}
CALLED = [START, text("a"), AssistantLine(AssistantMessage("claude-x", [USE])), delta("tool_use")]


def with_tools(asked: Prompt) -> Prompt:
    return replace(asked, tools=TOOLS)


def test_a_process_whose_tools_were_called_is_left_to_wait():
    process = ScriptedProcess(CALLED, [STOP])
    one = turn(process, with_tools(prompt()))
    assert [event["type"] for batch in one.events() for event in batch][-1] == "message_stop"
    assert (one.waits_for_results, one.answer, process.killed) == (True, [USE], 0)


@pytest.mark.parametrize("asked", [prompt(), replace(prompt(), tools=[{"name": "other"}])])
def test_a_process_that_would_answer_its_call_itself_is_killed(asked: Prompt):  # threat 7
    process = ScriptedProcess(CALLED)
    one = turn(process, asked)
    assert [event["type"] for batch in one.events() for event in batch][-1] == "message_stop"
    assert (one.waits_for_results, process.killed) == (False, 1)


def test_a_call_that_never_comes_is_given_up():
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "rain"}]}
    process = ScriptedProcess()
    asked = replace(with_tools(prompt()), messages=[{"role": "user", "content": [result]}])
    with pytest.raises(CliTimeout):
        list(Turn(process, asked, PATIENCE, goes_on=True, clock=process.clock).events())

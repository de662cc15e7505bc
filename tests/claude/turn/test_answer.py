from dataclasses import replace

import pytest

from app.claude.asking import TICK_SECONDS
from app.claude.events import (
    AssistantLine,
    AssistantMessage,
    ControlRequestLine,
    ControlResponse,
    ControlResponseLine,
    Line,
    RateLimit,
    RateLimitLine,
    SystemLine,
)
from app.errors import (
    CliTimeout,
)
from tests.claude.turn.scripted import (
    NOON,
    RESULT,
    START,
    STOP,
    ScriptedProcess,
    Step,
    batches,
    delta,
    events,
    failed,
    prompt,
    text,
    turn,
)


@pytest.mark.parametrize(
    "steps",
    [
        [[START, text("a"), text("b"), delta(), STOP, RESULT]],
        [[START], [text("a")], [text("b")], [delta()], [STOP]],
        [[START], 0.5, [text("a")], 9.0, [text("b"), delta()], 3.0, [STOP]],
    ],
)
def test_upstreams_events_are_given_as_they_come(steps: list[Step]):
    assert events(*steps) == ["start", "a", "b", "delta", "stop"]


def test_what_came_together_is_given_together():
    found = batches([START, text("a")], [text("b"), delta(), STOP])
    assert [len(batch) for batch in found] == [2, 3]
    assert found[0][0] == {"type": "message_start", "message": {"model": "claude-x"}}


def test_an_answer_ends_at_its_stop_and_nothing_more_is_read():
    process = ScriptedProcess([START, text("a"), delta(), STOP, START, text("more")], [failed(500)])
    assert [found["type"] for batch in turn(process).events() for found in batch][-1] == "message_stop"
    assert process.steps_left == 1
    assert process.killed == 0


def test_a_silence_is_a_tick_from_time_to_time():
    found = batches([START], 3 * TICK_SECONDS, [text("a")], [delta(), STOP])
    assert [len(batch) for batch in found] == [1, 0, 0, 0, 1, 2]


@pytest.mark.parametrize("before", [1, 4])
def test_ticks_begin_when_the_question_is_asked(before: int):
    process = ScriptedProcess(before * TICK_SECONDS, [START, text("a"), delta(), STOP])
    found = turn(process).events()
    assert [next(found) for _ in range(before)] == [[]] * before
    assert process.log == [["control", "user 0"]]
    assert len(next(found)) == 4
    assert process.now - 1000 == pytest.approx(before * TICK_SECONDS)


# threat 25
def test_deltas_can_be_read_between_two_events():
    process = ScriptedProcess([START], [text("a")], [text("b")], [text("c"), text("d")], [text("e"), delta(), STOP])
    asked = turn(process, replace(prompt(), parameters={}))
    found = asked.events()
    assert asked.deltas() is None  # nothing was asked
    next(found)
    assert asked.deltas() is None  # a message without content
    next(found)
    deltas = asked.deltas()
    assert [[event["delta"]["text"] for event in batch] for batch in iter(deltas.read, None)] == [["b"], ["c", "d"]]
    assert asked.deltas().read() is None
    assert [event["type"] for batch in found for event in batch][1:] == ["message_delta", "message_stop"]
    assert asked.deltas() is None  # it is over


def test_deltas_of_a_message_that_upstream_began_again_wait_for_its_content():
    process = ScriptedProcess([START, text("a")], [START], [text("b")])
    asked = turn(process)
    found = asked.events()
    next(found), next(found)
    assert asked.deltas() is None


def test_deltas_do_not_extend_the_time_of_a_turn():
    process = ScriptedProcess([START, text("a")], [text("b")])
    asked = turn(process)
    next(asked.events())
    process.now += 60
    assert asked.deltas() is not None  # a reader that is slow makes no silence of the CLI's
    process.now += 60
    with pytest.raises(CliTimeout):
        asked.deltas()


def test_lines_that_are_no_events_are_passed_over():
    others: list[Line] = [
        SystemLine("init"),
        SystemLine("status"),
        SystemLine("tomorrows"),
        AssistantLine(AssistantMessage("claude-x", [{"type": "text", "text": "a"}])),
        RateLimitLine(RateLimit("allowed_warning", NOON)),
        ControlResponseLine(ControlResponse("success", "body")),
        ControlRequestLine("1", {"subtype": "tomorrows"}),
    ]
    assert events([*others, START, *others, text("a")], others, [delta(), *others, STOP]) == [
        "start",
        "a",
        "delta",
        "stop",
    ]

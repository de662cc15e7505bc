"""What is written to the process, and when."""

import pytest

from app.claude.events import (
    ControlResponse,
    ControlResponseLine,
    SystemLine,
)
from app.claude.turn import Turn
from app.errors import (
    CliCrashed,
    CliTimeout,
    NotSignedIn,
    PosternError,
)
from tests.claude.turn.scripted import (
    PATIENCE,
    START,
    STOP,
    TAKEN,
    ScriptedProcess,
    Step,
    delta,
    failed,
    failure,
    prompt,
    text,
    turn,
)


def test_a_single_message_is_written_in_one_piece():
    process = ScriptedProcess([START, delta(), STOP])
    list(turn(process).events())
    assert process.log[0] == ["control", "user 0"]


def test_history_is_written_in_order_and_every_user_line_is_waited_for():
    process = ScriptedProcess([TAKEN], 0.2, [SystemLine("init"), TAKEN], [START, delta(), STOP])
    list(turn(process, prompt("user", "assistant", "user", "assistant")).events())
    assert process.log[:5] == [
        ["control", "user 0 (history)"],
        "read",
        ["assistant 1", "user 2 (history)"],
        "read",
        ["assistant 3", "user 4"],
    ]


def test_each_piece_of_history_that_was_taken_is_a_tick():
    process = ScriptedProcess([TAKEN], [TAKEN], [START, delta(), STOP])
    found = turn(process, prompt("user", "assistant", "user", "assistant")).events()
    written = []
    for _ in range(2):
        assert next(found) == []
        written.append([entry for entry in process.log if entry != "read"][-1])
    assert written == [["control", "user 0 (history)"], ["assistant 1", "user 2 (history)"]]
    assert len(next(found)) == 3


# A reader that looks about at a tick and goes away leaves the rest unsaid.
def test_a_turn_that_is_closed_writes_nothing_more():
    process = ScriptedProcess([TAKEN], [TAKEN])
    found = turn(process, prompt("user", "assistant", "user", "assistant")).events()
    next(found)
    found.close()
    assert process.log == [["control", "user 0 (history)"], "read"]


def test_an_answer_at_the_head_of_the_history_goes_with_the_first_lines():
    process = ScriptedProcess([START, delta(), STOP])
    list(turn(process, prompt("assistant")).events())
    assert process.log[0] == ["control", "assistant 0", "user 1"]


def test_nothing_is_written_before_the_events_are_asked_for():
    process = ScriptedProcess()
    turn(process)
    assert process.log == []


@pytest.mark.parametrize(
    ("steps", "kind"),
    [
        ([], CliTimeout),
        ([[SystemLine("init")], 16.0, [TAKEN]], CliTimeout),
        ([[failed(None, "Not logged in · Please run /login")]], NotSignedIn),
        ([[ControlResponseLine(ControlResponse("error", "body", error="No."))]], CliCrashed),
        ([CliCrashed("It ended.")], CliCrashed),
    ],
)
def test_history_that_is_not_taken_ends_the_turn(steps: list[Step], kind: type[PosternError]):
    process = ScriptedProcess(*steps)
    with pytest.raises(kind):
        list(turn(process, prompt("user", "assistant")).events())
    assert process.log[-1] in (["control", "user 0 (history)"], "read")
    assert process.now <= 1016


def test_a_refused_configuration_is_a_crash_with_its_reason_in_the_log():
    error = failure([ControlResponseLine(ControlResponse("error", "body", error="Unknown subtype"))])
    assert isinstance(error, CliCrashed)
    assert error.detail == "Unknown subtype"


def test_a_process_that_goes_on_is_told_the_last_message_only():
    process = ScriptedProcess([START, text("a"), delta(), STOP])
    list(Turn(process, prompt("user", "assistant"), PATIENCE, goes_on=True, clock=process.clock).events())
    assert process.log[:2] == ["settled", ["control", "user 2"]]

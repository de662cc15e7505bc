import pytest

from app.claude.asking import TICK_SECONDS
from app.claude.events import (
    StreamEvent,
    SystemLine,
)
from app.claude.turn import RESTART
from app.errors import (
    CliTimeout,
)
from tests.claude.turn.scripted import (
    PATIENCE,
    START,
    STOP,
    TAKEN,
    ScriptedProcess,
    Step,
    delta,
    failure,
    full,
    prompt,
    retry,
    text,
    turn,
)


# threat 17
@pytest.mark.parametrize(
    ("steps", "seconds"),
    [
        ([], 21),
        ([[SystemLine("init")]], 21),
        ([[START]], 11),
        ([[START, text("a")], 9.0, [text("b")]], 9 + 11),
        ([[START], *([9.5, [text("a")]] * 20)], 101),
    ],
)
def test_silence_ends_a_turn(steps: list[Step], seconds: float):
    process = ScriptedProcess(*steps)
    assert isinstance(failure(process=process), CliTimeout)
    assert process.now - 1000 == pytest.approx(seconds, abs=1)


def test_a_slow_reader_is_not_the_clis_silence():
    process = ScriptedProcess([START, text("a")], 0.5, [text("b")], [delta(), STOP])
    found = full(turn(process).events())
    for _ in range(2):
        next(found)
        process.now += 30
    assert len(next(found)) == 2


def read_slowly(process: ScriptedProcess, pause: float) -> list[StreamEvent]:
    """The reader takes this many seconds for each tick."""
    found: list[StreamEvent] = []
    for batch in turn(process).events():
        found += batch
        process.now += 0 if batch else pause
    return found


@pytest.mark.parametrize("begun", [[], [[START]]])
def test_a_reader_that_is_slow_at_a_tick_finds_what_came_meanwhile(begun: list[Step]):
    process = ScriptedProcess(*begun, TICK_SECONDS, [START, text("a")], TICK_SECONDS, [delta(), STOP])
    assert read_slowly(process, 30.0)[-1]["type"] == "message_stop"


# threat 17
def test_a_slow_reader_does_not_prolong_the_clis_silence():
    process = ScriptedProcess([START])
    with pytest.raises(CliTimeout):
        read_slowly(process, 3.0)
    assert process.now - 1000 <= PATIENCE.between_events + 3.0 + 2 * TICK_SECONDS


def test_a_reader_that_is_slow_at_the_end_gets_the_end():
    process = ScriptedProcess([START, text("a"), delta(), STOP])
    found = turn(process).events()
    assert len(next(found)) == 4
    process.now += 1000
    assert list(found) == []


def test_a_failure_that_is_over_does_not_count_against_the_next():
    process = ScriptedProcess(
        [retry(5.0)], 5.0, [START, text("a")], 8.0, [retry(1.0)], 1.0, [START, text("b"), delta(), STOP]
    )
    events = [event for batch in turn(process).events() for event in batch]
    assert events.count(RESTART) == 1
    assert events[-1] == {"type": "message_stop"}


def test_a_history_that_takes_for_ever_is_given_up():  # threat 17
    process = ScriptedProcess(*(step for _ in range(20) for step in (14.0, [TAKEN])))
    with pytest.raises(CliTimeout):
        list(turn(process, prompt(*["user", "assistant"] * 20)).events())
    assert process.now - 1000.0 < PATIENCE.whole_turn + 15

"""A turn, on a process that follows a script. Time is the script's."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

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
    ResultLine,
    StreamEvent,
    StreamEventLine,
    SystemLine,
)
from app.claude.turn import RESTART, Patience, Turn
from app.errors import (
    CliCrashed,
    CliTimeout,
    ContextTooLong,
    InvalidRequest,
    NotSignedIn,
    Overloaded,
    PosternError,
    RateLimited,
    TooLarge,
    UnknownModel,
    UpstreamFailed,
)
from app.protocols.prompt import Prompt

PATIENCE = Patience(retrying=6.0, first_event=20.0, between_events=10.0, whole_turn=100.0)
NOON = 1_700_000_000.0  # by the wall clock

Step = list[Line] | float | Exception


class ScriptedProcess:
    """Each step is a batch of lines, seconds of silence, or an error. After the last one: silence."""

    def __init__(self, *steps: Step) -> None:
        self._steps = list(steps)
        self.now = 1000.0
        self.killed = 0
        self.calls: dict[str, Any] = {}
        self.log: list[Any] = []  # what was written, and "read" for each batch that was taken

    full_model = "claude-x"

    def clock(self) -> float:
        return self.now

    def configure(self, prompt: Prompt) -> list[dict[str, Any]]:
        return [{"type": "control_request", "body": dict(prompt.parameters)}]

    def reconfigure(self, prompt: Prompt) -> list[dict[str, Any]]:
        return self.configure(prompt)

    def await_settled(self, seconds: float) -> bool:
        self.log.append("settled")
        return True

    def write(self, messages: Sequence[Mapping[str, Any]]) -> None:
        self.log.append([outline(message) for message in messages])

    def read(self, timeout: float) -> list[Line]:
        assert timeout > 0
        step = self._steps.pop(0) if self._steps else timeout
        if isinstance(step, Exception):
            raise step
        if isinstance(step, float):
            self.now += min(step, timeout)
            if step > timeout:
                self._steps.insert(0, step - timeout)
            return []
        self.log.append("read")
        return step

    def forbid_further_requests(self) -> None:
        self.log.append("forbidden")

    def tap(self, wanted: Callable[[Line], bool]) -> "ScriptedTap":
        return ScriptedTap(self._steps, wanted)

    def kill(self) -> None:
        self.killed += 1

    @property
    def steps_left(self) -> int:
        return len(self._steps)


class ScriptedTap:
    """Until the next step with something that is not wanted, or silence."""

    def __init__(self, steps: list[Step], wanted: Callable[[Line], bool]):
        self._steps = steps
        self._wanted = wanted

    def fileno(self) -> int:
        return -1

    def read(self) -> list[Line] | None:
        if self._steps and isinstance(step := self._steps[0], list) and all(map(self._wanted, step)):
            self._steps.pop(0)
            return step
        return None

    def close(self) -> None:
        pass


def outline(message: Mapping[str, Any]) -> str:
    if message["type"] == "control_request":
        return "control"
    said = message["message"]["content"][0]["text"]
    return f"{message['type']} {said}{'' if message.get('shouldQuery', True) else ' (history)'}"


def event(kind: str, **members: Any) -> Line:
    return StreamEventLine({"type": kind, **members})


START = event("message_start", message={"model": "claude-x"})
STOP = event("message_stop")
RESULT = ResultLine("success", num_turns=1)
TAKEN = ResultLine("success", num_turns=0)


def text(said: str) -> Line:
    return event("content_block_delta", index=0, delta={"type": "text_delta", "text": said})


def delta(stop_reason: str | None = "end_turn") -> Line:
    return event("message_delta", delta={"stop_reason": stop_reason}, usage={"output_tokens": 5})


def retry(delay: float, status: int | None = 529, attempt: int = 1) -> Line:
    return SystemLine("api_retry", attempt, delay * 1000, status)


def failed(status: int | None, said: str = "") -> Line:
    return ResultLine("success", is_error=True, api_error_status=status, result=said)


def prompt(*roles: str) -> Prompt:
    """Messages "0", "1" and so on with these roles, and the user's question after them."""
    messages = [
        {"role": role, "content": [{"type": "text", "text": str(number)}]}
        for number, role in enumerate([*roles, "user"])
    ]
    return Prompt(["be"], messages, {"max_tokens": 5})


def turn(process: ScriptedProcess, asked: Prompt | None = None) -> Turn:
    return Turn(process, asked or prompt(), PATIENCE, clock=process.clock, wall_clock=lambda: NOON)


def batches(*steps: Step) -> list[list[StreamEvent]]:
    return list(turn(ScriptedProcess(*steps)).events())


def events(*steps: Step) -> list[str]:
    """A word for each event: the text of a delta, else the type."""
    return [
        found["delta"]["text"] if found["type"] == "content_block_delta" else found["type"].removeprefix("message_")
        for batch in batches(*steps)
        for found in batch
    ]


def full(found: Iterator[list[StreamEvent]]) -> Iterator[list[StreamEvent]]:
    """Without the ticks."""
    return filter(None, found)


def failure(*steps: Step, process: ScriptedProcess | None = None) -> PosternError:
    with pytest.raises(PosternError) as raised:
        list(turn(process or ScriptedProcess(*steps)).events())
    return raised.value


# ---- an answer


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


# ---- what is written, and when


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


# ---- upstream fails


# threat 19
@pytest.mark.parametrize(
    ("status", "said", "kind", "public_status"),
    [
        (400, "API Error: 400 top_p: must be below 1", InvalidRequest, 400),
        (400, "Prompt is too long", ContextTooLong, 400),
        (401, "API Error: 401", NotSignedIn, 503),
        (403, "API Error: 403", NotSignedIn, 503),
        (404, "API Error: 404 model: x", UnknownModel, 404),
        (413, "API Error: 413", TooLarge, 413),
        (429, "API Error: 429", RateLimited, 429),
        (500, "API Error: 500", UpstreamFailed, 502),
        (503, "API Error: 503", Overloaded, 503),
        (529, "API Error: 529", Overloaded, 503),
        (None, "Not logged in · Please run /login", NotSignedIn, 503),
        (None, "API Error: Connection error.", UpstreamFailed, 502),
    ],
)
def test_a_failed_result_is_an_error_and_its_text_no_answer(
    status: int | None, said: str, kind: type[PosternError], public_status: int
):
    synthetic = AssistantLine(AssistantMessage("<synthetic>", [{"type": "text", "text": said}]))
    error = failure([SystemLine("init"), synthetic, failed(status, said)])
    assert type(error) is kind
    assert error.status == public_status
    assert said in error.detail


def test_a_failure_after_the_beginning_is_an_error_too():
    process = ScriptedProcess([START, text("a")], [STOP, failed(None, "API Error: Overloaded")])
    found = turn(process).events()
    assert len(next(found)) == 2
    with pytest.raises(Overloaded):
        next(found)


# threat 18
def test_an_end_without_an_answer_is_a_crash_and_nothing_is_made_up():
    error = failure([ResultLine("error_during_execution", result="odd")])
    assert isinstance(error, CliCrashed)
    assert error.detail == "result error_during_execution"  # not the text: it may be an answer's


# threat 18
def test_a_process_that_ends_takes_its_turn_with_it():
    found = turn(ScriptedProcess([START, text("a")], CliCrashed("It ended."))).events()
    assert len(next(found)) == 2
    with pytest.raises(CliCrashed, match="It ended"):
        next(found)


# threat 79
def test_a_limit_that_upstream_dated_is_told_as_seconds_to_wait():
    limit = RateLimitLine(RateLimit("rejected", NOON + 90))
    assert failure([limit, failed(429)]).retry_after == 90
    assert failure([RateLimitLine(RateLimit("rejected", NOON - 5)), failed(429)]).retry_after == 1
    assert failure([RateLimitLine(RateLimit("rejected", None)), failed(429)]).retry_after == 60
    assert failure([RateLimitLine(RateLimit("allowed", NOON + 90)), failed(429)]).retry_after == 60


# ---- the CLI asks again


def test_a_retry_that_may_succeed_soon_is_let_be():
    answer = [START, text("a"), delta(), STOP]
    assert events([retry(0.5)], 0.5, [retry(1.0, attempt=2)], 1.0, answer) == ["start", "a", "delta", "stop"]
    assert events([retry(6.0)], 6.0, answer) == ["start", "a", "delta", "stop"]


@pytest.mark.parametrize(
    ("steps", "kind", "retry_after"),
    [
        ([[retry(6.1)]], Overloaded, 7),
        ([[retry(1.0)], 1.0, [retry(4.0)], 4.0, [retry(1.5)]], Overloaded, 2),
        ([[retry(30.0, 429)]], RateLimited, 30),
        ([[retry(30.0, 500)]], UpstreamFailed, None),
        ([[retry(30.0, None)]], UpstreamFailed, None),
    ],
)
def test_a_retry_beyond_the_budget_is_told_as_the_failure_that_it_is(
    steps: list[Step], kind: type[PosternError], retry_after: int | None
):
    error = failure(*steps)
    assert type(error) is kind
    assert error.retry_after == retry_after


def test_the_budget_for_retries_counts_from_the_first_failure():
    """Not from the question: an answer that breaks late may be asked for again, too."""
    answer = [START, text("Hello"), delta(), STOP]
    late = [[START], 9.0, [text("Hel")], 9.0, [STOP, retry(5.0)], 5.0]
    assert events(*late, answer)[-4:] == ["start", "Hello", "delta", "stop"]
    assert events(19.0, [retry(5.0)], 5.0, [retry(1.0, attempt=2)], 1.0, answer)[-1] == "stop"
    assert isinstance(failure(19.0, [retry(5.0)], 5.0, [retry(1.1, attempt=2)]), Overloaded)
    assert isinstance(failure(19.0, [retry(6.1)]), Overloaded)


# threat 19: trying again does not sign anybody in
@pytest.mark.parametrize("status", [401, 403])
def test_a_retry_without_a_login_is_not_waited_for(status: int):
    assert isinstance(failure([retry(0.1, status)]), NotSignedIn)


def test_what_broke_and_begins_again_is_told_as_a_restart():
    broken = [START, text("Hel"), STOP]  # the CLI's own message_stop, without a stop reason before it
    found = events(broken, [retry(0.5, None)], 0.5, [START, text("Hello"), delta(), STOP])
    assert found == ["start", "Hel", RESTART["type"], "start", "Hello", "delta", "stop"]


def test_a_restart_without_a_stop_between_is_one_too():
    found = events([START, text("Hel")], [START, text("Hello"), delta(), STOP])
    assert found == ["start", "Hel", RESTART["type"], "start", "Hello", "delta", "stop"]


def test_a_stop_reason_goes_with_its_own_beginning():
    """The first try broke between its message_delta and its message_stop, the second one before either."""
    found = events([START, text("a"), delta()], [START, text("b"), STOP], [START, text("c"), delta(), STOP])
    assert found[-5:] == [RESTART["type"], "start", "c", "delta", "stop"]


def test_what_broke_and_does_not_begin_again_fails():
    assert isinstance(
        failure([START, text("Hel"), STOP], [failed(None, "API Error: Connection closed")]), UpstreamFailed
    )


# ---- silence


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


# ---- tools

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


# ---- a question more


def test_a_process_that_goes_on_is_told_the_last_message_only():
    process = ScriptedProcess([START, text("a"), delta(), STOP])
    list(Turn(process, prompt("user", "assistant"), PATIENCE, goes_on=True, clock=process.clock).events())
    assert process.log[:2] == ["settled", ["control", "user 2"]]


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

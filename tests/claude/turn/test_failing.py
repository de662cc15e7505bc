"""Upstream fails, and the CLI asks again."""

import pytest

from app.claude.events import (
    AssistantLine,
    AssistantMessage,
    RateLimit,
    RateLimitLine,
    ResultLine,
    SystemLine,
)
from app.claude.turn import RESTART
from app.errors import (
    CliCrashed,
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
from tests.claude.turn.scripted import (
    NOON,
    START,
    STOP,
    ScriptedProcess,
    Step,
    delta,
    events,
    failed,
    failure,
    retry,
    text,
    turn,
)


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

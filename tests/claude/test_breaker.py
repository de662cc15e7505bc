import pytest

from app.claude.breaker import Breaker
from app.errors import CliCrashed

ERROR = CliCrashed("No.")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(failures=3, pause=2.0, longest=60.0, clock=clock)


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.failed(ERROR)


def test_it_begins_closed(breaker: Breaker):
    assert (breaker.is_open, breaker.failing, breaker.seconds_left, breaker.last_error) == (False, False, 0.0, None)


def test_it_opens_at_the_third_failure_in_a_row(breaker: Breaker):
    fail(breaker, 2)
    assert (breaker.is_open, breaker.failing) == (False, False)
    fail(breaker, 1)
    assert (breaker.is_open, breaker.failing, breaker.last_error) == (True, True, ERROR)


def test_a_success_between_begins_the_count_anew(breaker: Breaker):
    fail(breaker, 2)
    breaker.succeeded()
    fail(breaker, 2)
    assert not breaker.is_open


def test_after_the_pause_one_may_try_though_it_is_still_failing(breaker: Breaker, clock: Clock):
    fail(breaker, 3)
    clock.now += 1.5
    assert breaker.seconds_left == 0.5
    clock.now += 0.5
    assert (breaker.is_open, breaker.seconds_left, breaker.failing) == (False, 0.0, True)


def test_a_success_closes_it_at_once(breaker: Breaker):
    fail(breaker, 5)
    breaker.succeeded()
    assert (breaker.is_open, breaker.failing, breaker.seconds_left, breaker.last_error) == (False, False, 0.0, None)


def test_the_pause_doubles_to_the_longest_and_begins_anew_after_a_success(breaker: Breaker):
    fail(breaker, 2)
    pauses = []
    for _ in range(8):
        breaker.failed(ERROR)
        pauses.append(breaker.seconds_left)
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]
    breaker.succeeded()
    fail(breaker, 3)
    assert breaker.seconds_left == 2


def test_very_many_failures_do_not_overflow(breaker: Breaker):
    fail(breaker, 5000)
    assert breaker.seconds_left == 60


# threat 23
def test_starts_are_few_when_every_one_fails_at_once(breaker: Breaker, clock: Clock):
    starts: list[float] = []
    while clock.now < 1000.0 + 600.0:
        if not breaker.is_open:
            starts.append(clock.now)
            breaker.failed(ERROR)
        clock.now += 0.01
    assert len([start for start in starts if start < 1060.0]) <= 8
    assert len(starts) <= 8 + 10

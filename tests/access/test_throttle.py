import ipaddress
import random

import pytest

from app.access.throttle import FREE_FAILURES, FREE_FOR_ALL, LONGEST_TURN, LONGEST_WAIT, MOST_ADDRESSES, Throttle
from app.errors import TooManyAttempts
from tests.support.clock import Clock

OWNER = "192.0.2.1"


@pytest.fixture
def throttle(clock: Clock) -> Throttle:
    return Throttle(clock)


def wait_of(throttle: Throttle, address: str = OWNER) -> int:
    """Seconds to wait; 0 when an attempt begins."""
    try:
        throttle.check(address)
    except TooManyAttempts as refused:
        return refused.retry_after or 0
    return 0


def fail(throttle: Throttle, address: str = OWNER) -> int:
    if wait := wait_of(throttle, address):
        return wait
    throttle.failed(address)
    return 0


# threat 52
def test_after_five_failures_each_wait_is_twice_as_long_up_to_five_minutes(throttle: Throttle, clock: Clock):
    assert [fail(throttle) for _ in range(FREE_FAILURES)] == [0] * FREE_FAILURES
    waits = []
    for _ in range(12):
        waits.append(wait := fail(throttle))
        clock.go(wait - 0.5)
        assert fail(throttle) == 1
        clock.go(0.5)
        assert fail(throttle) == 0
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    assert max(waits) == LONGEST_WAIT


def test_a_success_clears_the_address(throttle: Throttle, clock: Clock):
    for _ in range(FREE_FAILURES):
        fail(throttle)
    clock.go(1)
    assert wait_of(throttle) == 0
    throttle.succeeded(OWNER)
    assert [fail(throttle) for _ in range(FREE_FAILURES)] == [0] * FREE_FAILURES
    assert fail(throttle) == 1


def test_an_hour_later_failures_are_forgotten(throttle: Throttle, clock: Clock):
    for _ in range(FREE_FAILURES):
        fail(throttle)
    clock.go(3601)
    assert [fail(throttle) for _ in range(FREE_FAILURES)] == [0] * FREE_FAILURES


# threat 52
def test_attempts_at_the_same_time_get_no_further_than_one_after_the_other(throttle: Throttle, clock: Clock):
    begun = [wait_of(throttle) for _ in range(20)]
    assert begun.count(0) == FREE_FAILURES
    for _ in range(FREE_FAILURES):
        throttle.failed(OWNER)
    assert wait_of(throttle) == 1


def test_an_attempt_whose_end_nobody_told_does_not_count_for_ever(throttle: Throttle, clock: Clock):
    for _ in range(FREE_FAILURES):
        throttle.check(OWNER)
    assert wait_of(throttle) == 1
    clock.go(11)
    assert wait_of(throttle) == 0


# threat 52
@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "unknown", False),
    ],
)
def test_a_customers_whole_network_is_one_address(throttle: Throttle, one: str, other: str, same: bool):
    for _ in range(FREE_FAILURES):
        fail(throttle, one)
    assert (wait_of(throttle, other) > 0) is same


def botnet(size: int) -> list[str]:
    return [str(ipaddress.ip_address(0x0A000000 + number)) for number in range(size)]


# threat 52
def test_all_together_are_slowed_down(throttle: Throttle, clock: Clock):
    tried = 0
    for _ in range(60):
        for address in botnet(2000):
            tried += fail(throttle, address) == 0
        clock.go(1)
    assert FREE_FOR_ALL + 59 <= tried <= FREE_FOR_ALL + 60


# threat 52
@pytest.mark.parametrize("size", [50, 2000, MOST_ADDRESSES - 1])
def test_the_owner_gets_a_turn_within_five_minutes_however_many_attack(throttle: Throttle, clock: Clock, size: int):
    attackers = botnet(size)
    chance = random.Random(5)  # noqa: S311  # the same each time
    waited = 0.0
    while waited <= LONGEST_TURN + 5:
        for address in chance.sample(attackers, min(size, 300)):
            fail(throttle, address)
        if not (wait := wait_of(throttle)):
            break
        for _ in range(wait):
            clock.go(1)
            waited += 1
            for address in chance.sample(attackers, min(size, 300)):
                fail(throttle, address)
    assert 0 < waited <= LONGEST_TURN + 1


# threat 52
def test_who_was_right_before_needs_no_turn(throttle: Throttle, clock: Clock):
    assert wait_of(throttle) == 0
    throttle.succeeded(OWNER)
    clock.go(86_400)
    for address in botnet(MOST_ADDRESSES * 2):
        fail(throttle, address)
    assert wait_of(throttle) == 0


def test_memory_is_bounded(throttle: Throttle):
    for address in botnet(MOST_ADDRESSES + 500):
        wait_of(throttle, address)
    assert len(throttle._records) == MOST_ADDRESSES

"""A process that stays with its conversation, and one that is wiped for another."""

import pytest

from app.claude.demand import FORGET_AFTER_SECONDS
from app.claude.lending import Place
from app.errors import CliCrashed
from tests.claude.pool.pooling import SOON, Clock, kept, lent, warm
from tests.support.processes import wait_until


def test_a_kept_process_goes_on_with_its_conversation_only_and_once(opened):  # threat 9
    pool = opened("sonnet", most=4, kept=2)
    worker = kept(pool, b"one")
    assert pool.resume(b"other") is None
    place = pool.resume(b"one")
    assert place.worker is worker
    assert pool.resume(b"one") is None
    pool.leave(place)
    assert worker.terminated


def test_a_kept_process_is_not_lent_to_others(opened):  # threat 9
    pool = opened("sonnet", most=4, kept=2)
    worker = kept(pool, b"one")
    others = [lent(pool, "sonnet") for _ in range(2)]
    assert worker not in [place.worker for place in others]
    assert not pool.busy or not worker.terminated
    for place in others:
        pool.leave(place)


def test_only_so_many_are_kept_and_the_longest_kept_goes_first(opened):
    pool = opened("sonnet", most=8, kept=2)
    first, second, third = (kept(pool, name) for name in (b"1", b"2", b"3"))
    assert (first.terminated, second.terminated, third.terminated) == (True, False, False)
    assert pool.resume(b"1") is None
    pool.leave(pool.resume(b"2"))


def test_a_process_is_kept_for_a_time(opened):
    clock = Clock()
    pool = opened("sonnet", most=4, kept=2, kept_seconds=300, clock=clock)
    worker = kept(pool, b"one")
    clock.now += 299
    pool.leave(pool.resume(b"unknown") or Place("", 0))
    assert not worker.terminated
    clock.now += 1
    assert pool.resume(b"one") is None
    wait_until(lambda: worker.terminated, SOON, "it is ended")


def test_a_kept_process_that_died_is_not_resumed(opened):
    pool = opened("sonnet", most=4, kept=2)
    worker = kept(pool, b"one")
    worker.usable = False
    assert pool.resume(b"one") is None


def test_a_request_that_needs_room_takes_a_kept_ones(opened, starts):  # threat 22
    pool = opened("sonnet", warm=0, most=1, kept=1)
    worker = kept(pool, b"one")
    place = lent(pool, "sonnet")
    assert worker.terminated
    assert (place.worker is not worker, starts.most_at_once) == (True, 1)
    pool.leave(place)


def test_none_is_kept_where_none_may_be_or_at_the_end(opened):
    pool = opened("sonnet", most=4, kept=0)
    assert kept(pool, b"one").terminated
    draining = opened("sonnet", most=4, kept=2)
    place = lent(draining, "sonnet")
    draining.drain()
    worker = place.worker
    draining.keep(place, b"one")
    draining.leave(place)
    assert worker.terminated


def test_kept_ones_end_with_the_login_and_with_the_pool(opened):
    pool = opened("sonnet", most=4, kept=2)
    before, after = kept(pool, b"one"), None
    pool.renew()
    assert before.terminated
    after = kept(pool, b"two")
    pool.close()
    assert after.closed.is_set()


def test_a_model_that_nobody_asks_for_is_forgotten(opened, starts):
    clock = Clock()
    pool = opened("sonnet", most=6, clock=clock)
    pool.leave(lent(pool, "opus"))
    wait_until(lambda: "opus" in pool.status()["warm"], SOON, "a spare one")
    clock.now += 10
    pool.leave(lent(pool, "haiku"))
    clock.now += FORGET_AFTER_SECONDS - 5
    pool.leave(lent(pool, "sonnet"))
    wait_until(lambda: set(pool.status()["warm"]) <= {"sonnet", "haiku"}, SOON, "opus is forgotten")


# ---- reuse


def test_a_kept_process_serves_no_other_conversation_unless_it_may(opened, starts):  # threat 9
    pool = opened("sonnet", warm=0, most=4, kept=2)
    worker = kept(pool, b"one")
    assert lent(pool, "sonnet").worker is not worker
    assert (worker.wiped, starts.begun) == (0, 2)


@pytest.mark.parametrize("reuse", ["under-pressure", "always"])
def test_who_waits_gets_the_longest_kept_process_of_the_model_wiped(reuse: str, opened, starts):
    pool = opened("sonnet", warm=0, most=4, kept=3, reuse=reuse)
    places = [lent(pool, model) for model in ("opus", "sonnet", "sonnet")]
    other, first, second = (place.worker for place in places)
    for number, place in enumerate(places):
        pool.keep(place, str(number).encode())
    begun = starts.begun
    assert lent(pool, "sonnet").worker is first
    assert (first.wiped, second.wiped, other.wiped, starts.begun) == (1, 0, 0, begun)
    assert pool.resume(b"1") is None
    assert pool.resume(b"2").worker is second


@pytest.mark.parametrize(("reuse", "wiped"), [("under-pressure", 0), ("always", 1)])
def test_in_place_of_a_spare_one_it_is_wiped_only_always(reuse: str, wiped: int, opened, starts):
    pool = opened("sonnet", warm=1, most=6, kept=3, reuse=reuse)
    places = [lent(pool, "sonnet") for _ in range(2)]
    workers = [place.worker for place in places]
    for place, name in zip(places, (b"one", b"two"), strict=True):
        wait_until(lambda: warm(pool) == 1, SOON, "a spare one")
        pool.keep(place, name)
    lent(pool, "sonnet")
    wait_until(lambda: warm(pool) == 1, SOON, "a spare one in its place")
    assert ([worker.wiped for worker in workers], starts.begun) == ([wiped, 0], 4 - wiped)
    assert pool.resume(b"two").worker is workers[1]


def test_one_that_cannot_be_wiped_is_ended_and_another_one_starts(opened, starts):  # threat 9
    pool = opened("sonnet", warm=0, most=4, kept=2, reuse="always")
    worker = kept(pool, b"one")
    worker.fail_with = CliCrashed("It ended.")
    assert lent(pool, "sonnet").worker is not worker
    wait_until(worker.closed.is_set, SOON, "it is gone")


def test_when_all_room_is_taken_a_kept_one_is_wiped_and_none_is_ended(opened, starts):
    pool = opened("sonnet", warm=0, most=1, kept=1, reuse="under-pressure")
    worker = kept(pool, b"one")
    assert lent(pool, "sonnet").worker is worker
    assert (worker.terminated, starts.begun) == (False, 1)

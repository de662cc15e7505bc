"""Who waits, and in which order it is served."""

import time

import pytest

from app.errors import QueueFull, QueueTimeout
from tests.claude.pool.pooling import SOON, TICK, Clock, lent, served, settled, waiting_for, warm
from tests.support.processes import wait_until


def test_who_came_first_is_served_first(opened):
    pool = opened("sonnet", most=1)
    held = lent(pool, "sonnet")
    waiting = [pool.queue("sonnet") for _ in range(4)]
    for number, place in enumerate(waiting):
        pool.leave(held)
        assert served(pool, place)
        held = place
        assert [later.worker for later in waiting[number + 1 :]] == [None] * (3 - number)


def test_who_came_first_is_served_first_whoever_waits_first(opened, clients):
    pool = opened("sonnet", most=1)
    held = lent(pool, "sonnet")
    first, second = pool.queue("sonnet"), pool.queue("sonnet")
    impatient = clients.submit(served, pool, second)
    pool.leave(held)
    wait_until(lambda: first.worker, SOON, "a process for the first")
    assert not impatient.done()
    pool.leave(first)
    assert impatient.result(SOON)


def test_who_waits_for_another_model_is_not_overtaken(opened):
    pool = opened("sonnet", most=1)
    held = lent(pool, "sonnet")
    opus, sonnet = pool.queue("opus"), pool.queue("sonnet")
    pool.leave(held)
    assert served(pool, opus).model == "opus"
    assert sonnet.worker is None
    pool.leave(opus)
    assert served(pool, sonnet).model == "sonnet"


def test_a_process_that_is_starting_goes_to_who_waits(opened, starts, clients):
    starts.may_start.clear()
    pool = opened("sonnet", starters=1)
    waiting = waiting_for(clients, pool, "sonnet")
    starts.may_start.set()
    assert waiting.result(SOON) is starts.workers[0]


def test_a_wait_ends_after_its_seconds_and_keeps_the_place(opened):
    pool = opened("sonnet", most=1)
    held, place = lent(pool, "sonnet"), pool.queue("sonnet")
    settled(pool)
    begun = time.monotonic()
    assert pool.wait(place, 0.2) is None
    assert 0.15 <= time.monotonic() - begun < 2
    assert pool.status()["waiting"] == 1
    pool.leave(held)
    assert served(pool, place)


def test_a_wait_ends_as_soon_as_there_is_a_process(opened, starts, clients):
    starts.may_start.clear()
    pool = opened(warm=0)
    place = pool.queue("sonnet")
    wait_until(lambda: starts.begun, SOON, "the start of a process")
    waiting = clients.submit(pool.wait, place, 4 * SOON)
    starts.may_start.set()
    assert waiting.result(SOON) is starts.workers[0]


# threat 22
def test_a_full_queue_refuses_with_the_time_to_come_back(opened):
    pool = opened("sonnet", most=1, queue=2, queue_seconds=30.0)
    held = lent(pool, "sonnet")
    waiting = [pool.queue("sonnet") for _ in range(2)]
    with pytest.raises(QueueFull) as refused:
        pool.queue("sonnet")
    assert (refused.value.status, refused.value.retry_after) == (503, 15)
    assert pool.status()["waiting"] == 2
    for place in waiting:
        pool.leave(held)
        assert served(pool, place)
        held = place


def test_a_wait_is_bounded(opened, clients):
    clock = Clock()
    pool = opened("sonnet", most=1, queue_seconds=30.0, clock=clock)
    lent(pool, "sonnet")
    waiting = waiting_for(clients, pool, "sonnet")
    clock.now += 29.9
    time.sleep(6 * TICK)
    assert not waiting.done()
    clock.now += 0.1
    with pytest.raises(QueueTimeout, match="within 30 seconds") as refused:
        waiting.result(SOON)
    assert (refused.value.status, refused.value.retry_after) == (503, 15)
    assert pool.status()["waiting"] == 0


def test_the_time_in_the_queue_counts_from_the_queueing(opened):
    clock = Clock()
    pool = opened("sonnet", most=1, queue_seconds=30.0, clock=clock)
    lent(pool, "sonnet")
    place = pool.queue("sonnet")
    clock.now += 30.0
    with pytest.raises(QueueTimeout):
        pool.wait(place, SOON)


def test_who_has_been_served_is_not_refused_for_having_waited_long(opened):
    clock = Clock()
    pool = opened("sonnet", queue_seconds=30.0, clock=clock)
    place = pool.queue("sonnet")
    clock.now += 31.0
    assert pool.wait(place, SOON) is place.worker is not None


# threat 26
def test_a_client_that_went_leaves_the_queue(opened, clients):
    pool = opened("sonnet", most=1)
    held = lent(pool, "sonnet")
    leaving = pool.queue("sonnet")
    staying = waiting_for(clients, pool, "sonnet")
    assert pool.wait(leaving, TICK) is None
    pool.leave(leaving)
    assert pool.status()["waiting"] == 1
    pool.leave(held)
    assert staying.result(SOON)
    assert leaving.worker is None


def test_a_process_that_was_started_for_a_client_that_went_is_not_lost(opened, starts):
    starts.may_start.clear()
    pool = opened(warm=0, most=1)
    leaving = pool.queue("sonnet")
    wait_until(lambda: starts.begun, SOON, "the start of a process")
    pool.leave(leaving)
    starts.may_start.set()
    wait_until(lambda: warm(pool) == 1, SOON, "a spare process")
    assert lent(pool, "sonnet").worker is starts.workers[0]


# threat 26: served in the moment between the last look and the leaving
def test_a_process_that_came_too_late_for_its_client_goes_back(opened, starts):
    starts.may_start.clear()
    pool = opened(warm=0)
    place = pool.queue("sonnet")
    assert pool.wait(place, TICK) is None
    starts.may_start.set()
    wait_until(lambda: place.worker, SOON, "a process")
    pool.leave(place)
    assert starts.workers[0].closed.wait(SOON)
    assert settled(pool)["busy"] == 0

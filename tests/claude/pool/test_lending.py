"""Spare processes, each for one conversation; and what the pool tells of them."""

import pytest

from tests.claude.pool.pooling import SOON, lent, served, settled, waiting_for, warm
from tests.support.processes import wait_until


def test_spare_processes_are_kept_for_every_model_from_the_start_on(opened, starts):
    pool = opened("sonnet", "opus", warm=2)
    assert settled(pool)["warm"] == {"sonnet": 2, "opus": 2}
    assert sorted(worker.model for worker in starts.workers) == ["opus", "opus", "sonnet", "sonnet"]


def test_a_spare_process_is_lent_at_once_and_replaced(opened):
    pool = opened("sonnet")
    place = pool.queue("sonnet")
    assert place.worker.model == "sonnet"
    assert pool.wait(place, 0) is place.worker
    assert (pool.status()["busy"], pool.status()["waiting"]) == (1, 0)
    wait_until(lambda: warm(pool) == 1, SOON, "another spare process")


def test_a_model_is_kept_warm_once_it_was_asked_for(opened):
    pool = opened()
    assert lent(pool, "opus").worker.model == "opus"
    wait_until(lambda: pool.status()["warm"] == {"opus": 1}, SOON, "a spare process")


def test_without_spare_processes_each_is_started_when_it_is_asked_for(opened, starts):
    pool = opened(warm=0)
    assert starts.begun == 0
    assert lent(pool, "sonnet").worker.model == "sonnet"
    assert settled(pool)["warm"] == {}
    assert starts.begun == 1


# threat 23
@pytest.mark.parametrize("starters", [1, 3])
def test_no_more_are_started_at_once_than_there_are_starters(starters: int, opened, starts, clients):
    starts.starting_takes = 0.01
    pool = opened("sonnet", warm=2, most=12, starters=starters)
    busy = [clients.submit(lent, pool, "sonnet") for _ in range(8)]
    assert all(future.result(SOON).worker for future in busy)
    assert starts.most_beginning == starters


def test_a_spare_process_that_died_is_not_lent_and_is_seen_to_its_end(opened, starts):
    pool = opened("sonnet", warm=2)
    dead = starts.workers[0]
    dead.usable = False
    busy = [lent(pool, "sonnet").worker, lent(pool, "sonnet").worker]
    assert dead not in busy
    assert all(worker.usable for worker in busy)
    assert dead.closed.wait(SOON)
    wait_until(lambda: warm(pool) == 2, SOON, "new spare processes")


def test_a_spare_process_that_died_is_replaced_before_anybody_asks(opened, starts):
    pool = opened("sonnet", "opus")
    dead = next(worker for worker in starts.workers if worker.model == "opus")
    dead.usable = False
    lent(pool, "sonnet")  # anything that happens makes the starters look around
    assert dead.closed.wait(SOON)
    wait_until(lambda: pool.status()["warm"] == {"sonnet": 1, "opus": 1}, SOON, "a new spare process")


# ---- one conversation each


# threat 9
def test_a_process_that_comes_back_is_ended_and_never_lent_again(opened, starts):
    pool = opened("sonnet")
    seen = set()
    for _ in range(20):
        place = lent(pool, "sonnet")
        worker = place.worker
        assert worker not in seen
        assert not worker.terminated
        seen.add(worker)
        pool.leave(place)
        assert worker.terminated
        assert worker.closed.wait(SOON)
    assert len(seen) == 20


# threat 9: nobody knows what was written to it
def test_a_process_that_was_lent_is_ended_even_if_nobody_waited_for_it(opened):
    pool = opened("sonnet")
    place = pool.queue("sonnet")
    worker = place.worker
    pool.leave(place)
    assert worker.terminated
    assert worker.closed.wait(SOON)
    assert lent(pool, "sonnet").worker is not worker


def test_leaving_twice_does_no_harm(opened):
    pool = opened("sonnet", most=1)
    place, other = lent(pool, "sonnet"), pool.queue("sonnet")
    worker = place.worker
    for _ in range(2):
        pool.leave(place)
    assert served(pool, other)
    pool.leave(place)
    assert worker.closings == 1
    assert not other.worker.terminated
    assert pool.status()["busy"] == 1


def test_leaving_does_not_wait_for_the_end_but_the_slot_does(opened, starts, clients):
    pool = opened("sonnet", most=1)
    place = lent(pool, "sonnet")
    worker = place.worker
    starts.may_end.clear()
    pool.leave(place)
    waiting = waiting_for(clients, pool, "sonnet")
    assert (pool.status()["ending"], pool.status()["starting"]) == (1, 0)
    starts.may_end.set()
    assert waiting.result(SOON) is not worker
    assert starts.most_at_once == 1


# ---- what it tells


def test_trouble_is_told_until_there_is_a_process(opened, starts):
    starts.may_start.clear()
    pool = opened("sonnet")
    assert pool.trouble() == "The first claude process is starting."
    starts.may_start.set()
    wait_until(lambda: pool.trouble() is None, SOON, "an end of the trouble")


def test_the_status_tells_where_every_process_is(opened, starts, clients):
    pool = opened("sonnet", warm=2, most=4)
    lent(pool, "sonnet")
    wait_until(lambda: warm(pool) == 2, SOON, "spare processes")
    assert pool.status() == {
        "warm": {"sonnet": 2},
        "starting": 0,
        "busy": 1,
        "kept": 0,
        "resident": 3,
        "ending": 0,
        "waiting": 0,
        "most": 4,
    }

"""No more processes than there may be, whatever is asked."""

import itertools
import random
import threading
import time

import pytest

from tests.claude.pool.pooling import SOON, TICK, Clock, Worker, kept, lent, served, settled, waiting_for, warm
from tests.support.processes import wait_until


def test_a_spare_process_makes_room_for_another_model(opened, starts):
    pool = opened("sonnet", warm=3, most=3)
    starts.ending_takes = 0.1
    assert lent(pool, "opus").worker.model == "opus"
    assert sum(worker.closed.is_set() for worker in starts.workers) == 1
    assert settled(pool)["warm"] == {"sonnet": 2}
    assert starts.most_at_once == 3


def test_room_is_made_by_the_model_that_was_not_asked_for_the_longest(opened, starts):
    pool = opened("haiku", "sonnet", most=3)
    pool.leave(lent(pool, "haiku"))
    wait_until(lambda: pool.status()["warm"] == {"haiku": 1, "sonnet": 1}, SOON, "spare processes")
    settled(pool)
    lent(pool, "opus")
    wait_until(lambda: warm(pool) + pool.status()["busy"] == 3, SOON, "a full pool")
    settled(pool)
    lent(pool, "opus-2")
    assert sorted(worker.model for worker in starts.workers if worker.terminated) == ["haiku", "sonnet"]


def test_lent_processes_make_no_room(opened, starts):
    pool = opened("sonnet", most=1)
    held = lent(pool, "sonnet")
    waiting = pool.queue("opus")
    assert pool.wait(waiting, TICK) is None
    assert (held.worker.terminated, waiting.worker, starts.begun) == (False, None, 1)
    pool.leave(held)
    assert served(pool, waiting).model == "opus"


# threats 9, 22: under any load no process serves twice, and there are never more than allowed
@pytest.mark.parametrize("seed", range(4))
def test_a_random_load_keeps_every_promise(seed: int, opened, starts, clients):
    chance = random.Random(seed)  # noqa: S311  # a load that can be repeated
    models = ["sonnet", "opus", "haiku"]
    most = chance.randint(2, 5)
    starts.starting_takes, starts.ending_takes = 0.002, 0.002
    pool = opened("sonnet", warm=chance.randint(1, 2), most=most, queue=16, starters=2, queue_seconds=SOON)
    seen: list[Worker] = []
    plans = [[chance.choice(models) for _ in range(12)] for _ in range(10)]
    whims = [chance.random() for _ in range(120)]

    def client(number: int) -> None:
        for turn, model in enumerate(plans[number]):
            whim = whims[number * 12 + turn]
            patience = itertools.count()
            place = pool.queue(model)
            worker = served(pool, place, lambda whim=whim, p=patience: whim < 0.1 and next(p) > 0)
            if worker is not None:
                seen.append(worker)
                assert worker.model == model
                assert not worker.terminated
                time.sleep(whim * 0.004)
                if whim > 0.8:
                    worker.usable = False
            pool.leave(place)

    for future in [clients.submit(client, number) for number in range(10)]:
        future.result(3 * SOON)
    assert len(seen) == len(set(seen)) > 80
    assert starts.most_at_once <= most
    wait_until(lambda: all(worker.closed.is_set() for worker in seen), SOON, "the end of all that were lent")
    status = settled(pool)
    assert (status["busy"], status["waiting"]) == (0, 0)
    assert sum(worker.usable for worker in starts.workers) == warm(pool)


def test_more_are_kept_ready_while_more_are_asked_for(opened):
    clock = Clock()
    pool = opened("sonnet", most=12, warm_most=3, starters=3, clock=clock)
    for place in [pool.queue("sonnet") for _ in range(5)]:
        served(pool, place)
        pool.leave(place)
    clock.now += 2
    pool.leave(lent(pool, "sonnet"))  # a starter looks
    clock.now += 2
    pool.leave(lent(pool, "opus"))
    wait_until(lambda: pool.status()["warm"].get("sonnet") == 3, SOON, "as many as there may be")
    clock.now += 100
    pool.leave(lent(pool, "opus"))
    wait_until(lambda: pool.status()["warm"].get("sonnet") == 1, SOON, "as few as there must be")


def test_an_idle_process_that_holds_too_much_is_ended(opened, starts):  # threat 22
    pool = opened("sonnet", most=6, kept=2, process_bytes=100)
    waiting = kept(pool, b"one")
    wait_until(lambda: warm(pool) == 1, SOON, "a spare one")
    spare = starts.workers[-1]
    waiting.resident = spare.resident = 101
    wait_until(lambda: waiting.closed.is_set() and spare.closed.is_set(), SOON, "both are gone")
    assert pool.resume(b"one") is None


def test_one_that_answers_is_killed_only_when_it_holds_twice_as_much(opened):  # threat 22
    pool = opened("sonnet", most=6, process_bytes=100)
    large, larger = lent(pool, "sonnet").worker, lent(pool, "sonnet").worker
    large.resident, larger.resident = 200, 201
    wait_until(lambda: larger.terminated, SOON, "it is killed")
    assert not large.terminated


def test_idle_ones_make_room_when_memory_runs_out_and_none_takes_their_place(opened, starts, clients):  # threat 22
    left = [100]
    pool = opened("sonnet", most=6, warm=2, kept=2, reserve_bytes=50, free_memory=lambda: left[0])
    waiting = kept(pool, b"one")
    wait_until(lambda: warm(pool) == 2, SOON, "spare ones")
    for worker in starts.workers:
        worker.resident = 10
    left[0] = 49
    wait_until(waiting.closed.is_set, SOON, "the kept one is gone")
    wait_until(lambda: warm(pool) == 0, SOON, "then the spare ones")
    begun = starts.begun
    left[0] = 59  # as much as the last one held, and not more
    time.sleep(0.3)
    assert (warm(pool), starts.begun) == (0, begun)
    assert lent(pool, "sonnet").worker, "who asks is served all the same"
    left[0] = 60
    wait_until(lambda: warm(pool) == 2, SOON, "spare ones are there again")


def test_a_look_that_fails_is_not_the_last_one(opened, starts, caplog):  # threat 22
    def free() -> int:
        looks.append(1)
        if len(looks) == 2:
            raise OSError(24, "Too many open files")
        return left[0]

    looks: list[int] = []
    left = [100]
    pool = opened("sonnet", most=6, kept=2, reserve_bytes=50, free_memory=free)
    waiting = kept(pool, b"one")
    wait_until(lambda: len(looks) > 4, SOON, "the looks go on")
    assert "could not be looked at" in caplog.text
    left[0] = 49
    wait_until(waiting.closed.is_set, SOON, "the kept one is gone")


def test_a_process_that_is_wiped_takes_one_place(opened, starts, clients):
    pool = opened("haiku", "sonnet", most=4, kept=2, reuse="under-pressure", starters=2)
    waiting = kept(pool, b"one")
    wait_until(lambda: warm(pool) == 2, SOON, "spare ones")
    gate = threading.Event()
    waiting.wipe = lambda: gate.wait(SOON)
    lent(pool, "sonnet")
    second = waiting_for(clients, pool, "sonnet")
    wait_until(lambda: pool.status()["starting"] == 1, SOON, "one is wiped for it")
    status = pool.status()
    assert (status["busy"], status["kept"], status["warm"]) == (1, 0, {"haiku": 1})
    third = waiting_for(clients, pool, "opus")
    assert third.result(SOON).model == "opus", "there was a place left"
    assert pool.status()["warm"] == {"haiku": 1}
    gate.set()
    assert second.result(SOON) is waiting


def test_a_model_that_is_asked_for_all_the_time_has_spare_ones(opened, starts):
    """However often one is lent, the first that is missing is replaced a second later."""
    clock = Clock()
    pool = opened("sonnet", most=12, warm=3, starters=1, clock=clock)
    for _ in range(3):
        pool.leave(lent(pool, "sonnet"))
        clock.now += 0.6
    pool.leave(lent(pool, "opus"))  # a starter looks
    wait_until(lambda: pool.status()["warm"].get("sonnet") == 3, SOON, "all are there again")

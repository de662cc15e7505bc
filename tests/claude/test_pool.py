"""The pool with real threads, and workers that are none."""

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from app.claude.breaker import Breaker
from app.claude.demand import FORGET_AFTER_SECONDS
from app.claude.lending import Limits, Place
from app.claude.pool import Pool
from app.errors import CliCrashed, QueueFull, QueueTimeout, Resting, ShuttingDown
from tests.support.processes import wait_until

SOON = 10.0
TICK = 0.05


class Worker:
    def __init__(self, model: str, started: "Starts") -> None:
        self.model = model
        self.usable = True
        self.terminated = False
        self.closed = threading.Event()
        self.closings = 0
        self._starts = started

        self.resident = 1
        self.wiped = 0
        self.fail_with: Exception | None = None

    def terminate(self) -> None:
        self.terminated = True

    def kill(self) -> None:
        self.terminated = True

    can_be_wiped = True

    def wipe(self) -> None:
        if self.fail_with:
            raise self.fail_with
        self.wiped += 1

    def close(self) -> None:
        self.closings += 1
        assert self._starts.may_end.wait(SOON)
        time.sleep(self._starts.ending_takes)
        self.usable = False
        self._starts.count(-1, self)
        self.closed.set()


class Starts:
    """Starts workers, or fails to, and keeps the count of those that are there at the same time."""

    def __init__(self) -> None:
        self.workers: list[Worker] = []
        self.begun = 0
        self.most_at_once = 0
        self.most_beginning = 0
        self.fail_with: Exception | None = None
        self.ending_takes = 0.0
        self.starting_takes = 0.0
        self.may_start = threading.Event()
        self.may_start.set()
        self.may_end = threading.Event()
        self.may_end.set()
        self._there = self._beginning = 0
        self._gone: set[Worker] = set()
        self._lock = threading.Lock()

    def __call__(self, model: str) -> Worker:
        with self._lock:
            self.begun += 1
            self._there += 1
            self._beginning += 1
            self.most_at_once = max(self.most_at_once, self._there)
            self.most_beginning = max(self.most_beginning, self._beginning)
        assert self.may_start.wait(SOON)
        time.sleep(self.starting_takes)
        with self._lock:
            self._beginning -= 1
            if self.fail_with:
                self._there -= 1
                raise self.fail_with
            self.workers.append(Worker(model, self))
            return self.workers[-1]

    def count(self, change: int, worker: Worker) -> None:
        with self._lock:
            if worker not in self._gone:
                self._gone.add(worker)
                self._there += change


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def starts() -> Starts:
    return Starts()


@pytest.fixture
def opened(starts: Starts) -> Iterator[Callable[..., Pool[Worker]]]:
    """Makes a pool, waits until it is as warm as it gets, and closes it in the end."""
    pools = []

    def make(
        *models: str,
        breaker: Breaker | None = None,
        clock: Callable[[], float] = time.monotonic,
        free_memory: Callable[[], int] = lambda: 1 << 40,
        **limits: Any,
    ):
        numbers = Limits(**{"warm": 1, "most": 4, **limits})
        pool = Pool(starts, numbers, breaker=breaker, clock=clock, free_memory=free_memory, watch_seconds=0.02)
        pools.append(pool)
        pool.open(models)
        if starts.may_start.is_set() and not starts.fail_with:
            wait_until(lambda: warm(pool) == len(models) * limits.get("warm", 1), SOON, "warm processes")
        return pool

    yield make
    starts.may_start.set()
    starts.may_end.set()
    for pool in pools:
        pool.close()


@pytest.fixture
def clients() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as executor:
        yield executor


def warm(pool: Pool[Worker]) -> int:
    return sum(pool.status()["warm"].values())


def served(pool: Pool[Worker], place: Place[Worker], gone: Callable[[], bool] = lambda: False) -> Worker | None:
    """The process that the place gets, or None when the client is gone before. A place that fails is left."""
    deadline = time.monotonic() + SOON
    try:
        while (worker := pool.wait(place, TICK)) is None and not gone():
            assert time.monotonic() < deadline, "no process"
    except BaseException:
        pool.leave(place)
        raise
    return worker


def lent(pool: Pool[Worker], model: str) -> Place[Worker]:
    """A place that has been served."""
    place = pool.queue(model)
    assert served(pool, place) is place.worker
    return place


def waiting_for(clients: ThreadPoolExecutor, pool: Pool[Worker], model: str) -> "Future[Worker | None]":
    """A client in its place in the queue, and waiting."""
    return clients.submit(served, pool, pool.queue(model))


def settled(pool: Pool[Worker]) -> dict[str, Any]:
    """Its status once nothing starts or ends any more."""
    wait_until(lambda: not pool.status()["starting"] and not pool.status()["ending"], SOON, "an end of starting")
    return pool.status()


# ---- spare processes


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


# ---- the queue


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


# ---- room


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


# ---- processes that do not start


def broken_pool(opened: Any, starts: Starts, **pauses: float) -> Pool[Worker]:
    starts.fail_with = CliCrashed("It ended.", detail="exit code 1")
    return opened("sonnet", warm=3, breaker=Breaker(failures=3, **pauses))


def test_after_some_failed_starts_requests_are_refused_at_once_with_the_reason(opened, starts):
    pool = broken_pool(opened, starts, pause=50.0, longest=50.0)
    wait_until(lambda: pool.trouble() != "The first claude process is starting.", SOON, "an open breaker")
    assert pool.trouble() == "The claude CLI does not start: It ended."
    with pytest.raises(Resting) as refused:
        pool.wait(pool.queue("sonnet"), 0)
    assert refused.value.status == 503
    assert 45 <= refused.value.retry_after <= 51
    assert refused.value.detail == "It ended."


def test_who_waits_is_refused_when_the_breaker_opens(opened, starts, clients):
    starts.may_start.clear()
    pool = broken_pool(opened, starts, pause=50.0)
    waiting = [waiting_for(clients, pool, "sonnet") for _ in range(3)]
    starts.may_start.set()
    for future in waiting:
        with pytest.raises(Resting):
            future.result(SOON)
    assert pool.status()["waiting"] == 0


# threat 23
def test_starts_are_few_while_every_one_fails_at_once(opened, starts):
    begun = time.monotonic()
    broken_pool(opened, starts, pause=0.1, longest=0.4)
    time.sleep(0.8)
    # Three, or four when two were under way; then after 0.1, 0.2 and each 0.4 seconds.
    allowed = 4 + 2 + (time.monotonic() - begun) / 0.4
    assert 4 <= starts.begun <= allowed


def test_after_the_pause_one_start_alone_is_tried(opened, starts):
    pool = broken_pool(opened, starts, pause=0.2)
    wait_until(lambda: pool.trouble() != "The first claude process is starting.", SOON, "an open breaker")
    starts.may_start.clear()
    tried, starts.most_beginning = starts.begun, 0
    wait_until(lambda: starts.begun > tried, SOON, "another try")
    time.sleep(0.1)
    assert (starts.begun, starts.most_beginning) == (tried + 1, 1)


def test_a_start_that_succeeds_closes_the_breaker(opened, starts, clients):
    pool = broken_pool(opened, starts, pause=0.05, longest=0.1)
    wait_until(lambda: starts.begun >= 5, SOON, "a few failures")
    starts.fail_with = None
    wait_until(lambda: warm(pool) == 3, SOON, "spare processes")
    assert pool.trouble() is None
    assert lent(pool, "sonnet")


@pytest.mark.parametrize("error", [ValueError("A bug."), OSError("No more processes."), CliCrashed("No.")])
def test_whatever_a_start_raises_the_pool_lives_on(error: Exception, opened, starts):
    starts.fail_with = error
    pool = opened("sonnet", breaker=Breaker(pause=0.01, longest=0.01))
    wait_until(lambda: starts.begun >= 5, SOON, "some tries")
    starts.fail_with = None
    wait_until(lambda: warm(pool) == 1, SOON, "a spare process")


# ---- the end


def test_closing_ends_every_process_wherever_it_is(opened, starts, clients):
    pool = opened("sonnet", warm=2, most=8, starters=1)
    held = lent(pool, "sonnet")
    wait_until(lambda: warm(pool) == 2, SOON, "spare processes")
    starts.may_start.clear()
    waiting = waiting_for(clients, pool, "opus")
    wait_until(lambda: starts.begun == 4, SOON, "the start of another one")
    closing = clients.submit(pool.close)
    with pytest.raises(ShuttingDown):
        waiting.result(SOON)
    starts.may_start.set()
    closing.result(SOON)
    assert len(starts.workers) == 4  # the one that was starting too
    assert all(worker.closed.is_set() and worker.terminated for worker in starts.workers)
    pool.leave(held)  # its request notices in its own time
    assert settled(pool)["busy"] == 0


def test_closing_ends_the_processes_side_by_side(opened, starts):
    pool = opened("sonnet", warm=6, most=8)
    held = [lent(pool, "sonnet") for _ in range(2)]
    starts.ending_takes = 0.4
    begun = time.monotonic()
    pool.close()
    assert time.monotonic() - begun < 4 * starts.ending_takes
    assert all(worker.closed.is_set() for worker in starts.workers)
    assert all(place.worker.terminated for place in held)


def test_a_closed_pool_lends_and_starts_nothing(opened, starts):
    pool = opened("sonnet")
    pool.close()
    begun = starts.begun
    with pytest.raises(ShuttingDown) as refused:
        pool.queue("sonnet")
    assert refused.value.retry_after
    assert pool.trouble() == "The gateway is shutting down."
    time.sleep(0.05)
    assert starts.begun == begun
    pool.close()


class Stubborn(Worker):
    def close(self) -> None:
        super().close()
        raise OSError("No signal reaches it.")


def test_one_process_that_cannot_be_closed_keeps_no_other_open(opened, starts, caplog):
    pool = opened("sonnet", warm=3)
    for worker in starts.workers[:2]:
        worker.__class__ = Stubborn
    pool.close()
    assert all(worker.closed.is_set() for worker in starts.workers)
    assert "could not be closed" in caplog.text


def test_the_place_of_a_process_that_cannot_be_closed_comes_back(opened, starts, caplog):
    pool = opened("sonnet", most=1)
    place = lent(pool, "sonnet")
    worker = place.worker
    worker.__class__ = Stubborn
    pool.leave(place)
    assert lent(pool, "sonnet").worker is not worker
    assert "could not be closed" in caplog.text


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


# ---- a process that stays with its conversation


def kept(pool: Pool[Worker], conversation: bytes, model: str = "sonnet") -> Worker:
    place = lent(pool, model)
    worker = place.worker
    pool.keep(place, conversation)
    pool.leave(place)
    assert worker
    return worker


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


# ---- demand and memory


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


def test_idle_ones_make_room_when_memory_runs_out(opened, starts):
    left = [100]
    pool = opened("sonnet", most=6, kept=2, reserve_bytes=50, free_memory=lambda: left[0])
    waiting = kept(pool, b"one")
    settled(pool)
    left[0] = 49
    wait_until(waiting.closed.is_set, SOON, "the kept one is gone")
    wait_until(lambda: starts.workers[-1].closed.is_set() or warm(pool) == 0, SOON, "then the spare one")

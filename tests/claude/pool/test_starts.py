"""Processes that do not start, and the pool's own end."""

import time
from typing import Any

import pytest

from app.claude.breaker import Breaker
from app.claude.pool import Pool
from app.errors import CliCrashed, Resting, ShuttingDown
from tests.claude.pool.pooling import SOON, Clock, Starts, Worker, lent, settled, waiting_for, warm
from tests.support.processes import wait_until


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


class Moody(Worker):
    """Whether it is usable cannot be told when it is asked for the first time."""

    asked = 0

    @property
    def usable(self) -> bool:
        self.asked += 1
        if self.asked == 1:
            raise OSError(24, "Too many open files")
        return self._usable

    @usable.setter
    def usable(self, value: bool) -> None:
        self._usable = value


def test_a_starter_outlives_whatever_goes_wrong_between_its_starts(opened, starts, monkeypatch, caplog):
    monkeypatch.setattr("app.claude.pool._PAUSE_SECONDS", 0.01)
    starts.make = Moody
    clock = Clock()
    pool = opened("sonnet", starters=1, clock=clock)
    starts.make = Worker
    clock.now += 2  # time for a look at what is idle
    assert lent(pool, "opus").worker
    assert "made an error" in caplog.text


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

import logging
import threading

import pytest

from app.access.upkeep import Upkeep
from app.errors import StoreFailed


def test_tasks_are_handed_over_again_and_again_and_done_once_more_at_the_end():
    handed, done = threading.Semaphore(0), []

    def run(task):
        assert threading.current_thread().name == "upkeep"
        task()
        handed.release()

    upkeep = Upkeep([lambda: done.append("a"), lambda: done.append("b")], run, every=0.01)
    upkeep.open()
    for _ in range(6):
        assert handed.acquire(timeout=10)
    upkeep.close()
    assert done[:4] == ["a", "b", "a", "b"]
    assert done[-2:] == ["a", "b"]


def test_one_that_fails_is_told_of_and_hinders_no_other(caplog: pytest.LogCaptureFixture):
    done = []

    def fail() -> None:
        raise StoreFailed("The disk is full.", detail="/x")

    def break_down() -> None:
        raise ZeroDivisionError

    with caplog.at_level(logging.WARNING):
        Upkeep([fail, break_down, lambda: done.append(1)], lambda task: task()).close()
    assert done == [1]
    assert "The disk is full. It is tried again." in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_what_takes_no_time_is_done_where_the_thread_is():
    done: list[str] = []
    threads, enough = set(), threading.Event()

    def quick() -> None:
        threads.add(threading.current_thread().name)
        if "slow" in done:
            enough.set()

    upkeep = Upkeep([lambda: done.append("slow")], lambda task: task(), every=0.01, quick=[quick])
    upkeep.open()
    assert enough.wait(10)
    upkeep.close()
    assert threads == {"upkeep"}

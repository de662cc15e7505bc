"""A pool with real threads, over workers that are none."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app.claude.breaker import Breaker
from app.claude.lending import Limits
from app.claude.pool import Pool
from tests.claude.pool.pooling import SOON, Starts, Worker, warm
from tests.support.processes import wait_until

LIMITS = {
    "warm": 1,
    "warm_most": 0,
    "most": 4,
    "starters": 2,
    "queue": 64,
    "queue_seconds": 30.0,
    "kept": 8,
    "kept_seconds": 300.0,
    "reuse": "never",
    "process_bytes": 1 << 30,
    "reserve_bytes": 0,
}


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
        numbers = Limits(**{**LIMITS, **limits})
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

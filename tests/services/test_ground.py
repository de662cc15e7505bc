"""What the settings come to."""

import os

import pytest

from app.claude import memory
from app.claude.lending import Limits
from app.services import ground
from app.settings import load

GIVEN = {
    "POOL__WARM": "3",
    "POOL__WARM_MOST": "5",
    "POOL__MAX": "13",
    "POOL__STARTERS": "4",
    "POOL__KEEP": "7.5",
    "POOL__REUSE": "under-pressure",
    "POOL__PROCESS_MEMORY": "300",
    "POOL__SPARE_MEMORY": "200",
    "QUEUE__MAX": "11",
    "QUEUE__TIMEOUT": "9.5",
}


def limits(**environ: str) -> Limits:
    return ground.limits(load({f"GATEWAY_{name}": value for name, value in environ.items()}))


def test_what_is_set_is_what_counts():
    assert limits(**GIVEN) == Limits(
        warm=3,
        warm_most=5,
        most=13,
        starters=4,
        queue=11,
        queue_seconds=9.5,
        kept=6,
        kept_seconds=7.5,
        reuse="under-pressure",
        process_bytes=300 << 20,
        reserve_bytes=200 << 20,
    )


def test_none_stay_with_their_conversation_where_they_may_not():
    assert limits(POOL__KEEP="0").kept == 0


@pytest.mark.parametrize(
    ("free", "most"),
    [(0, 2), (1 << 30, 2), (6 * ground.PROCESS_BYTES, 3), (20 * ground.PROCESS_BYTES, 10), (1 << 50, 32)],
)
def test_half_of_the_free_memory_bears_the_processes(monkeypatch: pytest.MonkeyPatch, free: int, most: int):
    monkeypatch.setattr(memory, "free", lambda: free)
    found = limits()
    assert (found.most, found.warm_most, found.kept) == (most, most // 4, most // 2)


@pytest.mark.parametrize(("cores", "most", "starters"), [(2, 16, 2), (64, 16, 8), (64, 3, 3)])
def test_as_many_start_at_once_as_the_cores_bear(monkeypatch: pytest.MonkeyPatch, cores: int, most: int, starters: int):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)))
    assert limits(POOL__MAX=str(most)).starters == starters

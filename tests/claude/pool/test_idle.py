"""Processes that nobody uses: which of them is taken."""

from dataclasses import dataclass

from app.claude.idle import Idle
from app.claude.kept import Kept


@dataclass(frozen=True)
class Process:
    """As much of one as counts here."""

    model: str
    number: int


def test_spare_ones_are_taken_the_longest_there_first():
    idle = Idle[Process](Kept(2, 60))
    for number in (1, 2):
        idle.put_spare(Process("sonnet", number))
    idle.put_spare(Process("sonnet", 3), first=True)
    idle.put_spare(Process("opus", 4))
    assert idle.spares() == {"sonnet": 3, "opus": 1}
    assert [idle.take_spare("sonnet") for _ in range(4)] == [*(Process("sonnet", n) for n in (3, 1, 2)), None]
    assert idle.take_first_spare(["haiku", "sonnet", "opus"]) == Process("opus", 4)
    assert idle.take_first_spare(["haiku", "sonnet", "opus"]) is None
    assert (len(idle), idle.spares(), idle.spare("opus")) == (0, {}, 0)


def test_those_of_a_kind_are_taken_wherever_they_are():
    idle = Idle[Process](Kept(2, 60))
    for number in range(4):
        idle.put_spare(Process("sonnet", number))
        idle.kept.put(bytes([number]), Process("sonnet", 10 + number), now=0)
    assert (len(idle), len(idle.workers())) == (6, 6)
    assert {process.number for process in idle.take_where(lambda process: process.number % 2 == 0)} == {0, 2, 12}
    assert {process.number for process in idle.take_all()} == {1, 3, 13}
    assert len(idle) == 0

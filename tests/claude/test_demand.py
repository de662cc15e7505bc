"""How many spare processes the requests of the last minute ask for."""

import pytest

from app.claude.demand import FORGET_AFTER_SECONDS, Demand


def asked(*times: float, least: int = 1, most: int = 4) -> Demand:
    demand = Demand(least, most)
    for moment in times:
        demand.ask("sonnet", moment)
    return demand


@pytest.mark.parametrize(
    ("times", "spares"),
    [
        ([0], 1),
        ([0, 5, 10], 1),
        ([0, 0.5, 1.9], 3),
        ([0, 1.9, 2.1, 3.8], 3),
        ([0] * 10, 4),  # the most
    ],
)
def test_as_many_as_began_together(times: list[float], spares: int):
    assert asked(*times).spares("sonnet", 30) == spares


def test_what_is_long_ago_does_not_count():
    demand = asked(0, 0, 0, 50)
    assert [demand.spares("sonnet", now) for now in (59, 61, 111)] == [3, 1, 1]


def test_none_are_kept_where_none_are_wanted():
    assert asked(0, 0, least=0).spares("sonnet", 1) == 0


def test_the_least_may_be_more_than_the_most():
    assert asked(0, least=3, most=0).spares("sonnet", 1) == 3


def test_a_model_that_is_not_asked_for_is_forgotten_unless_it_is_always_wanted():
    demand = Demand(1, 4)
    demand.always(["opus"], 0)
    demand.ask("sonnet", 0)
    demand.forget(FORGET_AFTER_SECONDS)
    assert demand.models() == ["opus", "sonnet"]
    demand.forget(FORGET_AFTER_SECONDS + 1)
    assert demand.models() == ["opus"]
    assert demand.spares("sonnet", FORGET_AFTER_SECONDS + 1) == 0


def test_the_model_that_was_asked_for_last_stands_last():
    demand = Demand(1, 4)
    for model in ("sonnet", "opus", "sonnet"):
        demand.ask(model, 0)
    assert demand.models() == ["opus", "sonnet"]

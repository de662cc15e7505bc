"""Which of the kept processes must go."""

import pytest

from app.claude.kept import Kept


def holding(*names: str, most: int = 3, seconds: float = 10) -> Kept[str]:
    kept = Kept[str](most, seconds)
    for now, name in enumerate(names):
        assert kept.put(name.encode(), name, now) == []
    return kept


def test_each_is_taken_once_and_by_its_own_conversation_only():
    kept = holding("a", "b")
    assert [kept.take(b"c", 2), kept.take(b"a", 2), kept.take(b"a", 2)] == [None, "a", None]
    assert kept.workers() == ["b"]


def test_the_longest_kept_one_goes_for_a_new_one():
    kept = holding("a", "b", "c")
    assert kept.put(b"d", "d", 3) == ["a"]
    assert kept.workers() == ["b", "c", "d"]


def test_the_later_one_of_the_same_words_stays():
    kept = holding("a", "b")
    assert kept.put(b"a", "again", 2) == ["a"]
    assert kept.workers() == ["b", "again"]


def test_each_stays_for_its_time():
    kept = holding("a", "b", "c")
    assert [kept.take_expired(9), kept.take_expired(11), kept.workers()] == [[], ["a", "b"], ["c"]]


def test_one_whose_time_is_up_is_not_taken():
    kept = holding("a")
    assert [kept.take(b"a", 10), kept.take_expired(10)] == [None, ["a"]]


def test_some_are_taken_by_what_they_are_the_longest_kept_first():
    kept = holding("x1", "y1", "x2")
    assert kept.take_where(lambda name: name.startswith("x"), 1) == ["x1"]
    assert kept.take_where(lambda name: name.startswith("x")) == ["x2"]
    assert kept.take_longest() == "y1"
    with pytest.raises(KeyError):
        kept.take_longest()

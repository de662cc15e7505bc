import threading
from typing import Any

from app.services.responses import KeptResponses
from tests.support.clock import Clock


def kept(**bounds: Any) -> tuple[KeptResponses, Clock]:
    clock = Clock()
    return KeptResponses(**{"clock": clock, "share": 1.0, **bounds}), clock


def held(store: KeptResponses, *names: str) -> list[str]:
    return [name for name in names if store.find("key", name) is not None]


def test_a_response_is_found_by_its_owner_alone():
    store, _ = kept()
    value = {"response": {"id": "resp_1"}, "input": [], "messages": [{"role": "user", "content": "é"}]}
    store.keep("key", "resp_1", value)
    assert store.find("key", "resp_1") == value
    # threat 9
    assert store.find("another", "resp_1") is None
    assert not store.forget("another", "resp_1")
    assert store.find("key", "resp_1") == value


def test_what_is_found_is_nobody_elses():
    store, _ = kept()
    value = {"messages": ["a"]}
    store.keep("key", "a", value)
    value["messages"].append("b")
    store.find("key", "a")["messages"].append("c")
    assert store.find("key", "a") == {"messages": ["a"]}


def test_what_is_forgotten_is_gone():
    store, _ = kept()
    store.keep("key", "a", 1)
    assert [store.forget("key", "a"), store.forget("key", "a")] == [True, False]
    assert store.find("key", "a") is None


def test_after_an_hour_it_is_gone_however_often_it_was_asked_for():
    store, clock = kept()
    store.keep("key", "a", 1)
    clock.now += 3599
    store.keep("key", "b", 1)
    assert held(store, "a", "b") == ["a", "b"]
    clock.now += 1
    assert held(store, "a", "b") == ["b"]
    assert not store.forget("key", "a")


def test_nothing_stays_in_memory_longer_than_that():
    store, clock = kept()
    store.keep("key", "a", "x")
    clock.now += 3600
    store.forget_old()
    assert (len(store._held), store._bytes.total()) == (0, 0)


# threat 22
def test_when_there_are_too_many_the_least_used_goes_first():
    store, _ = kept(most=3)
    for name in ("a", "b", "c"):
        store.keep("key", name, 1)
    store.find("key", "a")
    store.keep("another", "d", 1)
    assert held(store, "a", "b", "c") == ["a", "c"]


# threat 22
def test_when_they_are_too_large_the_least_used_goes_first():
    store, _ = kept(most_bytes=100)
    store.keep("key", "a", "x" * 40)
    store.keep("key", "b", "x" * 40)
    store.keep("key", "c", "x" * 10)
    assert held(store, "a", "b", "c") == ["a", "b", "c"]
    store.keep("key", "d", "x" * 50)
    assert held(store, "a", "b", "c", "d") == ["c", "d"]


def test_one_that_would_take_all_the_room_is_not_kept_and_costs_no_other():
    store, _ = kept(most_bytes=100)
    store.keep("key", "a", "x")
    store.keep("key", "b", "x" * 200)
    assert held(store, "a", "b") == ["a"]


def test_keeping_again_replaces():
    store, _ = kept(most_bytes=100)
    for _ in range(5):
        store.keep("key", "a", "x" * 60)
    store.keep("key", "b", "x" * 30)
    assert held(store, "a", "b") == ["a", "b"]


def test_many_threads_at_once_leave_the_books_in_order():
    store, _ = kept(most=50, most_bytes=2000)

    def work(number: int) -> None:
        for turn in range(200):
            name = f"{(number * 7 + turn) % 90}"
            store.keep("key", name, "x" * (turn % 60))
            store.find("key", name)
            if turn % 3 == 0:
                store.forget("key", name)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert store._bytes.total() == sum(len(one.data) for one in store._held.values()) <= 2000
    assert len(store._held) <= 50


def test_one_owner_has_his_share_only():  # threat 9
    store, _ = kept(most_bytes=400, share=0.25)
    store.keep("another", "a", "x" * 90)
    for number in range(5):
        store.keep("key", f"{number}", "x" * 40)
    assert held(store, *"01234") == ["3", "4"]
    assert store.find("another", "a") is not None
    store.keep("key", "large", "x" * 100)
    assert held(store, "large", "3") == ["3"]

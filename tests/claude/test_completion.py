"""Completions with real threads, on workers that say what they are given to say."""

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from app.claude.completion import Batch, Completion, Order
from app.claude.events import Line, ResultLine, StreamEventLine
from app.claude.lending import Place
from app.claude.turn import Patience
from app.errors import CliCrashed, Overloaded, PosternError, QueueFull, QueueTimeout, Resting
from app.protocols.prompt import Prompt
from tests.support.processes import wait_until

SOON = 10.0
TICK = 0.02
PROMPT = Prompt([], [{"role": "user", "content": [{"type": "text", "text": "hi"}]}])


def event(kind: str, **members: Any) -> Line:
    return StreamEventLine({"type": kind, **members})


START = event("message_start", message={"model": "claude-x"})
END = [event("message_delta", delta={"stop_reason": "end_turn"}), event("message_stop")]


def text(said: str) -> Line:
    return event("content_block_delta", index=0, delta={"type": "text_delta", "text": said})


class Worker:
    full_model = "claude-x"

    def __init__(self, *batches: list[Line] | Exception) -> None:
        self._said: queue.Queue[list[Line] | Exception] = queue.Queue()
        self.reads = 0
        self.readers: set[threading.Thread] = set()
        self.written: list[Any] = []
        self.terminated = False
        self.say(*batches)

    def say(self, *batches: list[Line] | Exception) -> None:
        for batch in batches:
            self._said.put(batch)

    def configure(self, prompt: Prompt) -> list[Any]:
        return []

    def write(self, messages: Any) -> None:
        self.written += messages

    def read(self, timeout: float) -> list[Line]:
        self.readers.add(threading.current_thread())
        try:
            batch = self._said.get(timeout=min(timeout, TICK))
        except queue.Empty:
            return []
        self.reads += 1
        if isinstance(batch, Exception):
            raise batch
        return batch

    def tap(self, wanted: Callable[[Line], bool]) -> Any:
        return SimpleNamespace(fileno=lambda: -1, read=lambda: [text("more")], close=lambda: None)

    def forbid_further_requests(self) -> None:
        self.written.append("no further request")

    def kill(self) -> None:
        self.terminated = True

    def terminate(self) -> None:
        self.terminated = True
        self.say(CliCrashed("It ended."))


class Lender:
    """Lends these in the order of the queue, or raises them, then nothing any more."""

    def __init__(self, *workers: Worker | PosternError) -> None:
        self._workers = list(workers)
        self._due: dict[Place[Worker], Worker | PosternError | None] = {}
        self._lock = threading.Lock()
        self.asked: list[str] = []
        self.left: list[Place[Worker]] = []
        self.back: list[Worker] = []
        self.before_lending: Callable[[Worker | None], object] = lambda worker: None

    def queue(self, model: str) -> Place[Worker]:
        place = Place[Worker](model, SOON)
        with self._lock:
            self.asked.append(model)
            due = self._due[place] = self._workers.pop(0) if self._workers else None
        if isinstance(due, QueueFull):
            raise due
        return place

    def wait(self, place: Place[Worker], seconds: float) -> Worker | None:
        due = self._due[place]
        if isinstance(due, Exception):
            raise due
        self.before_lending(due)
        if due is None:
            time.sleep(min(seconds, TICK))
        place.worker = due
        return due

    def leave(self, place: Place[Worker]) -> None:
        self.left.append(place)
        worker, place.worker = place.worker, None
        if worker is not None:
            worker.terminate()
            self.back.append(worker)


@pytest.fixture
def complete() -> Iterator[Callable[..., Completion]]:
    made = []

    def make(lender: Lender, n: int = 1) -> Completion:
        made.append(Completion(lender, Order("sonnet", PROMPT), n, Patience()))
        return made[-1]

    yield make
    for completion in made:
        completion.cancel()
    threads = [thread for thread in threading.enumerate() if thread.name == "choice"]
    wait_until(lambda: not any(thread.is_alive() for thread in threads), SOON, "an end of every thread")


def gathered(completion: Completion) -> dict[int, str]:
    """What each choice said."""
    said: dict[int, str] = {}
    for batch in completion.batches():
        for index, found in batch:
            said[index] = said.get(index, "") + found.get("delta", {}).get("text", "")
    return said


def first_full(batches: Iterator[Batch]) -> Batch:
    return next(filter(None, batches))


def test_the_events_of_a_turn_come_in_order_and_then_it_ends(complete):
    worker = Worker([START, text("a")], [text("b"), *END])
    lender = Lender(worker)
    found = [pair for batch in complete(lender).batches() for pair in batch]
    assert {index for index, _ in found} == {0}
    kinds = [kind["type"] for _, kind in found]
    assert kinds == ["message_start", "content_block_delta", "content_block_delta", "message_delta", "message_stop"]
    assert lender.asked == ["sonnet"]
    assert lender.back == [worker]
    assert len(lender.left) == 1


# threat 26: a response that is never begun asks for nothing
@pytest.mark.parametrize("n", [1, 2])
def test_nothing_begins_before_somebody_reads(n: int, complete):
    lender = Lender(Worker(), Worker())
    completion = complete(lender, n)
    completion.cancel()
    assert list(completion.batches()) == []
    assert lender.asked == []


def test_a_single_choice_is_taken_in_the_thread_of_its_reader(complete):
    worker = Worker([START, *END])
    gathered(complete(Lender(worker)))
    assert worker.readers == {threading.current_thread()}


def test_the_deltas_of_a_single_choice_can_be_read_in_another_thread(complete):
    completion = complete(Lender(Worker([START, text("a")])))
    assert completion.deltas() is None
    first_full(completion.batches())
    assert [event["delta"]["text"] for event in completion.deltas().read()] == ["more"]


def test_the_deltas_of_several_choices_come_with_their_batches_only(complete):
    completion = complete(Lender(*[Worker([START, text("a")]) for _ in range(2)]), 2)
    first_full(completion.batches())
    assert completion.deltas() is None


def test_several_choices_have_threads_of_their_own(complete):
    workers = [Worker([START], END) for _ in range(3)]
    gathered(complete(Lender(*workers), 3))
    readers = [worker.readers for worker in workers]
    assert len(set.union(*readers)) == 3
    assert threading.current_thread() not in set.union(*readers)


@pytest.mark.parametrize("n", [1, 2])
def test_waiting_in_the_queue_is_ticks(n: int, complete):
    lender = Lender()
    batches = complete(lender, n).batches()
    assert [next(batches) for _ in range(4)] == [[]] * 4
    assert lender.asked == ["sonnet"] * n


def test_a_tick_without_events_is_an_empty_batch(complete):
    worker = Worker([START])
    batches = complete(Lender(worker)).batches()
    assert len(first_full(batches)) == 1
    assert [next(batches) for _ in range(3)] == [[], [], []]
    worker.say([text("a"), *END])
    assert len(first_full(batches)) == 3


# threat 9
@pytest.mark.parametrize("n", [2, 8])
def test_choices_have_each_a_process_of_its_own_and_are_told_apart(n: int, complete):
    workers = [Worker([START], [text(f"<{number}")], [text(">"), *END]) for number in range(n)]
    lender = Lender(*workers)
    said = gathered(complete(lender, n))
    assert sorted(said) == list(range(n))
    assert sorted(said.values()) == [f"<{number}>" for number in range(n)]
    assert set(lender.back) == set(workers)
    assert len(lender.back) == n
    assert all(len(worker.written) == 2 for worker in workers)  # the question, and that no further one is meant


def test_a_completion_is_over_when_its_last_choice_is(complete):
    slow = Worker([START])
    completion = complete(Lender(Worker([START, *END]), slow), 2)
    batches = completion.batches()
    kinds: Counter[str] = Counter()
    while kinds["message_start"] < 2 or kinds["message_stop"] < 1:
        kinds.update(found["type"] for _, found in next(batches))
    assert [next(batches) for _ in range(3)] == [[]] * 3
    slow.say(END)
    assert sum(found["type"] == "message_stop" for batch in batches for _, found in batch) == 1


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize(
    ("due", "kind"),
    [
        (lambda: QueueFull("Full."), QueueFull),
        (lambda: QueueTimeout("Late."), QueueTimeout),
        (lambda: Resting("Broken."), Resting),
        (lambda: Worker(CliCrashed("It ended.")), CliCrashed),
        (lambda: Worker([START], [ResultLine(is_error=True, api_error_status=529)]), Overloaded),
        (lambda: Worker(ValueError("A bug.")), ValueError),
    ],
)
def test_a_failure_is_raised_where_the_events_are_read(
    due: Callable[[], Worker | PosternError], kind: type[Exception], n: int, complete
):
    failing, other = due(), Worker([START])
    lender = Lender(failing, other)
    with pytest.raises(kind):
        gathered(complete(lender, n))
    if isinstance(failing, Worker):
        assert failing in lender.back
        assert failing.terminated
    # A place that was given is left, also when it was never served.
    given = n - (kind is QueueFull)
    wait_until(lambda: len(lender.left) == given, SOON, "the places left")


def test_the_failure_of_one_choice_is_raised_and_ends_the_others(complete):
    other = Worker([START])
    lender = Lender(other, Worker(CliCrashed("It ended.")), QueueFull("Full."))
    completion = complete(lender, 3)
    with pytest.raises(PosternError):
        gathered(completion)
    wait_until(lambda: len(lender.back) == 2, SOON, "both processes back")
    assert other.terminated
    completion.cancel()
    assert len(lender.left) == 2


# threat 26
@pytest.mark.parametrize("n", [1, 2])
def test_cancelling_ends_what_runs_and_twice_does_no_harm(n: int, complete):
    workers = [Worker([START]) for _ in range(n)]
    lender = Lender(*workers)
    completion = complete(lender, n)
    batches = completion.batches()
    for _ in workers:
        first_full(batches)
    completion.cancel()
    completion.cancel()
    wait_until(lambda: len(lender.left) == n, SOON, "the processes back")
    assert set(lender.back) == set(workers)
    assert list(batches) == []


# threat 26
@pytest.mark.parametrize("n", [1, 2])
def test_cancelling_gives_up_the_place_in_the_queue(n: int, complete):
    lender = Lender()
    completion = complete(lender, n)
    next(completion.batches())
    wait_until(lambda: len(lender.asked) == n, SOON, "a place in the queue")
    completion.cancel()
    wait_until(lambda: len(lender.left) == n, SOON, "an end of the waiting")
    assert lender.back == []


# threat 26: the client left while it waited, and is missed only when a process is there
def test_between_the_lending_and_the_question_is_a_look_about(complete):
    worker = Worker()
    lender = Lender(worker)
    completion = complete(lender)
    assert next(completion.batches()) == []
    assert worker.written == []
    completion.cancel()
    assert lender.back == [worker]
    assert worker.written == []


# threat 26: cancelled in the moment between the lending and the work
def test_a_process_that_comes_too_late_goes_back_without_a_question(complete):
    early, late = Worker([START]), Worker()
    lender = Lender(early, late)
    lending, cancelled = threading.Event(), threading.Event()
    lender.before_lending = lambda worker: worker is late and (lending.set(), cancelled.wait(SOON))
    completion = complete(lender, 2)
    first_full(completion.batches())
    assert lending.wait(SOON)
    completion.cancel()
    cancelled.set()
    wait_until(lambda: late in lender.back, SOON, "the process back")
    assert late.written == []


# threats 21, 22
def test_a_reader_that_is_slow_keeps_the_process_from_running_ahead(complete):
    worker = Worker([START], *([text(f"{number},")] for number in range(1000)), END)
    completion = complete(Lender(worker))
    batches = completion.batches()
    for taken in range(1, 4):
        first_full(batches)
        time.sleep(TICK)
        assert worker.reads == taken
    assert gathered(completion) == {0: "".join(f"{number}," for number in range(2, 1000))}


# threats 21, 22
def test_a_reader_that_is_slow_keeps_several_processes_from_running_ahead(complete):
    workers = [Worker([START], *([text(f"{number},")] for number in range(1000)), END) for _ in range(2)]
    completion = complete(Lender(*workers), 2)
    next(completion.batches())
    wait_until(lambda: sum(worker.reads for worker in workers) > 60, SOON, "a full queue")
    with pytest.raises(AssertionError):
        wait_until(lambda: sum(worker.reads for worker in workers) > 70, 0.3, "more than the queue holds")
    whole = "".join(f"{number}," for number in range(1000))
    assert gathered(completion) == {0: whole, 1: whole}


def test_cancelling_frees_threads_that_wait_for_a_slow_reader(complete):
    workers = [Worker([START], *([text("x")] for _ in range(1000))) for _ in range(2)]
    lender = Lender(*workers)
    completion = complete(lender, 2)
    next(completion.batches())
    wait_until(lambda: sum(worker.reads for worker in workers) > 60, SOON, "a full queue")
    completion.cancel()
    wait_until(lambda: set(lender.back) == set(workers), SOON, "the processes back")

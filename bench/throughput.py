"""New conversations a second, sustained: the gateway with many clients, and `claude -p` two at a time."""

import threading
import time
from collections.abc import Callable

from bench.client import Client
from bench.figures import Section
from bench.oneshot import answer_by_a_process_per_request
from bench.stage import MODEL, Stage, prompt_of, request
from tests.support.gateway import Gateway

PROCESSES = 2
_WORDS = 8
_HOW = (
    "Short answers, one request after the other from each client. Counted after a lead-in of a quarter of each "
    "slice, which uses up the spare processes; slices in turn."
)


def measure(stage: Stage, gateway: Gateway, clients: int, seconds: float, slices: int) -> Section:
    ways = {f"the gateway, {clients} clients": 0.0, f"`claude -p`, {PROCESSES} at a time": 0.0}
    by_gateway, by_processes = ways
    for _ in range(slices):
        stage.settle(gateway)
        ways[by_gateway] += _rate(clients, seconds, lambda: _asker(gateway)) / slices
        stage.settle(gateway)
        ways[by_processes] += _rate(PROCESSES, seconds, lambda: _starter(stage)) / slices
    section = Section("Sustained load", _HOW, ("way", "requests/s"))
    section.rows += [(name, f"{rate:.2f}") for name, rate in ways.items()]
    return section


def _asker(gateway: Gateway) -> Callable[[], None]:
    client = Client(gateway)

    def ask() -> None:
        assert client.ask(request(words=_WORDS)).whole

    return ask


def _starter(stage: Stage) -> Callable[[], None]:
    return lambda: answer_by_a_process_per_request(stage.installation, MODEL, prompt_of(request(words=_WORDS)))


def _rate(clients: int, seconds: float, make: Callable[[], Callable[[], None]]) -> float:
    """Answers a second from that many threads, each of which does its work again and again."""
    began = time.perf_counter()
    ends: list[float] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            do = make()
            while time.perf_counter() - began < seconds:
                do()
                ends.append(time.perf_counter() - began)
        except BaseException as error:  # raised anew below
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    counted = [end for end in ends if seconds / 4 <= end < seconds]
    return len(counted) / (seconds * 3 / 4)

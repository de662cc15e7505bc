"""New conversations a second, sustained: the gateway with many clients, `claude -p`, and what the cores can start."""

import math
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import replace

from app.claude.worker import Worker
from bench import cli
from bench.client import Client
from bench.figures import Bars, Section, at_least
from bench.stage import CORES, MODEL, Stage, prompt_of, request
from tests.support.gateway import Gateway

PROCESSES = 2
_WORDS = 8
_GATEWAY, _REUSE = "the gateway, `reuse = never`", "the gateway, `reuse = always`"
_PER_REQUEST = f"`claude -p`, {PROCESSES} at a time"
_SPAWNED = "processes made ready, no more"
_USED = "processes made ready and asked"
_HOW = (
    "Short answers, one request after the other from each of {clients} clients. Counted after a lead-in of a quarter "
    "of each slice, which uses up the spare processes; slices in turn. Beside it what the cores can do without a "
    "gateway: as many processes at a time as there are cores, made ready just as the gateway does it, and ended; and "
    "the same with one question to each. The targets are against the latter: a conversation costs its process and a "
    "question: what is merely made ready has answered nobody."
)


def measure(stage: Stage, gateway: Gateway, clients: int, seconds: float, slices: int) -> list[Section]:
    with ExitStack() as held:
        gateways = {_GATEWAY: gateway, _REUSE: held.enter_context(stage.gateway(reuse="always"))}
        rates = dict.fromkeys((*gateways, _PER_REQUEST, _SPAWNED, _USED), 0.0)
        for way in [*rates] * slices:
            for each in gateways.values():
                stage.settle(each)
            rates[way] += _rate_of(way, stage, gateways.get(way), clients, seconds) / slices
        section = _section(rates, clients)
        section.targets += [stage.held_up(each, f"sustained load, {way}") for way, each in gateways.items()]
    return [section]


def _rate_of(way: str, stage: Stage, gateway: Gateway | None, clients: int, seconds: float) -> float:
    if gateway:
        return _rate(clients, seconds, lambda: _asker(gateway))
    if way == _PER_REQUEST:
        return _rate(PROCESSES, seconds, lambda: _starter(stage))
    return _spawn_rate(stage, seconds, asked=way == _USED)


def _asker(gateway: Gateway) -> Callable[[], None]:
    client = Client(gateway)

    def ask() -> None:
        assert client.ask(request(words=_WORDS)).whole

    return ask


def _starter(stage: Stage) -> Callable[[], None]:
    def answer() -> None:
        with cli.one_shot(stage.installation, MODEL) as process:
            cli.answer(process, prompt_of(request(words=_WORDS)))

    return answer


def _rate(clients: int, seconds: float, make: Callable[[], Callable[[], None]]) -> float:
    """Answers a second from that many threads, each of which does its work again and again."""
    began = time.perf_counter()
    ends: list[float] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            ends.extend(_repeat(make(), began, seconds))
        except BaseException as error:  # raised anew below
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return _counted(ends, seconds)


def _repeat(do: Callable[[], None], began: float, seconds: float) -> list[float]:
    """The moments at which it was done, counted from the beginning."""
    ends = []
    while time.perf_counter() - began < seconds:
        do()
        ends.append(time.perf_counter() - began)
    return ends


def _counted(ends: Iterable[float], seconds: float) -> float:
    return sum(seconds / 4 <= end < seconds for end in ends) / (seconds * 3 / 4)


def _spawn_rate(stage: Stage, seconds: float, *, asked: bool) -> float:
    # Processes, because claude processes are started from a main thread only (threat 15).
    with ProcessPoolExecutor(CORES, multiprocessing.get_context("spawn")) as starters:
        list(starters.map(time.sleep, [0.5] * CORES))  # all have started
        began = time.perf_counter()  # of the machine, and so the same in all processes
        alone = replace(stage, admins={})  # what a process can be handed
        jobs = [starters.submit(_make_ready, alone, began, seconds, asked) for _ in range(CORES)]
        return _counted([end for job in jobs for end in job.result()], seconds)


def _make_ready(stage: Stage, began: float, seconds: float, asked: bool) -> list[float]:
    closing: list[threading.Thread] = []

    def make() -> None:
        worker = stage.spare()
        if asked:
            cli.answer(worker, prompt_of(request(words=_WORDS)))
        closing.append(_end(worker))

    ends = _repeat(make, began, seconds)
    for thread in closing:
        thread.join()
    return ends


def _end(worker: Worker) -> threading.Thread:
    """Beside the next start, as the pool does it."""
    worker.terminate()
    thread = threading.Thread(target=worker.close)
    thread.start()
    return thread


def _section(rates: dict[str, float], clients: int) -> Section:
    section = Section("Sustained load", _HOW.format(clients=clients), ("way", "conversations/s", "/ `claude -p`"))
    section.rows += [(way, f"{rate:.2f}", f"{_ratio(rate, rates[_PER_REQUEST]):.2f}") for way, rate in rates.items()]
    bearable = rates[_USED]
    share = _ratio(rates[_GATEWAY], bearable) * 100
    times = _ratio(rates[_REUSE], bearable)
    section.targets += [
        at_least("new conversations/s, `reuse = never` / what the cores start and ask", share, 90, "%"),
        at_least("new conversations/s, `reuse = always` / the same", times, 5, "times"),
    ]
    plotted = {way.replace("`", ""): rate for way, rate in rates.items()}
    ours = frozenset(way.replace("`", "") for way in (_GATEWAY, _REUSE))
    section.bars.append(Bars("New conversations per second, sustained", "/s", plotted, ours))
    return section


def _ratio(rate: float, other: float) -> float:
    """Nothing at all may come of a short slice on a busy machine: no target is met then."""
    return rate / other if other else math.nan

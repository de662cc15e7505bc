"""Many streams at once, for a minute: does everything arrive, once and in order, how late, and at what cost."""

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

from app.claude.events import Line, StreamEventLine
from app.claude.worker import Worker
from bench import cli
from bench.client import Crowd, Reception, crowd_at
from bench.figures import Bars, Section, Target, at_most, fine_ms, mb, median, ms, p95, p99
from bench.loop import running_loop
from bench.stage import Stage, prompt_of, request, resident
from bench.window import Window, watched

_PACE = 0.05
_RAW, _GATEWAY, _LOOP = "warm processes, driven directly", "the gateway", "a bare gevent server, no CLI"
_HOW = (
    "{streams} new conversations begun at the same moment, each on a spare process and a connection of its own; "
    "{rate:.0f} deltas a second for {seconds:.0f} s through the gateway; before it and after it half as long from the "
    "CLI directly, and then from a bare gevent server. Added delay: from the moment at which the stand-in for "
    "Anthropic hands a delta to the kernel, which the delta itself tells, to the moment at which the reader has it; of "
    "all deltas between the tenth and the ninetieth percent, when all streams flow. The reader is the same program for "
    "all, and what it takes for itself is in all figures."
)
_COLUMNS = (
    "way", "deltas measured", "added delay, median", "p95", "p99", "longest", "first token, median", "p95"
)  # fmt: skip
_COUNTED = ("way", "complete", "lost", "doubled", "reordered")
_COSTS = ("of", "CPU per delta", "/ CLI", "memory before", "at the end", "grown a stream", "all of it a stream")


@dataclass
class LineReception(Reception):
    """Of lines of the CLI's."""

    lines: list[tuple[float, Line]] = field(default_factory=list)

    def note(self, line: Line) -> None:
        self.lines.append((time.perf_counter(), line))
        self.events += cli.is_delta(line)

    def deltas(self) -> Iterator[tuple[float, str]]:
        for at, line in self.lines:
            if isinstance(line, StreamEventLine) and cli.is_delta(line):
                yield at, line.event["delta"]["text"]

    @property
    def whole(self) -> bool:
        return bool(self.ended)


@dataclass
class Outcome:
    """`delays` are those within the window, in seconds. `words` of each stream, as they came."""

    words: list[list[str]] = field(default_factory=list)
    whole: int = 0
    first: list[float] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)

    def add(self, receptions: Iterable[Reception], window: Window) -> None:
        for reception in receptions:
            arrived = [(at, word) for at, text in reception.deltas() for word in text.split()]
            self.words.append([word for _, word in arrived])
            self.whole += reception.whole
            self.first.append(reception.first_token)
            self.delays += [
                at - int(word.partition("@")[2]) / 1e9  # one clock: perf_counter is CLOCK_MONOTONIC, as monotonic_ns
                for at, word in arrived
                if window.began.at <= at <= window.ended.at
            ]


@dataclass(frozen=True)
class Cost:
    """Of the gateway's worker and of the CLI's processes that answer: seconds a delta, and bytes."""

    gateway: float
    cli: float
    gateway_before: int
    gateway_after: int
    cli_before: int
    cli_after: int
    held_up: Target


def measure(stage: Stage, streams: int, seconds: float) -> list[Section]:
    outcomes = {_RAW: Outcome(), _GATEWAY: Outcome(), _LOOP: Outcome()}
    half, whole = int(seconds / 2 / _PACE), int(seconds / _PACE)
    _directly(stage, streams, half, outcomes[_RAW])
    cost = _through_gateway(stage, streams, whole, outcomes[_GATEWAY])
    _directly(stage, streams, half, outcomes[_RAW])
    with running_loop() as loop:
        _watch(crowd_at(loop, _bodies(streams, half)), {loop.pid}, half, outcomes[_LOOP])
    how = _HOW.format(streams=streams, rate=1 / _PACE, seconds=seconds)
    return [
        _delays(f"{streams} streams at once", how, outcomes),
        _counts(streams, whole, outcomes[_GATEWAY], cost.held_up),
        _costs(streams, cost),
    ]


def _bodies(streams: int, words: int) -> list[bytes]:
    return [request(words=words, delta_delay=_PACE, send_times=True) for _ in range(streams)]


def _watch(crowd: Crowd, pids: set[int], words: int, outcome: Outcome) -> Window:
    window = watched(crowd, pids, words)
    outcome.add(crowd.receptions, window)
    return window


def _directly(stage: Stage, streams: int, words: int, outcome: Outcome) -> None:
    with ExitStack() as held:
        workers = [held.enter_context(closing(stage.spare())) for _ in range(streams)]
        time.sleep(2)  # the last of them have come to rest, too
        asks = [_asker(*pair) for pair in zip(workers, _bodies(streams, words), strict=True)]
        _watch(Crowd(asks, [LineReception() for _ in asks]), {worker.pid for worker in workers}, words, outcome)


def _asker(worker: Worker, body: bytes) -> Callable[[Reception], None]:
    prompt = prompt_of(body)

    def ask(reception: Reception) -> None:
        assert isinstance(reception, LineReception)
        reception.began = time.perf_counter()
        cli.ask(worker, prompt)
        for line in cli.lines_of_answer(worker):
            reception.note(line)
        reception.ended = time.perf_counter()

    return ask


def _through_gateway(stage: Stage, streams: int, words: int, outcome: Outcome) -> Cost:
    # No room for a replacement: nothing starts while the streams are measured.
    with stage.gateway(warm=streams, most=streams, keep="0") as gateway:
        worker, claudes = gateway.worker_pid, gateway.claude_pids()
        before, cli_before = resident(worker), sum(map(resident, claudes))
        window = _watch(crowd_at(gateway, _bodies(streams, words)), {worker, *claudes}, words, outcome)
        held = window.ended.resident
        cli_after = sum(held[pid] for pid in claudes)
        held_up = stage.held_up(gateway, f"{streams} streams at once")
        return Cost(window.cpu([worker]), window.cpu(claudes), before, held[worker], cli_before, cli_after, held_up)


def _delays(title: str, how: str, outcomes: dict[str, Outcome]) -> Section:
    section = Section(title, how, _COLUMNS)
    for way, outcome in outcomes.items():
        delays = (fine_ms(of(outcome.delays)) for of in (median, p95, p99, max))
        first = (ms(of(outcome.first)) for of in (median, p95))
        section.rows.append((way, str(len(outcome.delays)), *delays, *first))
    raw, gateway = (p99(outcomes[way].delays) * 1000 for way in (_RAW, _GATEWAY))
    section.targets.append(at_most("added delay per delta, p99, gateway - CLI directly", gateway - raw, 25, "ms"))
    values = {way: p99(outcome.delays) * 1000 for way, outcome in outcomes.items()}
    section.bars.append(Bars(f"Added delay of a delta, {title}", "ms, 99th percentile", values, frozenset({_GATEWAY})))
    return section


def _counts(streams: int, words: int, outcome: Outcome, held_up: Target) -> Section:
    section = Section("What came of them", "Of the streams through the gateway above.", _COUNTED)
    faults = [_faults(stream, words) for stream in outcome.words]
    sums = [sum(kind) for kind in zip(*faults, strict=True)]
    section.rows.append((_GATEWAY, str(outcome.whole), *map(str, sums)))
    what, measured = f"{streams} streams at once: complete, words wrong", f"{outcome.whole}, {sum(sums)}"
    section.targets += [Target(what, f"{streams}, 0", measured, measured == f"{streams}, 0"), held_up]
    return section


def _faults(stream: list[str], words: int) -> tuple[int, int, int]:
    """How many of `w0@NS w1@NS w2@NS ...` are lost, doubled and out of order."""
    numbers = [int(word.removeprefix("w").partition("@")[0]) for word in stream]
    distinct = set(numbers)
    reordered = sum(after < before for before, after in itertools.pairwise(numbers))
    return words - len(distinct), len(numbers) - len(distinct), reordered


def _costs(streams: int, cost: Cost) -> Section:
    how = "Of the same streams: the gunicorn worker process, and the `claude` processes together. Memory is resident."
    section = Section("What they cost", how, _COSTS)
    share = cost.gateway / cost.cli
    told = (
        (_GATEWAY, cost.gateway, share, cost.gateway_before, cost.gateway_after),
        ("the CLI", cost.cli, 1, cost.cli_before, cost.cli_after),
    )
    for name, seconds, of_cli, before, after in told:
        memory = (
            mb(before),
            mb(after),
            f"{(after - before) / streams / 2**20:.2f} MB",
            f"{after / streams / 2**20:.1f} MB",
        )
        section.rows.append((name, f"{seconds * 1e6:.0f} us", f"{of_cli:.1%}", *memory))
    section.targets.append(at_most(f"CPU, gateway / CLI, {streams} streams at 20 deltas/s", share * 100, 10, "%"))
    return section

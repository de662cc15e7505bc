"""CPU that one streamed delta costs: in the gateway's worker process, and in the CLI."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bench.client import Crowd
from bench.figures import Section, at_most
from bench.stage import Stage, cpu, request
from tests.support.gateway import Gateway
from tests.support.processes import wait_until

# Name, seconds between two deltas, length against a stream of the usual one: so long as it lasts while it is measured.
# The target is for the first, the pace of a model; the others show what bursts cost.
_PACES = (("at 20 deltas/s", 0.05, 0.15), ("at 100 deltas/s", 0.01, 0.5), ("as fast as they come", 0.0, 5))
_Choose = Callable[[Iterable[int]], int]
_HOW = (
    "User and system time of the gunicorn worker process and of the `claude` processes that answer, between the tenth "
    "and the ninetieth percent of the same streams, divided by the deltas in between. Spare processes are left out. "
    f"The target is checked {_PACES[0][0]} only; the other rows show what faster streams cost."
)


@dataclass(frozen=True)
class Cost:
    """Seconds of CPU a delta, and deltas a second."""

    gateway: float
    cli: float
    rate: float


@dataclass(frozen=True)
class _Sample:
    at: float
    deltas: int
    gateway: float
    cli: dict[int, float]  # by process


def measure(stage: Stage, gateway: Gateway, most: int, deltas: int) -> Section:
    section = Section(
        "CPU per streamed delta", _HOW, ("streams", "deltas each", "deltas/s", "gateway", "CLI", "gateway / CLI")
    )
    for streams in (1, most):
        for name, pace, times in _PACES:
            stage.settle(gateway)
            length = max(20, int(deltas * times))
            while (cost := _cost(gateway, streams, length, pace)) is None:  # over before it could be measured
                length *= 4
                stage.settle(gateway)
            _report(section, f"{streams} {name}", length, cost, checked=pace == _PACES[0][1])
    return section


def _cost(gateway: Gateway, streams: int, deltas: int, pace: float) -> Cost | None:
    claudes = gateway.claude_pids()
    crowd = Crowd(gateway, [request(words=deltas, delta_delay=pace) for _ in range(streams)])
    crowd.begin()
    began = _sample(crowd, gateway, claudes, deltas // 10, min)
    ended = _sample(crowd, gateway, claudes, deltas * 9 // 10, max)
    crowd.finish()
    answered = _ended(gateway, claudes, streams)
    count = ended.deltas - began.deltas
    if count <= 0:
        return None
    cli = sum(ended.cli[pid] - began.cli[pid] for pid in answered)
    return Cost((ended.gateway - began.gateway) / count, cli / count, count / (ended.at - began.at))


def _ended(gateway: Gateway, claudes: set[int], streams: int) -> set[int]:
    """The processes that answered: each is ended after its stream. Spare ones use CPU too, which is no stream's."""
    wait_until(lambda: len(claudes - gateway.claude_pids()) >= streams, 20, "the processes that answered are ended")
    ended = claudes - gateway.claude_pids()
    assert len(ended) == streams, f"{len(ended)} processes ended after {streams} streams"
    return ended


def _sample(
    crowd: Crowd, gateway: Gateway, claudes: set[int], deltas: int, of_streams: Callable[[Iterable[int]], int]
) -> _Sample:
    """Waits until that many deltas have come in every stream (min) or in one (max)."""
    while of_streams(reception.events for reception in crowd.receptions) < deltas:
        crowd.demand_well()
        time.sleep(0.002)
    received = sum(reception.events for reception in crowd.receptions)
    return _Sample(time.perf_counter(), received, cpu(gateway.worker_pid), {pid: cpu(pid) for pid in claudes})


def _report(section: Section, name: str, deltas: int, cost: Cost, *, checked: bool) -> None:
    share = cost.gateway / cost.cli
    shown = (f"{cost.rate:.0f}", f"{cost.gateway * 1e6:.0f} us", f"{cost.cli * 1e6:.0f} us", f"{share:.1%}")
    section.rows.append((name, str(deltas), *shown))
    if checked:
        section.targets.append(at_most(f"CPU per delta, gateway / CLI, {name}", share * 100, 15, "%"))

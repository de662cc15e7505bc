"""CPU that one streamed delta costs: in the gateway's worker process, in the CLI, and in a bare gevent server."""

from dataclasses import dataclass, replace

from bench.client import crowd_at
from bench.figures import Section, at_most
from bench.loop import Loop, running_loop
from bench.stage import Stage, request
from bench.window import watched
from tests.support.gateway import Gateway
from tests.support.processes import wait_until

# Name, seconds between two deltas, length against a stream of the usual one: so long as it lasts while it is measured.
# The target is for the first, the pace of a model; the others show what bursts cost.
_PACES = (("at 20 deltas/s", 0.05, 0.15), ("at 100 deltas/s", 0.01, 0.5), ("as fast as they come", 0.0, 5))
_HOW = (
    "User and system time of the gunicorn worker process and of the `claude` processes that answer, between the tenth "
    "and the ninetieth percent of the same streams, divided by the deltas in between; and of a gevent server that "
    "starts nothing and sends as many deltas at the same pace by itself. Spare processes are left out. "
    f"The target is checked {_PACES[0][0]} only; the other rows show what faster streams cost."
)
_COLUMNS = ("streams", "deltas each", "deltas/s", "gateway", "CLI", "bare loop", "gateway / CLI", "gateway / loop")


@dataclass(frozen=True)
class Case:
    streams: int
    name: str
    pace: float
    deltas: int

    def bodies(self) -> list[bytes]:
        return [request(words=self.deltas, delta_delay=self.pace) for _ in range(self.streams)]


@dataclass(frozen=True)
class Cost:
    """Seconds of CPU a delta, and deltas a second."""

    gateway: float
    cli: float
    loop: float
    rate: float


def measure(stage: Stage, most: int, deltas: int) -> list[Section]:
    section = Section("CPU per streamed delta", _HOW, _COLUMNS)
    # No room for a replacement: nothing starts while the streams are measured.
    with stage.gateway(warm=most, most=most, keep="0") as gateway, running_loop() as loop:
        for streams in sorted({1, most}):
            for name, pace, times in _PACES:
                stage.settle(gateway, spares=most)
                case = Case(streams, name, pace, max(20, int(deltas * times)))
                while (cost := _cost(gateway, loop, case)) is None:  # over before it could be measured
                    case = replace(case, deltas=case.deltas * 4)
                    stage.settle(gateway, spares=most)
                _report(section, case, cost)
    return [section]


def _cost(gateway: Gateway, loop: Loop, case: Case) -> Cost | None:
    claudes = gateway.claude_pids()
    through = watched(crowd_at(gateway, case.bodies()), {gateway.worker_pid, *claudes}, case.deltas)
    answered = _ended(gateway, claudes, case.streams)
    bare = watched(crowd_at(loop, case.bodies()), {loop.pid}, case.deltas)
    if through.deltas <= 0 or bare.deltas <= 0:
        return None
    return Cost(through.cpu([gateway.worker_pid]), through.cpu(answered), bare.cpu([loop.pid]), through.rate)


def _ended(gateway: Gateway, claudes: set[int], streams: int) -> set[int]:
    """The processes that answered: none is kept. Spare ones use CPU too, which is no stream's."""
    wait_until(lambda: len(claudes - gateway.claude_pids()) >= streams, 20, "the processes that answered are ended")
    ended = claudes - gateway.claude_pids()
    assert len(ended) == streams, f"{len(ended)} processes ended after {streams} streams"
    return ended


def _report(section: Section, case: Case, cost: Cost) -> None:
    name, share = f"{case.streams} {case.name}", cost.gateway / cost.cli
    costs = [f"{seconds * 1e6:.0f} us" for seconds in (cost.gateway, cost.cli, cost.loop)]
    ratios = (f"{share:.1%}", f"{cost.gateway / cost.loop:.1f}")
    section.rows.append((name, str(case.deltas), f"{cost.rate:.0f}", *costs, *ratios))
    if case.pace == _PACES[0][1]:
        section.targets.append(at_most(f"CPU per delta, gateway / CLI, {name}", share * 100, 15, "%"))

"""`make bench`: measures the gateway, the bare CLI and a bare gevent server in one run, and writes docs/benchmarks.md
and docs/benchmarks.svg."""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import burst, cpu, first_token, gone, idle, plot, replay, report, reuse, serving, streams, throughput
from bench.figures import Section
from bench.stage import Stage, stage_on
from bench.upstream import running_upstream
from tests.support.gateway import Gateway
from tests.support.load import LOADS
from tests.support.sandbox import ROOT


@dataclass(frozen=True)
class Size:
    rounds: int = 32  # even: every other one is in another order
    replayed: tuple[int, ...] = (10, 100, 200)
    replay_rounds: int = 5
    load_clients: int = 8
    load_seconds: float = 12.0
    load_slices: int = 2
    streams: int = 30
    stream_seconds: float = 60.0
    deltas: int = 2000
    cpu_streams: int = 8
    departures: int = 20
    requests: int = 64
    conversations: int = 20
    idle_connections: int = 10_000
    idle_requests: int = 500
    idle_rows: int = 36
    server_loads: int = len(LOADS)


QUICK = Size(
    rounds=1,
    replayed=(2, 10),
    replay_rounds=1,
    load_clients=2,
    load_seconds=2.0,
    load_slices=1,
    streams=2,
    stream_seconds=3.0,
    deltas=200,
    cpu_streams=1,
    departures=1,
    requests=10,
    conversations=2,
    idle_connections=100,
    idle_requests=10,
    idle_rows=1,
    server_loads=1,
)

# One gateway for all of these, with the settings that it has by default.
ON_THE_USUAL_GATEWAY: dict[str, Callable[[Stage, Gateway, Size], list[Section]]] = {
    "idle": lambda stage, gateway, size: idle.measure(stage, gateway, size.conversations),  # the first: it is new then
    "first-token": lambda stage, gateway, size: first_token.measure(stage, gateway, size.rounds),
    "replay": lambda stage, gateway, size: replay.measure(stage, gateway, size.replayed, size.replay_rounds),
    "gone": lambda stage, gateway, size: gone.measure(stage, gateway, size.departures),
    "throughput": lambda stage, gateway, size: throughput.measure(
        stage, gateway, size.load_clients, size.load_seconds, size.load_slices
    ),
}
ON_THEIR_OWN: dict[str, Callable[[Stage, Size], list[Section]]] = {
    "reuse": lambda stage, size: reuse.measure(stage, size.rounds),
    "streams": lambda stage, size: streams.measure(stage, size.streams, size.stream_seconds),
    "cpu": lambda stage, size: cpu.measure(stage, size.cpu_streams, size.deltas),
    "burst": lambda stage, size: burst.measure(stage, size.requests),
    "serving": lambda stage, size: [
        serving.measure(
            stage.directory / "serving", size.idle_connections, size.idle_requests, size.idle_rows, size.server_loads
        )
    ],
}
MEASUREMENTS = (*ON_THE_USUAL_GATEWAY, *ON_THEIR_OWN)


def options_from(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, help=f"of the time to first token (default: {Size.rounds})")
    parser.add_argument("--quick", action="store_true", help="few rounds, a minute or two: no figures to rely on")
    parser.add_argument("--no-check", action="store_true", help="exit with 0 when a target is missed, too")
    parser.add_argument(
        "--output",
        type=Path,
        default=ROOT / "docs/benchmarks.md",
        help="default: docs/benchmarks.md; the plot beside it",
    )
    parser.add_argument("--only", nargs="+", choices=MEASUREMENTS, help="print these; nothing is written")
    return parser.parse_args(arguments)


def size_of(options: argparse.Namespace) -> Size:
    size = QUICK if options.quick else Size()
    return Size(**{**vars(size), "rounds": options.rounds or size.rounds})


def run(stage: Stage, size: Size, names: Collection[str]) -> list[Section]:
    sections = []
    usual = {name: measure for name, measure in ON_THE_USUAL_GATEWAY.items() if name in names}
    with stage.gateway() if usual else nullcontext() as gateway:
        for name, measure in usual.items():
            sections += _timed(name, partial(measure, stage, gateway, size))
    for name, alone in ON_THEIR_OWN.items():
        if name in names:
            sections += _timed(name, partial(alone, stage, size))
    return sections


def _timed(name: str, measure: Callable[[], list[Section]]) -> list[Section]:
    began = time.monotonic()
    sections = measure()
    print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return sections


def main() -> int:
    options = options_from()
    with running_upstream() as sandbox, tempfile.TemporaryDirectory(prefix="bench-") as directory:
        stage = stage_on(sandbox, Path(directory))
        facts = report.about(stage, " ".join(["", *sys.argv[1:]]))
        sections = run(stage, size_of(options), options.only or MEASUREMENTS)
    facts.append(("Load after it, its own included", report.load()))
    picture = options.output.with_suffix(".svg")
    text = report.page(facts, sections, picture.name)
    print(text)
    if not options.only:
        options.output.write_text(text, "utf-8")
        picture.write_text(plot.picture([bars for section in sections for bars in section.bars]), "utf-8")
    met = all(target.met for section in sections for target in section.targets)
    return 0 if met or options.no_check else 1


if __name__ == "__main__":
    sys.exit(main())

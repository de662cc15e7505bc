"""`make bench`: measures the gateway and the bare CLI in one run, and writes docs/benchmarks.md."""

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import cpu, first_token, gone, report, streams, throughput
from bench.figures import Section
from bench.stage import Stage, stage_on
from tests.support.gateway import Gateway
from tests.support.sandbox import ROOT, running_sandbox


@dataclass(frozen=True)
class Size:
    rounds: int = 30
    deltas: int = 2000
    cpu_streams: int = 8
    streams: tuple[int, ...] = (16, 32)
    most: int = 40
    words: int = 100
    load_clients: int = 8
    load_seconds: float = 20.0
    load_slices: int = 2
    departures: int = 10


QUICK = Size(
    cpu_streams=2,
    rounds=2,
    deltas=200,
    streams=(2, 4),
    most=4,
    words=20,
    load_clients=2,
    load_seconds=3.0,
    load_slices=1,
    departures=1,
)


@dataclass(frozen=True)
class Measurement:
    """`pool`: how many spare processes and how many processes in all the gateway has for it."""

    pool: Callable[[Size], tuple[int, int]]
    measure: Callable[[Stage, Gateway, Size], Section]


def _as_by_default(size: Size) -> tuple[int, int]:
    return (2, 16)


# Neighbours with the same pool share a gateway.
MEASUREMENTS = {
    "first-token": Measurement(
        _as_by_default, lambda stage, gateway, size: first_token.measure(stage, gateway, size.rounds)
    ),
    "throughput": Measurement(
        _as_by_default,
        lambda stage, gateway, size: throughput.measure(
            stage, gateway, size.load_clients, size.load_seconds, size.load_slices
        ),
    ),
    "gone": Measurement(_as_by_default, lambda stage, gateway, size: gone.measure(stage, gateway, size.departures)),
    # No room for a replacement: nothing starts while the streams are measured.
    "cpu": Measurement(
        lambda size: (size.cpu_streams, size.cpu_streams),
        lambda stage, gateway, size: cpu.measure(stage, gateway, size.cpu_streams, size.deltas),
    ),
    "streams": Measurement(
        lambda size: (max(size.streams), size.most),
        lambda stage, gateway, size: streams.measure(stage, gateway, size.streams, size.words),
    ),
}


def options_from(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, help=f"of the time to first token (default: {Size.rounds})")
    parser.add_argument("--quick", action="store_true", help="few rounds, under a minute: no figures to rely on")
    parser.add_argument("--no-check", action="store_true", help="exit with 0 when a target is missed, too")
    parser.add_argument("--output", type=Path, default=ROOT / "docs/benchmarks.md", help="default: docs/benchmarks.md")
    parser.add_argument("--only", nargs="+", choices=[*MEASUREMENTS], help="print these; nothing is written")
    return parser.parse_args(arguments)


def size_of(options: argparse.Namespace) -> Size:
    size = QUICK if options.quick else Size()
    return Size(**{**vars(size), "rounds": options.rounds or size.rounds})


def run(stage: Stage, size: Size, names: list[str]) -> list[Section]:
    sections = []
    for (warm, most), group in itertools.groupby(names, key=lambda name: MEASUREMENTS[name].pool(size)):
        with stage.gateway(warm, most) as gateway:
            for name in group:
                began = time.monotonic()
                sections.append(MEASUREMENTS[name].measure(stage, gateway, size))
                print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return sections


def main() -> int:
    options = options_from()
    with running_sandbox() as sandbox, tempfile.TemporaryDirectory(prefix="bench-") as directory:
        stage = stage_on(sandbox, Path(directory))
        facts = report.about(stage, " ".join(["", *sys.argv[1:]]))
        sections = run(stage, size_of(options), options.only or [*MEASUREMENTS])
    facts.append(("Load after it, its own included", report.load()))
    text = report.page(facts, sections)
    print(text)
    if not options.only:
        options.output.write_text(text, "utf-8")
    met = all(target.met for section in sections for target in section.targets)
    return 0 if met or options.no_check else 1


if __name__ == "__main__":
    sys.exit(main())

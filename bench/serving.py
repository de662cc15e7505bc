"""The server by itself: its memory, ten thousand idle connections, and what holds its event loop up."""

from pathlib import Path

from bench.figures import Section, at_most, ms
from tests.support.admin import ENVIRON, PASSWORD, stubbed_gateway
from tests.support.idle import idle_connections
from tests.support.load import (
    COMPLETIONS_IN_A_ROW,
    LOADS,
    POOL_FOR_ROWS,
    Times,
    in_a_row,
    memory,
    serving,
    side_by_side,
)

_SIGNED_IN = {**ENVIRON, "ANTHROPIC_API_KEY": "sk-ant-api03-sandbox"}
_POOL = {"GATEWAY_POOL__WARM": "2", "GATEWAY_POOL__MAX": "8", "GATEWAY_QUEUE__TIMEOUT": "200"}
_HOW = (
    "Over a stub of the CLI. Memory: RSS of gunicorn's worker at rest, and PSS of worker and master together. Request "
    "times: medians of two gateways asked by turns, one of which holds the idle connections; of completions "
    f"{COMPLETIONS_IN_A_ROW} in a row, on processes that are warm, and then new ones are waited for. Event loop: the "
    "longest stretch without a wait in which the gateway computed (`serving` in the status; below 5 ms it notes "
    "nothing, and 0 is told), a fresh gateway for each load."
)


def measure(directory: Path, idle: int, requests: int, rows: int, loads: int) -> Section:
    section = Section("The server by itself", _HOW, ("what", "measured"))
    _idle_connections(section, directory, idle, requests, rows)
    for name, load in list(LOADS.items())[:loads]:
        with stubbed_gateway(_folder(directory, name), environ={**_SIGNED_IN, **_POOL}) as gateway:
            load(gateway)
            told = serving(gateway, PASSWORD)
        section.rows.append((f"event loop: {name}", f"{ms(told['most_work'])} (in all {ms(told['longest_delay'])})"))
        section.targets.append(at_most(f"Event loop held up: {name}", told["most_work"] * 1000, 50, "ms"))
    return section


def _idle_connections(section: Section, directory: Path, idle: int, requests: int, rows: int) -> None:
    with (
        stubbed_gateway(_folder(directory, "crowded"), environ={**_SIGNED_IN, **POOL_FOR_ROWS}) as crowded,
        stubbed_gateway(_folder(directory, "empty"), environ={**_SIGNED_IN, **POOL_FOR_ROWS}) as empty,
    ):
        side_by_side(crowded, empty, 5, 1)  # what happens once
        worker, master = memory(empty.worker_pid), memory(empty.pid)
        before = memory(crowded.worker_pid)
        with idle_connections(crowded.port, idle):
            live, stream = side_by_side(crowded, empty, requests, rows)
            hurried = in_a_row(crowded, empty, requests)
            after = memory(crowded.worker_pid)
    section.rows += [
        ("memory at rest: worker", f"{worker.resident:.1f} MB RSS, {worker.share:.1f} MB PSS"),
        ("memory at rest: worker and master", f"{worker.share + master.share:.1f} MB PSS"),
        (f"memory of {idle} idle connections", f"{after.resident - before.resident:.1f} MB"),
        (f"GET /health/live, {idle} idle and none", _both(live)),
        (f"a streamed completion, {idle} idle and none", _both(stream)),
        (f"the same, while processes are started, {idle} idle and none", _both(hurried)),
    ]
    section.targets += [
        at_most("Memory of the worker at rest", worker.resident, 90, "MB"),
        at_most(f"GET /health/live with {idle} idle connections, against none", live.ratio, 1.1, "x"),
        at_most(f"A completion with {idle} idle connections, against none", stream.ratio, 1.1, "x"),
    ]


def _both(times: Times) -> str:
    return f"{times.crowded * 1000:.2f} and {times.empty * 1000:.2f} ms"


def _folder(directory: Path, name: str) -> Path:
    folder = directory / name.replace(" ", "-")
    folder.mkdir(parents=True)
    return folder

"""A client that goes away: how soon the connection to upstream is closed."""

import time
from typing import Any

from bench.client import Client, Reception
from bench.figures import Section, at_most, median, ms, p95
from bench.stage import Stage, request
from tests.support.gateway import Gateway
from tests.support.processes import wait_until

# What the client does not wait for, and the target in ms for 95 % of all.
_CASES: dict[str, tuple[dict[str, Any], float]] = {
    "while text flows": ({"words": 3000, "delta_delay": 0.02}, 150),
    "while upstream is silent": ({"words": 3000, "silent": 60}, 1000),
}
_HOW = (
    "From the client's close of its connection, half a second after its stream began, to the moment at which the "
    "stand-in for Anthropic sees its own connection closed."
)


def measure(stage: Stage, gateway: Gateway, rounds: int) -> list[Section]:
    section = Section("Client gone, upstream closed", _HOW, ("case", "rounds", "median", "p95", "longest"))
    times: dict[str, list[float]] = {name: [] for name in _CASES}
    for _ in range(rounds):
        for name, (script, _) in _CASES.items():
            times[name].append(_close_upstream(stage, gateway, script))
    for name, (_, limit) in _CASES.items():
        values = times[name]
        section.rows.append((name, str(rounds), ms(median(values)), ms(p95(values)), ms(max(values))))
        section.targets.append(at_most(f"client gone {name}, upstream closed, p95", p95(values) * 1000, limit, "ms"))
    return [section]


def _close_upstream(stage: Stage, gateway: Gateway, script: dict[str, Any]) -> float:
    stage.settle(gateway)
    stage.sandbox.clear()
    with Client(gateway) as client:
        stream = client.stream(request(**script), Reception())
        next(stream)
        leave_at = time.monotonic() + 0.5
        while script.get("delta_delay") and time.monotonic() < leave_at:
            next(stream)
        time.sleep(max(0.0, leave_at - time.monotonic()))
        closed = time.time()
        stream.close()
    wait_until(lambda: stage.sandbox.messages()[-1]["closed_at"], 30, "upstream closed")
    (record,) = stage.sandbox.messages()
    assert record["outcome"] == "client_closed", record
    return float(record["closed_at"]) - closed

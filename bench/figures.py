"""What a measurement hands to the page: tables of figures, and targets with what was measured against them."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Target:
    what: str
    wanted: str
    measured: str
    met: bool


@dataclass(frozen=True)
class Bars:
    """A panel of the plot. `values`: label -> value; those in `ours` are the gateway's."""

    title: str
    unit: str
    values: dict[str, float]
    ours: frozenset[str]


@dataclass
class Section:
    """`notes` are sentences about the figures, made of figures."""

    title: str
    how: str
    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    bars: list[Bars] = field(default_factory=list)


def at_most(what: str, measured: float, limit: float, unit: str) -> Target:
    return Target(what, f"<= {limit:.4g} {unit}", f"{measured:.4g} {unit}", measured <= limit)


def at_least(what: str, measured: float, limit: float, unit: str) -> Target:
    return Target(what, f">= {limit:.4g} {unit}", f"{measured:.4g} {unit}", measured >= limit)


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def percentile(percent: int, values: Sequence[float]) -> float:
    """The smallest value that so many percent of all are not above."""
    return sorted(values)[max(0, -(-percent * len(values) // 100) - 1)]


def p95(values: Sequence[float]) -> float:
    return percentile(95, values)


def p99(values: Sequence[float]) -> float:
    return percentile(99, values)


def ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def fine_ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def mb(size: float) -> str:
    return f"{size / 2**20:.0f} MB"

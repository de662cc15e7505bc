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


@dataclass
class Section:
    title: str
    how: str
    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)


def at_most(what: str, measured: float, limit: float, unit: str) -> Target:
    return Target(what, f"<= {limit:.4g} {unit}", f"{measured:.4g} {unit}", measured <= limit)


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def p95(values: Sequence[float]) -> float:
    """The smallest value that 95 % of all are not above."""
    return sorted(values)[max(0, -(-95 * len(values) // 100) - 1)]


def ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"

"""How times and sizes are read and told."""

import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from app.access.moments import moment_of

_UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_SPAN = re.compile(r"([0-9]{1,9})([smhdw])|0")


class Span(click.ParamType[float]):
    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        seconds = span(value)
        if seconds is None:
            self.fail(f"{value!r} is no span of time, such as 90m, 24h or 7d; 0 for none.", param, ctx)
        return seconds


class Moment(click.ParamType[float]):
    """Unix seconds of a date and time, or of a span from now."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        if (seconds := span(value)) is not None:
            return time.time() + seconds
        try:
            return moment_of(value)
        except ValueError:
            self.fail(f"{value!r} is no time, such as 2030-12-31T18:00 (UTC), nor a span from now, as 90d.", param, ctx)


def span(text: str) -> float | None:
    found = _SPAN.fullmatch(text)
    if found is None:
        return None
    return int(found[1]) * _UNITS[found[2]] if found[1] else 0.0


def moment(at: float | None, none: str = "never") -> str:
    return none if at is None else f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


def size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def table(rows: Sequence[Sequence[str]]) -> str:
    """The first row is the head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)

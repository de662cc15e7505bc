"""How numbers and times read on the pages. The templates know them as filters."""

from datetime import UTC, datetime

from flask import Flask
from markupsafe import Markup, escape

SPANS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
SIZES = ("bytes", "KB", "MB", "GB", "TB")


def register(app: Flask) -> None:
    for function in (iso, moment, field_time, span, size, prose):
        app.add_template_filter(function)


def prose(text: str) -> Markup:
    """With what stands between backticks as code."""
    parts = [escape(part) for part in text.split("`")]
    return Markup("").join(Markup("<code>{}</code>").format(part) if n % 2 else part for n, part in enumerate(parts))


def iso(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


def moment(at: float) -> str:
    then = datetime.fromtimestamp(at, UTC)
    return f"{then.day} {then:%b %Y, %H:%M} UTC"


def field_time(at: float | None) -> str:
    """What an `<input type=datetime-local>` takes, in UTC."""
    return "" if at is None else f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M}"


def span(seconds: float) -> str:
    """The two largest units that are not zero: `1 day 3 hours`."""
    left = max(0, int(seconds))
    words = []
    for unit, length in SPANS:
        count, left = divmod(left, length)
        if count:
            words.append(f"{count} {unit}{'s' if count > 1 else ''}")
    return " ".join(words[:2]) or "no time"


def size(count: float) -> str:
    unit = 0
    while count >= 1000 and unit < len(SIZES) - 1:
        count, unit = count / 1000, unit + 1
    return f"{count:.{1 if unit and count < 10 else 0}f} {SIZES[unit]}"

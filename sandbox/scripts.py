import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from sandbox.errors import ApiError

MARKER = "[[sandbox:"
STOPS = ("end_turn", "max_tokens", "refusal", "model_context_window_exceeded", "pause_turn")
CLAIMS = ("five_hour", "seven_day", "seven_day_opus", "seven_day_sonnet", "overage")
# What `times` counts down; the rest of a script (its answer, its pace) stays.
FAILURES = ("status", "unified", "error_after", "cut_after", "malformed_after", "silent")


@dataclass(frozen=True)
class Script:
    """What one request is to meet. None means: as usual."""

    status: int | None = None
    message: str | None = None
    retry_after: float | None = None
    unified: bool | str | None = None
    reset_in: float | None = None
    times: int | None = None
    key: str | None = None
    first_delay: float | None = None
    delta_delay: float | None = None
    answer: str | None = None
    echo: bool | None = None
    words: int | None = None
    chunks: list[str] | None = None
    thinking: str | None = None
    tool_use: list[dict[str, Any]] | None = None
    stop: str | None = None
    usage: dict[str, int] | None = None
    error_after: int | None = None
    error_type: str | None = None
    cut_after: int | None = None
    malformed_after: int | None = None
    silent: float | None = None

    def without_failures(self) -> "Script":
        return replace(self, **dict.fromkeys(FAILURES))


def is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def is_seconds(value: Any) -> bool:
    return type(value) in (int, float) and value >= 0


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def is_tool_use(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, dict) and set(item) <= {"name", "input"} and is_text(item.get("name")) for item in value
    )


def is_usage(value: Any) -> bool:
    return isinstance(value, dict) and all(is_count(number) for number in value.values())


CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "status": (lambda value: is_count(value) and 400 <= value <= 599, "a status from 400 to 599"),
    "message": (is_text, "a text"),
    "retry_after": (is_seconds, "seconds"),
    "unified": (lambda value: is_flag(value) or value in CLAIMS, f"true or one of {', '.join(CLAIMS)}"),
    "reset_in": (is_seconds, "seconds"),
    "times": (is_count, "a count"),
    "key": (is_text, "a text"),
    "first_delay": (is_seconds, "seconds"),
    "delta_delay": (is_seconds, "seconds"),
    "answer": (is_text, "a text"),
    "echo": (is_flag, "true or false"),
    "words": (is_count, "a count"),
    "chunks": (lambda value: isinstance(value, list) and all(map(is_text, value)), "a list of texts"),
    "thinking": (is_text, "a text"),
    "tool_use": (is_tool_use, "a list of {name, input}"),
    "stop": (lambda value: value in STOPS, f"one of {', '.join(STOPS)}"),
    "usage": (is_usage, "an object of counts"),
    "error_after": (is_count, "a count"),
    "error_type": (is_text, "a text"),
    "cut_after": (is_count, "a count"),
    "malformed_after": (is_count, "a count"),
    "silent": (is_seconds, "seconds"),
}


def from_json(value: Any) -> Script:
    if not isinstance(value, dict):
        raise ApiError(400, "sandbox script: a JSON object is expected")
    for name, given in value.items():
        if name not in CHECKS:
            raise ApiError(400, f"sandbox script: unknown key {name!r} (known: {', '.join(CHECKS)})")
        check, expected = CHECKS[name]
        if not check(given):
            raise ApiError(400, f"sandbox script: {name!r} must be {expected}")
    return Script(**value)


def split_marker(text: str) -> tuple[str, str | None]:
    """The text without its last marker, and the JSON of that marker."""
    start = text.rfind(MARKER)
    if start < 0:
        return text, None
    source = text[start + len(MARKER) :]
    skipped = len(source) - len(source.lstrip())
    try:
        _, end = json.JSONDecoder().raw_decode(source, skipped)
    except ValueError as error:
        raise ApiError(400, f"sandbox script: not JSON: {error}") from None
    rest = source[end:].lstrip()
    if not rest.startswith("]]"):
        raise ApiError(400, "sandbox script: ']]' is expected after the JSON object")
    return (text[:start] + rest[2:]).strip(), source[skipped:end]


@dataclass
class Queued:
    script: Script
    match: str
    left: int


class Scripts:
    """Scripts that wait for their request, and how often the failing ones were met."""

    def __init__(self) -> None:
        self.queue: list[Queued] = []
        self.met: Counter[str] = Counter()

    def add(self, value: Any) -> None:
        if not isinstance(value, dict):
            raise ApiError(400, "sandbox script: a JSON object is expected")
        match, times = value.get("match", ""), value.get("times", 1)
        if not is_text(match) or not is_count(times):
            raise ApiError(400, "sandbox script: 'match' must be a text and 'times' a count")
        script = from_json({name: given for name, given in value.items() if name not in ("match", "times")})
        self.queue.append(Queued(script, match, times))

    def take(self, raw_body: bytes, marker: str | None) -> Script:
        for queued in self.queue:
            if queued.left and queued.match.encode() in raw_body:
                queued.left -= 1
                self.queue = [other for other in self.queue if other.left]
                return queued.script
        return self.counted(from_json(json.loads(marker)), marker) if marker else Script()

    def counted(self, script: Script, marker: str) -> Script:
        if script.times is None:
            return script
        key = script.key or marker
        self.met[key] += 1
        return script if self.met[key] <= script.times else script.without_failures()

    def clear(self) -> None:
        self.queue.clear()
        self.met.clear()


assert set(CHECKS) == {field.name for field in fields(Script)}  # noqa: S101 - a table and its dataclass, at import

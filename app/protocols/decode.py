"""Bytes of a request to a typed body. Pure; every failure is an InvalidRequest that names the field."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import msgspec

from app.errors import InvalidRequest
from app.pace import STEP_BYTES

T = TypeVar("T")

# To unfold a million takes seconds, in which nobody else is served (threat 67). Counted are commas, braces, brackets.
MOST_VALUES = 100_000
_FEW_VALUES = 1000  # not worth a closer look
# Of what a client sends in a form of its own, where no type sets bounds: the decoder stops at what it could not walk
# through, and who writes it again has less room.
MOST_LEVELS = 200
_LONGEST_SHOWN = 200

# "Expected `int`, got `str` - at `$.messages[0].content`". Names and values in it may be the client's, with anything
# in them; the place holds none of those.
_SAID = re.compile(r"(?P<what>.*?)(?: - at (?:`key` in )?`\$\.?(?P<path>[^`]*)`)?", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>.*)`")


def decode(body: bytes, decoder: msgspec.json.Decoder[T], where: str = "") -> T:
    """Raises InvalidRequest. `where` tells what part of a request the bytes are, e.g. "tools[2]"."""
    if _marks(body) > MOST_VALUES and _values(body) > MOST_VALUES:
        raise InvalidRequest(f"The body has more than {MOST_VALUES} values.", code="invalid_json")
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _invalid_field(str(error), where) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}", code="invalid_json") from error
    except RecursionError as error:
        raise InvalidRequest("The body is nested too deeply.", code="invalid_json") from error


class Unfolding:
    """Reads what a request holds of JSON in a form of the client's own, while it is not too much in sum (threat 67)."""

    def __init__(self) -> None:
        self._left = MOST_VALUES

    def object(self, source: msgspec.Raw | str, where: str) -> dict[str, Any]:
        found = self.value(source, where)
        if not isinstance(found, dict):
            raise _refusal(where, "must be a JSON object.")
        return found

    def value(self, source: msgspec.Raw | str | None, where: str) -> Any:
        """`where` names it in errors. Raises InvalidRequest."""
        if source is None:
            return None
        text = source.encode() if isinstance(source, str) else bytes(source)
        self._left -= _values(text)
        if self._left < 0:
            raise _refusal(where, f"is too much: tools and schemas of a request may have {MOST_VALUES} values in all.")
        try:
            found = msgspec.json.decode(text)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise _refusal(where, f"must be valid JSON: {error}.") from error
        demand_shallow(found, where)
        return found


def demand_shallow(value: object, where: str) -> None:
    """Raises InvalidRequest."""
    level = [value]
    for _ in range(MOST_LEVELS):
        level = [inner for outer in level for inner in _within(outer)]
        if not level:
            return
    raise _refusal(where, "is nested too deeply.")


def _refusal(where: str, problem: str) -> InvalidRequest:
    return InvalidRequest(f"{_shown(where)} {problem}", param=_shown(where), code="invalid_value")


def _within(value: object) -> Iterable[object]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _values(text: bytes) -> int:
    """Commas, braces and brackets, without those within strings: a long table or program is one value."""
    marks = _marks(text)
    if marks < _FEW_VALUES:
        return marks
    found = quotes = 0
    for piece in _cut(text):
        plain = piece.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
        found += _marks(b"".join(plain[quotes % 2 :: 2]))
        quotes += len(plain) - 1
        # A member of an object has two strings at most. What has more would take long to take apart, too.
        if quotes > 4 * MOST_VALUES:
            return marks
    return found


def _cut(text: bytes) -> Iterator[bytes]:
    """No piece is large, so that each is a short step, and none ends within an escape."""
    start = 0
    while start < len(text):
        end = start + STEP_BYTES
        while text[end - 1 : end] == b"\\":
            end += 1
        yield text[start:end]
        start = end


def _marks(text: bytes) -> int:
    return text.count(b",") + text.count(b"{") + text.count(b"[")


def _shown(text: str) -> str:
    """A client's own words come back to it, but not megabytes of them."""
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"


def _invalid_field(said: str, where: str) -> InvalidRequest:
    found = _SAID.fullmatch(said)
    what, path = found.group("what", "path") if found else (said, None)
    path = f"{where}{'' if path.startswith('[') else '.'}{path}" if where and path else where or path
    inside = f"{path}." if path else ""
    if unknown := _UNKNOWN.fullmatch(what):
        param = _shown(inside + unknown["name"])
        return InvalidRequest(f"Unknown parameter: {param!r}.", param=param, code="unknown_parameter")
    if missing := _MISSING.fullmatch(what):
        param = _shown(inside + missing["name"])
        return InvalidRequest(f"Missing required parameter: {param!r}.", param=param, code="missing_parameter")
    said = f"{_shown(path or 'The body')}: {what[:1].lower()}{_shown(what[1:])}."
    return InvalidRequest(said, param=path and _shown(path), code="invalid_value")

"""Bytes of a request to a typed body. Pure; every failure is an InvalidRequest that names the field."""

import re
from typing import TypeVar

import msgspec

from app.errors import InvalidRequest

T = TypeVar("T")

# To unfold a million takes seconds, in which nobody else is served (threat 67). Counted are commas, braces, brackets.
MOST_VALUES = 100_000
_LONGEST_SHOWN = 200

# "Expected `int`, got `str` - at `$.messages[0].content`". Names and values in it may be the client's, with anything
# in them; the place holds none of those.
_SAID = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>.*)`")


def decode(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Raises InvalidRequest."""
    if _values(body) > MOST_VALUES and _has_too_many_values(body):
        raise InvalidRequest(f"The body has more than {MOST_VALUES} values.", code="invalid_json")
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _invalid_field(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}", code="invalid_json") from error
    except RecursionError as error:
        raise InvalidRequest("The body is nested too deeply.", code="invalid_json") from error


def _values(text: bytes) -> int:
    return text.count(b",") + text.count(b"{") + text.count(b"[")


def _has_too_many_values(body: bytes) -> bool:
    """Without what stands within strings: a long table or program is one value."""
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    # A member of an object has two strings at most. What has more would take long to take apart, too.
    if plain.count(b'"') > 4 * MOST_VALUES:
        return True
    return _values(b"".join(plain.split(b'"')[::2])) > MOST_VALUES


def _shown(text: str) -> str:
    """A client's own words come back to it, but not megabytes of them."""
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"


def _invalid_field(said: str) -> InvalidRequest:
    found = _SAID.fullmatch(said)
    what, path = found.group("what", "path") if found else (said, None)
    inside = f"{path}." if path else ""
    if unknown := _UNKNOWN.fullmatch(what):
        param = _shown(inside + unknown["name"])
        return InvalidRequest(f"Unknown parameter: {param!r}.", param=param, code="unknown_parameter")
    if missing := _MISSING.fullmatch(what):
        param = _shown(inside + missing["name"])
        return InvalidRequest(f"Missing required parameter: {param!r}.", param=param, code="missing_parameter")
    said = f"{_shown(path or 'The body')}: {what[:1].lower()}{_shown(what[1:])}."
    return InvalidRequest(said, param=path and _shown(path), code="invalid_value")

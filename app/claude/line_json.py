"""Lines for a process as bytes, in pieces: to encode 30 MB of text in one go takes a tenth of a second. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from app.pace import STEP_BYTES

# What it takes to look at a value, as bytes of text.
_VALUE_BYTES = 16
_ARRAYS = (list, tuple)
# What it takes to handle a text that is short, as bytes.
_TEXT_BYTES = 200
# Less than a step, for each level of what is long is looked at anew.
LONG = STEP_BYTES // 16


@dataclass(frozen=True)
class JsonText:
    """Stands for the text that is the JSON of `value`."""

    value: Any


def pieces(messages: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """One JSON line a message. What is small comes together; no piece is much larger than STEP_BYTES.

    `json.dumps` escapes newlines and all that is not ASCII: a client's text cannot end its line and begin a control
    message (threat 4).
    """
    held: list[str] = []
    size = 0
    for text in chain.from_iterable(chain(_texts(message), "\n") for message in messages):
        held.append(text)
        size += len(text) + _TEXT_BYTES
        if size >= STEP_BYTES:
            yield "".join(held).encode("ascii")
            held, size = [], 0
    if held:
        yield "".join(held).encode("ascii")


def is_long(value: Any, bytes_: int = LONG) -> bool:
    """Whether more than this is in it. Looks no further than it must, however many values are empty."""
    return _left(value, bytes_) < 0


def _left(value: Any, bytes_: int) -> int:
    """Of so many, when all that is in it has been taken off; negative when they are not enough."""
    bytes_ -= _VALUE_BYTES
    if isinstance(value, str):
        return bytes_ - len(value)
    if isinstance(value, dict):
        inside: Iterable[Any] = chain(value, value.values())
    elif isinstance(value, _ARRAYS):
        inside = value
    elif isinstance(value, JsonText):
        return _left(value.value, bytes_)
    else:
        return bytes_
    for inner in inside:
        # A call for each string would take as long as all else here.
        bytes_ = bytes_ - len(inner) - _VALUE_BYTES if isinstance(inner, str) else _left(inner, bytes_)
        if bytes_ < 0:
            break
    return bytes_


def _texts(value: Any) -> Iterator[str]:
    """What json.dumps gives, what is long in pieces."""
    if not is_long(value):
        yield _encode(value)
    elif isinstance(value, JsonText):
        yield '"'
        for text in _texts(value.value):
            yield json.dumps(text)[1:-1]
        yield '"'
    elif isinstance(value, str):
        yield '"'
        for start in range(0, len(value), STEP_BYTES):
            yield json.dumps(value[start : start + STEP_BYTES])[1:-1]
        yield '"'
    elif isinstance(value, dict):
        yield from _joined("{", ((json.dumps(name) + ": ", inner) for name, inner in value.items()), "}")
    else:
        yield from _joined("[", (("", inner) for inner in value), "]")


def _embedded(text: JsonText) -> str:
    return json.dumps(text.value)


_encode = json.JSONEncoder(default=_embedded).encode


def _joined(start: str, members: Iterable[tuple[str, Any]], end: str) -> Iterator[str]:
    yield start
    for number, (name, value) in enumerate(members):
        yield (", " if number else "") + name
        yield from _texts(value)
    yield end

"""One entry of the audit log as a line of JSON, chained to the one before by its hash."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from app.access.plain import plain

Facts: TypeAlias = dict[str, str | int | float | bool | None]

GENESIS = "0" * 64
_MEMBERS = frozenset({"seq", "time", "actor", "action", "target", "address", "outcome", "facts", "prev", "hash"})
_MOST_FACTS = 20


@dataclass(frozen=True)
class Link:
    """What the next line is chained to."""

    seq: int
    hash: str


START = Link(0, GENESIS)


@dataclass(frozen=True)
class Entry:
    seq: int
    time: str
    at: float
    actor: str
    action: str
    target: str
    address: str
    outcome: str
    facts: Facts


def to_line(link: Link, at: float, texts: dict[str, str], facts: dict[str, Any]) -> tuple[bytes, Link]:
    """Texts and facts are cut and escaped here: each line stays one, and small."""
    content = {
        "seq": link.seq + 1,
        "time": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        **{name: plain(text) for name, text in texts.items()},
        "facts": {plain(name, 50): _fact(value) for name, value in list(facts.items())[:_MOST_FACTS]},
        "prev": link.hash,
    }
    digest = _hash(content)
    return _canonical(content | {"hash": digest}) + b"\n", Link(link.seq + 1, digest)


def from_line(line: bytes) -> Entry | None:
    content = _content(line)
    if content is None:
        return None
    shown = {name: content[name] for name in ("seq", "time", "actor", "action", "target", "address", "outcome")}
    return Entry(**shown, at=datetime.fromisoformat(content["time"]).timestamp(), facts=content["facts"])


def link_of(line: bytes) -> tuple[Link, str] | None:
    """The line's own link and the hash before it; None for a line that is not whole, or was changed."""
    content = _content(line)
    if content is None:
        return None
    as_written = _canonical(content) == line.rstrip(b"\n")
    claimed = content.pop("hash")
    whole = as_written and _hash(content) == claimed
    return (Link(content["seq"], claimed), content["prev"]) if whole else None


def _content(line: bytes) -> dict[str, Any] | None:
    try:
        content = json.loads(line)
        datetime.fromisoformat(content["time"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    whole = content.keys() == _MEMBERS and isinstance(content["seq"], int) and isinstance(content["facts"], dict)
    return content if whole else None


def _fact(value: Any) -> str | int | float | bool | None:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else str(value)  # JSON has no infinity
    return plain(", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))


def _hash(content: dict[str, Any]) -> str:
    return hashlib.sha256(_canonical(content)).hexdigest()


def _canonical(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode("ascii")

"""Fields of forms and of JSON bodies. Every complaint names the field."""

from functools import cache
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec
from flask import request, url_for

from app.access.moments import LATEST, moment_of
from app.admin.bodies import LONGEST
from app.errors import InvalidRequest
from app.protocols.decode import decode

B = TypeVar("B", bound=msgspec.Struct)

GRACE_CHOICES = {"0": 0.0, "3600": 3_600.0, "86400": 86_400.0, "604800": 604_800.0}


def text(name: str, *, most: int = 200, required: bool = True) -> str:
    value = request.form.get(name, "").strip()
    if required and not value:
        raise InvalidRequest(f"{name}: fill this in.", param=name)
    return _checked(value, name, most)


def secret(name: str) -> str:
    """As it was typed: white space may be part of a password."""
    return request.form.get(name, "")


def moment(name: str) -> float | None:
    """Of a `datetime-local` field: unix seconds, or None when it is empty.

    It carries no zone; the page's script sends the browser's `timezone_offset` along (minutes behind UTC), and
    without a script the field says that it is in UTC.
    """
    value = request.form.get(name, "").strip()
    if not value:
        return None
    try:
        behind = int(request.form.get("timezone_offset") or 0)
    except ValueError as error:
        raise InvalidRequest("timezone_offset: a whole number of minutes.", param="timezone_offset") from error
    return _in_range(_moment(value, name) + max(-1440, min(behind, 1440)) * 60, name)


def typed(name: str) -> float | str:
    """What a `datetime-local` field is given back after a refusal: the moment, or what was typed if it is none."""
    try:
        return moment(name) or ""
    except InvalidRequest:
        return request.form.get(name, "")[:40]


def grace(now: float) -> float:
    """Seconds: one of the offered ones, or until the moment that was chosen."""
    choice = request.form.get("grace", "")
    if choice in GRACE_CHOICES:
        return GRACE_CHOICES[choice]
    until = moment("until")
    if until is None:
        raise InvalidRequest("until: choose how long the old key stays valid.", param="until")
    if until <= now:  # not taken for "not at all": it would end a key by a slip
        raise InvalidRequest("until: choose a time that lies ahead.", param="until")
    return until - now


@cache
def _decoder(kind: type[B]) -> msgspec.json.Decoder[B]:
    return msgspec.json.Decoder(kind)


def body(kind: type[B]) -> B:
    """The JSON of the request, as one of app.admin.bodies; an empty body is an empty object. Raises InvalidRequest."""
    found: B = decode(request.get_data() or b"{}", _decoder(kind))
    for name in kind.__struct_fields__:
        if isinstance(value := getattr(found, name), str):
            _checked(value, name, LONGEST)
    return found


def when(value: float | str, name: str) -> float:
    """A moment in JSON: unix seconds, or ISO 8601."""
    return _in_range(_moment(value, name) if isinstance(value, str) else value, name)


def local_path(target: str) -> str:
    """Where to go on after a sign-in: a path of this site, nothing else (no open redirect)."""
    plain = target.replace("\\", "/")
    if not plain.startswith("/") or plain.startswith("//") or not target.isprintable() or urlsplit(plain).netloc:
        return url_for("admin.home")
    return request.script_root + target


def _moment(value: str, name: str) -> float:
    try:
        return moment_of(value)
    except ValueError as error:
        raise InvalidRequest(
            f"{name}: {value[:40]!r} is no date and time, such as 2030-12-31T18:00.", param=name
        ) from error


def _in_range(at: float, name: str) -> float:
    """What a page can show."""
    if not 0 <= at < LATEST:
        raise InvalidRequest(f"{name} must lie between the years 1970 and 9998.", param=name)
    return at


def _checked(value: str, name: str, most: int) -> str:
    if len(value) > most:
        raise InvalidRequest(f"{name}: at most {most} characters.", param=name)
    if not value.isprintable():
        raise InvalidRequest(f"{name}: only printable characters, on one line.", param=name)
    return value

"""The CLI's file with the login: what it holds, or what has become of it. Reads only."""

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from app.claude.problems import Problem, problem

NAME = ".credentials.json"
_MOST_BYTES = 1024 * 1024
State = Literal["absent", "none", "sound", "blank", "empty", "truncated", "damaged", "unreadable"]


@dataclass(frozen=True)
class LoginFile:
    """`absent` and `none` (the CLI's `{}`) are signed out. The rest, but for `sound`, is damage."""

    state: State
    content: bytes = b""
    owner: str = ""
    mode: int = 0
    foreign: bool = False
    error: str = ""
    written_at: float = 0.0
    fingerprint: str = ""  # of the access token: another one after each renewal
    account_id: str = ""  # 2.1.330 writes whose it is, 2.1.197 does not
    plan: str = ""
    refreshable: bool = False
    access_expires_at: float | None = None
    login_expires_at: float | None = None

    @property
    def damaged(self) -> bool:
        return self.state not in ("absent", "none", "sound")

    def __repr__(self) -> str:  # without the tokens
        return f"LoginFile({self.state!r}, fingerprint={self.fingerprint!r})"


def read_login(file: Path, uid: int | None = None) -> LoginFile:
    """`uid`: who should own it, if not this process."""
    try:
        with open(file, "rb", opener=_open_without_waiting) as opened:
            found = os.fstat(opened.fileno())
            content = opened.read(_MOST_BYTES)
    except FileNotFoundError:
        return LoginFile("absent")
    except OSError as error:
        return _unreadable(file, error, uid)
    return _described(found, uid, **parse_login(content))


def _open_without_waiting(path: str, flags: int) -> int:
    """A pipe in its place would be waited for."""
    return os.open(path, flags | os.O_NONBLOCK)


def _unreadable(file: Path, error: OSError, uid: int | None) -> LoginFile:
    said = error.strerror or type(error).__name__
    try:
        return _described(file.stat(), uid, state="unreadable", error=said)
    except OSError:
        return LoginFile("unreadable", error=said)


def _described(found: os.stat_result, uid: int | None, **parsed: Any) -> LoginFile:
    return LoginFile(
        owner=f"{found.st_uid}:{found.st_gid}",
        mode=stat.S_IMODE(found.st_mode),
        foreign=found.st_uid != (os.geteuid() if uid is None else uid),
        written_at=found.st_mtime,
        **parsed,
    )


def parse_login(content: bytes) -> dict[str, Any]:
    """Pure. Members of LoginFile. The CLI itself takes a login for there when its access token is not blank."""
    if not content.strip(b" \t\r\n\0"):  # after a crash a file may have its length, and zeros in it
        return {"state": "empty"}
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError):
        return {"state": _broken(content)}
    login = parsed.get("claudeAiOauth", {}) if isinstance(parsed, dict) else None
    if not isinstance(login, dict):
        return {"state": "damaged"}
    if not login:
        return {"state": "none"}
    access = login.get("accessToken")
    if not isinstance(access, str) or not access.strip():
        return {"state": "blank"}
    return {
        "state": "sound",
        "content": content,
        "fingerprint": hashlib.sha256(access.encode("utf-8", "replace")).hexdigest()[:16],
        "account_id": _text(login, "accountUuid"),
        "plan": _plan(login),
        "refreshable": bool(_text(login, "refreshToken").strip()),
        "access_expires_at": _seconds(login.get("expiresAt")),
        "login_expires_at": _seconds(login.get("refreshTokenExpiresAt")),
    }


def _broken(content: bytes) -> State:
    """A file that begins as the CLI's does, and lacks its end, was cut."""
    begun, ended = content.lstrip()[:1] == b"{", content.rstrip(b" \t\r\n")[-1:] == b"}"
    return "truncated" if begun and not ended else "damaged"


def _text(login: dict[str, Any], name: str) -> str:
    value = login.get(name)
    return value if isinstance(value, str) else ""


def _plan(login: dict[str, Any]) -> str:
    """ "max 5x" of "max" and "default_claude_max_5x"."""
    plan, tier = _text(login, "subscriptionType"), _text(login, "rateLimitTier").removeprefix("default_claude_")
    return tier.replace("_", " ") if plan and tier.startswith(f"{plan}_") else plan


def _seconds(milliseconds: Any) -> float | None:
    is_number = isinstance(milliseconds, int | float) and not isinstance(milliseconds, bool)
    return milliseconds / 1000 if is_number and 0 < milliseconds < 1e15 else None


def problems_of(file: Path, login: LoginFile, *, container: bool, has_copy: bool) -> Iterator[Problem]:
    """None when nobody is signed in."""
    facts = {
        "owner": login.owner,
        "uid": str(os.geteuid()),
        "gid": str(os.getegid()),
        "mode": f"{login.mode:04o}",
        "error": login.error,
    }
    gone = ["login_gone"] if login.state == "absent" and has_copy else []
    for code in [*gone, *_codes(login)]:
        yield problem(code, file, facts, container=container, restorable=has_copy)


def _codes(login: LoginFile) -> Iterator[str]:
    if login.damaged and not (login.foreign and login.state == "unreadable"):
        yield f"login_{login.state}"
    if login.foreign:
        yield "login_foreign"
    if login.mode & 0o077:
        yield "login_open"

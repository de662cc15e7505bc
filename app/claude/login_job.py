"""What the helper is told to do, its start, and what it tells (app.claude.login_helper)."""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from app.claude.command import Installation, sign_in_environment
from app.claude.process import LineProcess
from app.errors import CliCrashed, InvalidRequest, PosternError

# Method -> the options of `claude auth login`; None where a secret is pasted.
METHODS: dict[str, list[str] | None] = {
    "claudeai": ["--claudeai"],
    "console": ["--console"],
    "sso": ["--sso"],
    "token": None,
    "api_key": None,
}

_ROOT = Path(__file__).parents[2]
_EMAIL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}@[A-Za-z0-9][A-Za-z0-9.-]{0,252}")


class Event(msgspec.Struct):
    event: str
    links: list[str] = []
    said: str = ""


def start_helper(installation: Installation, job: Mapping[str, Any]) -> LineProcess:
    """The job goes through its input: nothing of it is on a command line."""
    env = {"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": str(installation.home), "PYTHONDONTWRITEBYTECODE": "1"}
    process = LineProcess([sys.executable, "-m", "app.claude.login_helper"], env, _ROOT)
    try:
        process.write([job])
    except PosternError as error:
        process.close()
        raise CliCrashed("The sign-in could not be started.", detail=error.detail) from error
    return process


def sign_in_job(installation: Installation, method: str, email: str = "") -> dict[str, Any]:
    """Raises InvalidRequest."""
    if method not in METHODS:
        raise InvalidRequest(f"There is no such way to sign in; there are {', '.join(METHODS)}.", param="method")
    options = METHODS[method]
    if options is None:
        return _job(installation, "paste", kind=method)
    arguments = ["login", *options, *_email_options(email)]
    return _job(installation, "login", command=[str(installation.binary), "auth", *arguments])


def sign_out_job(installation: Installation) -> dict[str, Any]:
    return _job(installation, "sign_out", command=[str(installation.binary), "auth", "logout"])


def _job(installation: Installation, do: str, **members: Any) -> dict[str, Any]:
    return {
        "do": do,
        "env": sign_in_environment(installation),
        "cwd": str(installation.empty_dir),
        "config_dir": str(installation.config_dir),
        "own_config": str(installation.own_config),
        "temp_dir": str(installation.temp_dir),
        **members,
    }


def _email_options(email: str) -> list[str]:
    if email and not _EMAIL.fullmatch(email):
        raise InvalidRequest("This is not an e-mail address.", param="email")
    return ["--email", email] if email else []

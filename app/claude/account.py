"""The CLI's login: which there is, whose it is, and what state it is in. Only a real request tells whether it works."""

import json
import time
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from app.claude import login_file, login_files
from app.claude.command import Installation
from app.claude.evidence import Evidence
from app.claude.login_file import LoginFile, read_login
from app.claude.problems import Problem, problem
from app.errors import CliCrashed

_OWN_CREDENTIALS = (
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_CODE_USE_FOUNDRY",
)

_METHODS = {
    login_file.NAME: "subscription",
    ".claude.json": "console",
    "ANTHROPIC_API_KEY": "api_key",
    "ANTHROPIC_AUTH_TOKEN": "token",
    "CLAUDE_CODE_OAUTH_TOKEN": "token",
    "CLAUDE_CODE_USE_BEDROCK": "bedrock",
    "CLAUDE_CODE_USE_VERTEX": "vertex",
    "CLAUDE_CODE_USE_FOUNDRY": "foundry",
}
EXPIRING_DAYS = 7

State = Literal["unknown", "connected", "expiring", "expired", "failing", "limited", "signed_out"]


@dataclass(frozen=True)
class Account:
    state: State
    method: str  # subscription, console, token, api_key, bedrock, vertex, foundry; "" when there is none
    source: str  # the variable or file that signs in
    account: str
    organisation: str
    plan: str
    access_expires_at: float | None
    login_expires_at: float | None
    last_refresh_at: float | None
    last_success_at: float | None
    last_failure_at: float | None
    last_failure: str
    limited_until: float | None
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Person:
    account_id: str = ""
    email: str = ""
    organisation: str = ""


@dataclass(frozen=True)
class Facts:
    """All that `judge` goes by. `login` is the CLI's file, which counts while nothing else signs in."""

    source: str
    method: str
    login: LoginFile
    person: Person
    evidence: Evidence
    config_dir: Path
    container: bool = False
    file_problems: tuple[Problem, ...] = ()


def judge(facts: Facts, now: float) -> Account:
    """Pure. Connected is only what has answered since it was signed in, and has not failed after that."""
    state = _state(facts, now)
    evidence = facts.evidence
    code = _code(state, facts)
    days = {"days": f"{EXPIRING_DAYS} days"}
    own = [problem(code, facts.config_dir, days, container=facts.container)] if code else []
    return Account(
        state=state,
        method=facts.method,
        source=facts.source,
        account=facts.person.email,
        organisation=facts.person.organisation,
        plan=facts.login.plan,
        access_expires_at=facts.login.access_expires_at,
        login_expires_at=_ends_at(facts.login),
        last_refresh_at=evidence.last_refresh_at,
        last_success_at=evidence.last_success_at,
        last_failure_at=evidence.last_failure_at,
        last_failure=evidence.failure,
        limited_until=evidence.limited_until if state == "limited" else None,
        problems=(*facts.file_problems, *own),
    )


def _state(facts: Facts, now: float) -> State:
    evidence = facts.evidence
    if not facts.source:
        return "failing" if facts.login.damaged else "signed_out"
    if _has_ended(facts.login, evidence, now):
        return "expired"
    if evidence.kind == "limit" and evidence.limited_until and now < evidence.limited_until:
        return "limited"
    if evidence.kind in ("login", "upstream"):
        return "failing"
    if not evidence.proved:
        return "unknown"
    end = _ends_at(facts.login)
    return "expiring" if end is not None and end - now < EXPIRING_DAYS * 86_400 else "connected"


def _has_ended(login: LoginFile, evidence: Evidence, now: float) -> bool:
    end = _ends_at(login)
    if end is not None and end <= now:
        # An answer after the end that the file tells is the better witness.
        return evidence.kind == "login" or not evidence.proved or (evidence.last_success_at or 0) <= end
    # It should have been renewed, and was refused: whatever the file says, the login is at its end.
    access = login.access_expires_at
    return access is not None and access <= now and evidence.kind == "login"


def _ends_at(login: LoginFile) -> float | None:
    """When it takes an administrator to sign in again; None where the file does not say (2.1.197)."""
    return login.login_expires_at if login.refreshable else login.access_expires_at


def _code(state: State, facts: Facts) -> str:
    match state:
        case "signed_out" if not facts.file_problems:
            return "signed_out"
        case "expired":
            return "login_expired"
        case "expiring":
            return "login_expiring"
        case "failing" if facts.source and facts.evidence.kind == "login":
            return "login_refused"
        case _:
            return ""


def method_of(installation: Installation, source: str | None) -> str:
    """A stored credential that is not the CLI's own names its kind itself."""
    if not source:
        return ""
    kind = _METHODS.get(source) or _read(installation.config_dir / source).get("kind")
    return kind if isinstance(kind, str) else ""


def person_in(config_dir: Path) -> Person:
    """The signed-in account, as the CLI keeps it beside the login."""
    account = _member(config_dir / ".claude.json", "oauthAccount")
    names = ("accountUuid", "emailAddress", "organizationName")
    return Person(*(value if isinstance(value := account.get(name), str) else "" for name in names))


_PERSONAL = frozenset({"emailAddress", "displayName", "fullName"})
_FETCHED = "profileFetchedAt"
_FRESH_MS = 3_600_000
# Without one of these the CLI asks for the profile, too.
_COMPLETE: dict[str, Any] = dict.fromkeys(("billingType", "accountCreatedAt", "subscriptionCreatedAt")) | {
    "ccOnboardingFlags": {}
}


def credentials(installation: Installation) -> str | None:
    """The name of the variable or file that signs the CLI in, None when nothing does."""
    if name := environment_login(installation):
        return name
    # Damaged, it signs nobody in: with a blank access token the CLI says so, whatever else is there.
    if read_login(installation.config_dir / login_file.NAME).state == "sound":
        return login_file.NAME
    secret = login_files.secret_in_force(installation.config_dir)
    return secret.file if secret else None


def environment_login(installation: Installation) -> str:
    """The operator's variable that signs the CLI in, whatever else there is; empty when there is none."""
    return next((name for name in _OWN_CREDENTIALS if installation.passed.get(name)), "")


def with_login(installation: Installation) -> Installation:
    """What a process is started with: a token or key that is in force comes to it as a variable."""
    if environment_login(installation):
        return installation
    secret = login_files.secret_in_force(installation.config_dir)
    return replace(installation, passed={**installation.passed, **secret.variable}) if secret else installation


def hide_person(installation: Installation) -> None:
    """Gives the processes the signed-in account without the name and address of its owner. Raises CliCrashed.

    2.1.330 writes "The user's email address is ..." into every conversation under a login, where any client could ask
    the model for it. It takes the address from the account in its config file, and asks for the account's profile when
    that is missing, old or without what it knows of it now; so the account is put there without what is personal,
    complete, and marked as fresh. (It looks when it starts, and not again: a spare process may grow old.)
    """
    try:
        installation.own_config.mkdir(mode=0o700, parents=True, exist_ok=True)
        _hide_person(installation.own_config / ".claude.json", installation)
    except OSError as error:
        raise CliCrashed(
            "The login's owner cannot be hidden from the claude CLI, so it is not started. Look at the disk that "
            "data_dir is on.",
            detail=str(error),
        ) from error


def _hide_person(own: Path, installation: Installation) -> None:
    known = _member(own, "oauthAccount")
    account = _member(installation.config_dir / ".claude.json", "oauthAccount") or known or _nobody(installation)
    if not account:
        return
    account = _COMPLETE | {name: value for name, value in account.items() if name not in _PERSONAL | {_FETCHED}}
    now = int(time.time() * 1000)
    fetched = known.pop(_FETCHED, 0)
    if known != account or not isinstance(fetched, int) or not now - fetched < _FRESH_MS:
        _replace(own, _read(own) | {"oauthAccount": account | {_FETCHED: now}})


def _nobody(installation: Installation) -> dict[str, Any]:
    """The account of a login of which nothing else is known."""
    if credentials(installation) != login_file.NAME:
        return {}
    return {"accountUuid": read_login(installation.config_dir / login_file.NAME).account_id}


def _member(file: Path, name: str) -> dict[str, Any]:
    found = _read(file).get(name)
    return found if isinstance(found, dict) else {}


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _replace(file: Path, content: dict[str, Any]) -> None:
    temporary = file.with_name(f".{uuid.uuid4().hex}")
    try:
        temporary.touch(mode=0o600)
        temporary.write_text(json.dumps(content))
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)

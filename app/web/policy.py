"""Who may call a route. Every view declares it, and the factory refuses an application in which one does not."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeVar

from flask import Flask

F = TypeVar("F", bound=Callable[..., Any])
_ATTRIBUTE = "postern_policy"


class Who(Enum):
    ANYONE = auto()
    KEY = auto()  # an application, with an API key
    ADMINISTRATOR = auto()
    CONFIRMED = auto()  # an administrator who gave the password within the last minutes


@dataclass(frozen=True)
class Policy:
    """`script`: a JSON endpoint, which scripts may call with HTTP Basic. `what` goes on after "You are about to"."""

    who: Who
    script: bool = False
    what: str = ""


def allow(who: Who, *, script: bool = False, what: str = "") -> Callable[[F], F]:
    """Beneath the route's own decorator."""

    def declare(view: F) -> F:
        setattr(view, _ATTRIBUTE, Policy(who, script, what))
        return view

    return declare


def policy_of(app: Flask, endpoint: str | None) -> Policy | None:
    return getattr(app.view_functions.get(endpoint or ""), _ATTRIBUTE, None)


def demand_policies(app: Flask) -> None:
    """Raises RuntimeError that names the routes without one."""
    missing = [rule.endpoint for rule in app.url_map.iter_rules() if policy_of(app, rule.endpoint) is None]
    if missing:
        raise RuntimeError(f"These routes do not declare who may call them: {', '.join(missing)}")

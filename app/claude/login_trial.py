"""What the test question shows of a login that was just stored: success is a real answer, not what the CLI says."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from app.claude.failures import without_hint
from app.errors import NotSignedIn, PosternError

log = logging.getLogger(__name__)

_TICK = 0.1
_FAULT = "the gateway has an internal error; its log tells more."


@dataclass(frozen=True)
class Verdict:
    """`refused` is by Anthropic, and for good. `failed` may pass, and says nothing against the login."""

    kind: Literal["answered", "refused", "failed", "late", "given_up"]
    reason: str = ""


def verdict_of(ask: Callable[[], None], given_up: threading.Event, is_late: Callable[[], bool]) -> Verdict:
    """`ask` raises when there is no answer. It is not waited for when it is given up or late."""
    found: list[Verdict] = []
    asking = threading.Thread(target=lambda: found.append(_asked(ask)), daemon=True, name="login-test")
    asking.start()
    while asking.is_alive():
        asking.join(_TICK)
        if given_up.is_set():
            return Verdict("given_up")
        if asking.is_alive() and is_late():
            return Verdict("late")
    return found[0]


def _asked(ask: Callable[[], None]) -> Verdict:
    try:
        ask()
    except PosternError as error:
        log.warning("the test question after a sign-in failed: %s (%s)", error, error.detail)
        return Verdict("refused" if isinstance(error, NotSignedIn) else "failed", without_hint(error))
    except Exception:
        log.exception("the test question after a sign-in failed")
        return Verdict("failed", _FAULT)
    return Verdict("answered")

"""What the health checks say of themselves."""

from typing import Literal

import msgspec

from app.web.describe import Answer, Group, Operation


class HealthFault(msgspec.Struct):
    """As OpenAI's protocol tells errors."""

    message: str
    type: str
    param: str | None
    code: str | None


class HealthError(msgspec.Struct):
    error: HealthFault


class Live(msgspec.Struct):
    status: Literal["ok"]


class Ready(msgspec.Struct):
    """`reasons` are sentences; there are none when all is well."""

    ready: bool
    reasons: list[str]


_HEALTH = Group("Health", "For load balancers and container engines. Without a key.", HealthError, place=6)

LIVE = Operation(_HEALTH, "Whether the gateway runs", {200: Answer("It does.", Live)})
READY = Operation(
    _HEALTH,
    "Whether a completion can be expected",
    {200: Answer("Yes.", Ready), 503: Answer("Not now, for these reasons.", Ready)},
)

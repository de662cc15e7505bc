"""The JSON that the administrator's API takes, as types. A member that is not here is refused."""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.access.masters import LONGEST_GRACE

LONGEST = 4096
_MOMENT = "Unix seconds, or ISO 8601 such as 2030-12-31T18:00Z."

Moment: TypeAlias = float | Annotated[str, Meta(min_length=1, max_length=LONGEST)]
End: TypeAlias = Annotated[float | Annotated[str, Meta(max_length=LONGEST)] | None, Meta(description=_MOMENT)]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=100, description="Printable, on one line.")]
Models: TypeAlias = Annotated[
    Annotated[list[str], Meta(min_length=1, max_length=100)] | None,
    Meta(description="Names of `GET /v1/models`; null for every model."),
]


class _Body(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    pass


class StartLogin(_Body):
    method: Literal["claudeai", "console", "sso", "token", "api_key"]
    email: Annotated[str, Meta(max_length=LONGEST, description="Whose account it is; shortens the sign-in.")] = ""
    force: Annotated[bool, Meta(description="Take over what another administrator began.")] = False


class LoginCode(_Body):
    code: Annotated[str, Meta(max_length=LONGEST, description="The code, token or key that the sign-in waits for.")]


class RotateMaster(_Body):
    grace_seconds: Annotated[
        float, Meta(ge=0, le=LONGEST_GRACE, description="So long the present key goes on; 0 ends it now.")
    ]
    give_up_previous: Annotated[bool, Meta(description="End the key before the present one, if it still lives.")] = (
        False
    )


class ExtendPrevious(_Body):
    until: Annotated[Moment, Meta(description=_MOMENT)]


class MakeKey(_Body):
    name: Name
    models: Models = None
    expires_at: End = None


class ChangeKey(_Body):
    """What is left out stays as it is."""

    name: Name | UnsetType = UNSET
    models: Models | UnsetType = UNSET
    expires_at: End | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET

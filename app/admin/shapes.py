"""What the administrator's API answers, as types: its own ones, and the domain's. The document is made of them."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from app.access import key_rows
from app.access.audit_line import Entry
from app.access.key_uses import Use
from app.claude import account, login
from app.claude.account import Account
from app.claude.volume import Volume


class AdminFault(msgspec.Struct):
    """`code` is for programs. `param` is the member of the request that is at fault, if it is one."""

    message: str
    code: str | None
    param: str | None


class AdminError(msgspec.Struct):
    error: AdminFault


class Pool(msgspec.Struct):
    """Processes of the CLI: spare ones for each model and in all, those at work, and the most there may be."""

    warm: dict[str, int]
    spare: int
    starting: int
    busy: int
    kept: Annotated[int, Meta(description="Those that hold a conversation, and wait for its next request.")]
    ending: int
    resident: Annotated[int, Meta(description="Bytes of memory that they hold together.")]
    most: int
    waiting: Annotated[int, Meta(description="Requests that wait for a process.")]


class Serving(msgspec.Struct):
    """The server."""

    connections: Annotated[int, Meta(description="Those that are open.")]
    idle: Annotated[int, Meta(description="Those of them on which nobody asks.")]
    longest_delay: Annotated[
        float,
        Meta(description="Seconds that its event loop was held up within five minutes, at the most."),
    ]
    most_work: Annotated[
        float,
        Meta(description="Those of them, at the most, in which the gateway did not wait for the machine."),
    ]


class Status(msgspec.Struct):
    auth: Account
    volume: Volume
    pool: Pool
    serving: Serving | None


class LoginState(msgspec.Struct):
    """The sign-in. `version` grows with each change; `account` is the state of the login that is in force."""

    state: login.State
    method: Literal["", "claudeai", "console", "sso", "token", "api_key"]
    url: Annotated[str, Meta(description="To open and sign in at. Empty for whom the sign-in is not.")]
    message: str
    holder: Annotated[str, Meta(description="Who is signing the CLI in.")]
    started_at: float | None
    deadline: Annotated[float | None, Meta(description="When the step is given up.")]
    version: int
    asks_again: Annotated[bool, Meta(description="A code was not taken; `message` says why.")]
    overruled_by: Annotated[
        str,
        Meta(
            description="The login was stored, but could not be tried: this variable of the gateway's environment is "
            "what the CLI uses. Else empty."
        ),
    ]
    mine: bool
    account: account.State


class Key(msgspec.Struct):
    """A key, never its text. `models` is null for every model."""

    id: str
    kind: key_rows.Kind
    name: str
    created_at: float
    expires_at: float | None
    models: list[str] | None
    enabled: bool
    revoked_at: float | None
    last_used_at: float | None
    state: key_rows.State


class MadeKey(Key):
    """A key and, this once, its text."""

    key: str


class KeyWithUsers(Key):
    """A key, and who uses it."""

    users: list[Use]


class KeyList(msgspec.Struct):
    keys: list[Key]


class MasterKeys(msgspec.Struct):
    current: Key | None
    previous: KeyWithUsers | None


class Rotated(msgspec.Struct):
    """`key`, the new master key, is told this once."""

    key: str
    id: str
    previous_valid_until: float | None


class AuditEntries(msgspec.Struct):
    entries: list[Entry]

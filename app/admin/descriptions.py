"""What the operations of /admin/api say of themselves."""

from typing import Annotated

from msgspec import Meta

from app.access.audit import Verification
from app.access.masters import SHORTEST_IDEMPOTENCY_KEY
from app.admin import bodies, shapes
from app.errors import AuditFailed, CliCrashed, CliTimeout, Conflict, LoginBusy, UnknownKey
from app.services import Trial
from app.web.describe import Answer, Group, Operation, Parameter

_TIMES = "Times come as Unix seconds."
_AGAIN = "A session must have given its password within the last five minutes."
_CLI = (CliCrashed, CliTimeout)

GATEWAY = Group(
    "Administration: the gateway",
    "What the administrator's pages do, for scripts, by HTTP Basic: the name `admin` and the administrator's password. "
    "A session of the pages may call it too, with its CSRF token as `X-CSRF-Token`. No application's key opens it. "
    + _TIMES,
    shapes.AdminError,
    place=7,
)
LOGIN = Group(
    "Administration: Claude's login",
    "Signing the official CLI in and out. One sign-in at a time.",
    shapes.AdminError,
    place=8,
)
KEYS = Group("Administration: keys", "The master key, and the keys of applications.", shapes.AdminError, place=9)
AUDIT = Group("Administration: audit", "What administrators did, as a chain of entries.", shapes.AdminError, place=10)

_KEY_ID = Parameter(
    "key_id", "The key's id: ten characters, as they are in the key itself.", place="path", example="7Qd2mX9kVt"
)

STATUS = Operation(
    GATEWAY, "How the gateway is", {200: Answer("The login, the folder that keeps it, the processes.", shapes.Status)}
)
TEST = Operation(
    GATEWAY,
    "Ask Claude a test question",
    {200: Answer("What came of it; `ok` is false, and `message` says why, when there is no answer.", Trial)},
    about="A real completion.",
)

_SIGN_IN = {200: Answer("Where the sign-in stands.", shapes.LoginState)}
SHOW_LOGIN = Operation(LOGIN, "Where the sign-in stands", _SIGN_IN)
START_LOGIN = Operation(
    LOGIN,
    "Start a sign-in",
    _SIGN_IN,
    request=bodies.StartLogin,
    examples={"Subscription": {"method": "claudeai"}, "API key": {"method": "api_key", "force": True}},
    errors=(LoginBusy, *_CLI, AuditFailed),
)
SEND_CODE = Operation(
    LOGIN,
    "Hand in what the sign-in waits for",
    _SIGN_IN,
    request=bodies.LoginCode,
    examples={"Code": {"code": "1zL4Gk8pXWt0hYb2#q7RcVn5sEuJ3mA9d"}},
    errors=(LoginBusy, *_CLI, AuditFailed),
)
ABANDON_LOGIN = Operation(
    LOGIN,
    "Give the sign-in up",
    _SIGN_IN,
    parameters=(Parameter("force", "`true` for a sign-in that another administrator began.", bool),),
    errors=(LoginBusy, AuditFailed),
)
SIGN_OUT = Operation(
    LOGIN,
    "Sign Claude out",
    {204: Answer("Claude is signed out.")},
    about=_AGAIN,
    errors=(LoginBusy, *_CLI, AuditFailed),
)
RESTORE = Operation(
    LOGIN,
    "Restore the last good copy of the login",
    {204: Answer("The copy is back.")},
    about=_AGAIN,
    errors=(Conflict, LoginBusy, AuditFailed),
)

SHOW_MASTER = Operation(
    KEYS,
    "The master keys",
    {200: Answer("The current one, and the one before while it is valid, with who still uses it.", shapes.MasterKeys)},
)
ROTATE = Operation(
    KEYS,
    "Rotate the master key",
    {200: Answer("The new master key, told this once.", shapes.Rotated)},
    about=f"The present one goes on for `grace_seconds`. {_AGAIN}",
    request=bodies.RotateMaster,
    examples={"A day of grace": {"grace_seconds": 86400}},
    parameters=(
        Parameter(
            "Idempotency-Key",
            "A word of your own. A rotation that is sent again with it within ten minutes gives the same key.",
            Annotated[str, Meta(min_length=SHORTEST_IDEMPOTENCY_KEY, max_length=100)],
            "header",
        ),
    ),
    errors=(Conflict, AuditFailed),
)
EXTEND_PREVIOUS = Operation(
    KEYS,
    "Extend the master key before the current one",
    {200: Answer("The previous key.", shapes.Key)},
    request=bodies.ExtendPrevious,
    examples={"Until a day": {"until": "2030-12-31T18:00Z"}},
    errors=(Conflict, AuditFailed),
)
REVOKE_PREVIOUS = Operation(
    KEYS,
    "Revoke the master key before the current one",
    {200: Answer("The previous key.", shapes.Key)},
    about=_AGAIN,
    errors=(Conflict, AuditFailed),
)
LIST_KEYS = Operation(
    KEYS,
    "List the keys of applications",
    {200: Answer("The newest first.", shapes.KeyList)},
    parameters=(Parameter("q", "Part of a name or of an id, or a whole key."),),
)
MAKE_KEY = Operation(
    KEYS,
    "Make a key for an application",
    {201: Answer("The key, whose text is told this once.", shapes.MadeKey)},
    request=bodies.MakeKey,
    examples={
        "For every model": {"name": "Open WebUI"},
        "Limited": {"name": "Invoices", "models": ["haiku"], "expires_at": "2030-12-31T18:00Z"},
    },
    errors=(AuditFailed,),
)
SHOW_KEY = Operation(
    KEYS,
    "Look a key up",
    {200: Answer("The key, and who uses it.", shapes.KeyWithUsers)},
    parameters=(_KEY_ID,),
    errors=(UnknownKey,),
)
CHANGE_KEY = Operation(
    KEYS,
    "Change a key",
    {200: Answer("The key as it is now.", shapes.Key)},
    request=bodies.ChangeKey,
    examples={"Disable": {"enabled": False}, "Rename, without an end": {"name": "Open WebUI", "expires_at": None}},
    parameters=(_KEY_ID,),
    errors=(UnknownKey, Conflict, AuditFailed),
)
REVOKE_KEY = Operation(
    KEYS,
    "Revoke a key",
    {200: Answer("The key, revoked for good.", shapes.Key)},
    parameters=(_KEY_ID,),
    errors=(UnknownKey, AuditFailed),
)

LIST_AUDIT = Operation(
    AUDIT,
    "Read the audit log",
    {200: Answer("The latest first.", shapes.AuditEntries)},
    parameters=(
        Parameter("limit", "So many, at most 1000; 100 if left out.", int),
        Parameter("before", "Only those with a smaller `seq`.", int),
    ),
    errors=(AuditFailed,),
)
VERIFY_AUDIT = Operation(
    AUDIT,
    "Check the chain of the audit log",
    {200: Answer("Whether every entry is as it was written, and else where the chain breaks.", Verification)},
    errors=(AuditFailed,),
)

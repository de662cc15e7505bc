"""What the CLI asks for in its sign-in link."""

from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.errors import ApiError

CLIENT_ID = "9d1c250a-e61b-44d9-88ed-5944d1962f5e"
MANUAL_REDIRECT = "https://platform.claude.com/oauth/code/callback"
# The CLI 2.1.330 shortens its link to https://claude.ai/oauth/authorize?DIGITS+CHALLENGE: the digits are a number whose
# bit n+1 stands for the n-th of these scopes; client, redirect and state are left out (CLAUDE_CODE_FULL_SIGN_IN_LINK=1
# brings them back).
SHORT_SCOPES = (
    "org:create_api_key",
    "user:profile",
    "user:inference",
    "user:sessions:claude_code",
    "user:mcp_servers",
    "user:file_upload",
    "user:plugins",
    "user:projects:read",
    "user:projects:write",
    "user:privacy_consents:write",
    "org:desktop_config",
)
DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
CHALLENGE_LENGTH = 43
CONSOLE_SCOPES = ("org:create_api_key", "user:profile")


@dataclass(frozen=True)
class SignIn:
    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    code_challenge: str
    state: str | None
    is_console: bool
    email: str | None = None
    method: str | None = None

    @property
    def granted(self) -> tuple[str, ...]:
        """A subscription makes no API keys, the Console gives no subscription's inference."""
        return tuple(scope for scope in self.scopes if (scope in CONSOLE_SCOPES) is self.is_console or is_shared(scope))


def is_shared(scope: str) -> bool:
    return scope == "user:profile"


def from_query(query: Mapping[str, str], host: str, path: str) -> SignIn:
    short = next(iter(query), "")
    if not query.get(short) and len(short) > CHALLENGE_LENGTH:
        return from_short(short, query)
    missing = [name for name in ("client_id", "redirect_uri", "scope", "code_challenge") if not query.get(name)]
    if missing:
        raise ApiError(400, f"authorize: {missing[0]}: Field required")
    if query.get("response_type") != "code" or query.get("code_challenge_method") != "S256":
        raise ApiError(400, "authorize: response_type=code and code_challenge_method=S256 are expected")
    return SignIn(
        client_id=query["client_id"],
        redirect_uri=query["redirect_uri"],
        scopes=tuple(query["scope"].split()),
        code_challenge=query["code_challenge"],
        state=query.get("state"),
        is_console=not path.startswith("/cai/") and not host.startswith("claude.ai"),
        email=query.get("login_hint"),
        method=query.get("login_method"),
    )


def from_short(short: str, query: Mapping[str, str]) -> SignIn:
    digits, challenge = short[:-CHALLENGE_LENGTH], short[-CHALLENGE_LENGTH:]
    number = 0
    for digit in digits:
        if digit not in DIGITS:
            raise ApiError(400, "authorize: the short form begins with base64 digits")
        number = number * 64 + DIGITS.index(digit)
    named = [scope for n, scope in enumerate(SHORT_SCOPES) if number & (2 << n)]
    return SignIn(
        client_id=CLIENT_ID,
        redirect_uri=MANUAL_REDIRECT,
        scopes=(*named, *query.get("scope", "").split()),
        code_challenge=challenge,
        state=None,
        is_console=False,
        email=query.get("login_hint"),
        method=query.get("login_method"),
    )

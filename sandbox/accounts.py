"""The logins: codes, tokens and their rotation. Each code and each refresh token works once."""

import base64
import hashlib
import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.errors import ApiError
from sandbox.links import SignIn

CODE_LIFETIME = 600
REFRESH_LIFETIME = 30 * 24 * 3600
INFERENCE = "user:inference"
PROFILE = "user:profile"


class GrantError(Exception):
    """A refusal of the token endpoint, in the shape of RFC 6749."""

    def __init__(self, error: str, description: str):
        self.error = error
        self.description = description
        super().__init__(description)


@dataclass(frozen=True)
class Code:
    sign_in: SignIn
    email: str
    expires_at: float


@dataclass
class Token:
    email: str
    scopes: tuple[str, ...]
    expires_at: float
    revoked: bool = False


@dataclass
class Settings:
    """What a test may turn; the names of POST /sandbox/state."""

    token_lifetime: int = 8 * 3600
    token_latency: float = 0.0
    refuse_next_code: bool = False
    refuse_refresh: bool = False
    plan: str = "max"


@dataclass
class Accounts:
    settings: Settings = field(default_factory=Settings)
    codes: dict[str, Code] = field(default_factory=dict)
    access: dict[str, Token] = field(default_factory=dict)
    refresh: dict[str, Token] = field(default_factory=dict)
    refreshes: int = 0

    def issue_code(self, sign_in: SignIn, email: str) -> str:
        """The code in the form in which the user pastes it."""
        code = secrets.token_urlsafe(32)
        self.codes[code] = Code(sign_in, email, time.time() + CODE_LIFETIME)
        return f"{code}#{sign_in.state or secrets.token_urlsafe(32)}"

    def exchange(self, given: Mapping[str, Any]) -> dict[str, Any]:
        code = self.codes.pop(str(given.get("code")), None)
        if self.settings.refuse_next_code:
            self.settings.refuse_next_code = False
            raise GrantError("invalid_grant", "The sandbox was told to refuse this authorization code.")
        if code is None or code.expires_at < time.time():
            raise GrantError("invalid_grant", "Invalid 'code' in request.")
        check_exchange(code.sign_in, given)
        return self.issue(code.email, code.sign_in.granted, given.get("expires_in"))

    def rotate(self, given: Mapping[str, Any]) -> dict[str, Any]:
        old = self.refresh.get(str(given.get("refresh_token")))
        if self.settings.refuse_refresh or old is None or old.revoked or old.expires_at < time.time():
            raise GrantError("invalid_grant", "Refresh token not found or invalid")
        del self.refresh[given["refresh_token"]]
        self.refreshes += 1
        asked = set(str(given.get("scope") or "").split())
        return self.issue(old.email, tuple(scope for scope in old.scopes if not asked or scope in asked))

    def issue(self, email: str, scopes: tuple[str, ...], lifetime: int | None = None) -> dict[str, Any]:
        lifetime = lifetime or self.settings.token_lifetime
        access, refresh = new_secret("sk-ant-oat01"), new_secret("sk-ant-ort01")
        self.access[access] = Token(email, scopes, time.time() + lifetime)
        self.refresh[refresh] = Token(email, scopes, time.time() + REFRESH_LIFETIME)
        return {
            "token_type": "Bearer",
            "access_token": access,
            "expires_in": lifetime,
            "refresh_token": refresh,
            "refresh_token_expires_in": REFRESH_LIFETIME,
            "scope": " ".join(scopes),
            "organization": {"uuid": stable_uuid("organization", email), "name": organization_name(email)},
            "account": {"uuid": stable_uuid("account", email), "email_address": email},
        }

    def check(self, token: str, scope: str) -> Token:
        found = self.access.get(token)
        if found is None:
            raise ApiError(401, "Invalid bearer token")
        if found.revoked:
            raise ApiError(403, "OAuth token has been revoked. Please obtain a new token.")
        if found.expires_at < time.time():
            raise ApiError(401, "OAuth token has expired. Please obtain a new token or refresh your existing token.")
        if scope not in found.scopes:
            raise ApiError(403, f"OAuth token does not meet scope requirement {scope}")
        return found

    def revoke(self, token: str) -> None:
        for found in (self.access.get(token), self.refresh.get(token)):
            if found:
                found.revoked = True

    def revoke_all(self) -> None:
        for token in (*self.access.values(), *self.refresh.values()):
            token.revoked = True

    def expire_all(self) -> None:
        for token in self.access.values():
            token.expires_at = 0.0

    def live_tokens(self) -> int:
        return sum(not token.revoked and token.expires_at > time.time() for token in self.access.values())


def check_exchange(sign_in: SignIn, given: Mapping[str, Any]) -> None:
    if given.get("client_id") != sign_in.client_id:
        raise GrantError("invalid_client", "Client mismatch")
    if given.get("redirect_uri") != sign_in.redirect_uri:
        raise GrantError("invalid_grant", "Redirect URI mismatch")
    # The short link does not carry the state, so there it cannot be compared.
    if sign_in.state is not None and given.get("state") != sign_in.state:
        raise GrantError("invalid_grant", "State mismatch")
    digest = hashlib.sha256(str(given.get("code_verifier")).encode()).digest()
    if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != sign_in.code_challenge:
        raise GrantError("invalid_grant", "PKCE verification failed")


def new_secret(prefix: str) -> str:
    return f"{prefix}-{secrets.token_urlsafe(60)}"


def stable_uuid(kind: str, email: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"sandbox:{kind}:{email}"))


def organization_name(email: str) -> str:
    return f"{email}'s Organization"


def profile(token: Token, plan: str) -> dict[str, Any]:
    return {
        "account": {
            "uuid": stable_uuid("account", token.email),
            "full_name": "Sandbox User",
            "display_name": "Sandbox",
            "email": token.email,
            "has_claude_max": plan == "max",
            "has_claude_pro": plan == "pro",
            "created_at": "2026-01-01T00:00:00Z",
        },
        "organization": {
            "uuid": stable_uuid("organization", token.email),
            "name": organization_name(token.email),
            "organization_type": f"claude_{plan}",
            "billing_type": "stripe_subscription",
            "rate_limit_tier": "default_claude_max_5x" if plan == "max" else "default_claude_ai",
            "has_extra_usage_enabled": False,
            "subscription_status": "active",
            "subscription_created_at": "2026-01-01T00:00:00Z",
        },
    }


def roles(token: Token) -> dict[str, Any]:
    return {
        "organization_uuid": stable_uuid("organization", token.email),
        "organization_name": organization_name(token.email),
        "organization_role": "admin",
        "workspace_uuid": None,
        "workspace_name": None,
        "workspace_role": None,
    }

from aiohttp import web

from sandbox.accounts import INFERENCE, PROFILE, Token
from sandbox.errors import ApiError
from sandbox.state import STATE

OAUTH_BETA = "oauth-2025-04-20"


def authenticate(request: web.Request) -> None:
    """For the Messages API: an API key, or a login that may ask the model."""
    key = request.headers.get("x-api-key")
    if key is not None:
        if not key.startswith("sk-ant-") or "invalid" in key:
            raise ApiError(401, "invalid x-api-key")
    else:
        login(request, INFERENCE)
        if OAUTH_BETA not in request.headers.get("anthropic-beta", ""):
            raise ApiError(401, "OAuth authentication is currently not supported.")
    if "anthropic-version" not in request.headers:
        raise ApiError(400, "anthropic-version: header is required")


def login(request: web.Request, scope: str = PROFILE) -> Token:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise ApiError(401, "x-api-key header is required")
    return request.app[STATE].accounts.check(token.strip(), scope)

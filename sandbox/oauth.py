"""The endpoints of a login: the pages that a browser opens, and what the CLI asks afterwards."""

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from sandbox import accounts, pages
from sandbox.accounts import GrantError, new_secret
from sandbox.auth import login
from sandbox.errors import ApiError
from sandbox.links import SignIn, from_query
from sandbox.state import RECORD, STATE

DEFAULT_EMAIL = "user@sandbox.example"


def sign_in_of(request: web.Request) -> SignIn:
    return from_query(request.query, request.host, request.path)


async def ask(request: web.Request) -> web.Response:
    sign_in = sign_in_of(request)
    return pages.answer(pages.consent(sign_in, sign_in.email or DEFAULT_EMAIL))


async def decide(request: web.Request) -> web.Response:
    sign_in = sign_in_of(request)
    form = await request.post()
    if form.get("decision") != "authorise":
        return denied(sign_in)
    email = str(form.get("email") or DEFAULT_EMAIL)
    pasted = request.app[STATE].accounts.issue_code(sign_in, email)
    code, _, state = pasted.partition("#")
    if sign_in.redirect_uri.startswith("http://localhost:"):
        return sent_back(sign_in, {"code": code, "state": state})
    return pages.answer(pages.code(pasted))


def denied(sign_in: SignIn) -> web.Response:
    if sign_in.redirect_uri.startswith("http://localhost:"):
        return sent_back(sign_in, {"error": "access_denied", "state": sign_in.state or ""})
    return pages.answer(pages.denied())


def sent_back(sign_in: SignIn, query: dict[str, str]) -> web.Response:
    """To the CLI's own listener, when the browser runs on the same machine."""
    return web.Response(status=302, headers={"Location": f"{sign_in.redirect_uri}?{urlencode(query)}"})


async def callback(request: web.Request) -> web.Response:
    return pages.answer(pages.code(f"{request.query.get('code', '')}#{request.query.get('state', '')}"))


async def success(request: web.Request) -> web.Response:
    return pages.answer(pages.signed_in())


async def token(request: web.Request) -> web.Response:
    known = request.app[STATE].accounts
    given = token_request(request)
    grants = {"authorization_code": known.exchange, "refresh_token": known.rotate}
    try:
        grant = grants.get(str(given.get("grant_type")))
        if grant is None:
            raise GrantError("unsupported_grant_type", "Unsupported grant_type")
        # The grant is used up before the wait: a client that gives up has lost it, as at Anthropic.
        issued = grant(given)
    except GrantError as error:
        await asyncio.sleep(known.settings.token_latency)
        return web.json_response({"error": error.error, "error_description": error.description}, status=400)
    await asyncio.sleep(known.settings.token_latency)
    return web.json_response(issued)


async def revoke(request: web.Request) -> web.Response:
    request.app[STATE].accounts.revoke(str(token_request(request).get("token")))
    return web.json_response({})


def token_request(request: web.Request) -> dict[str, Any]:
    try:
        given = json.loads(request[RECORD].raw_body)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise ApiError(400, "Invalid request format")
    return given


async def profile(request: web.Request) -> web.Response:
    return web.json_response(accounts.profile(login(request), request.app[STATE].accounts.settings.plan))


async def roles(request: web.Request) -> web.Response:
    return web.json_response(accounts.roles(login(request)))


async def create_api_key(request: web.Request) -> web.Response:
    login(request, "org:create_api_key")
    return web.json_response({"raw_key": new_secret("sk-ant-api03")})


def add_routes(router: web.UrlDispatcher) -> None:
    for path in ("/oauth/authorize", "/cai/oauth/authorize"):
        router.add_get(path, ask)
        router.add_post(path, decide)
    router.add_get("/oauth/code/callback", callback)
    router.add_get("/oauth/code/success", success)
    router.add_get("/buy_credits", success)
    router.add_post("/v1/oauth/token", token)
    router.add_post("/v1/oauth/token/revoke", revoke)
    router.add_get("/api/oauth/profile", profile)
    router.add_get("/api/oauth/claude_cli/roles", roles)
    router.add_post("/api/oauth/claude_cli/create_api_key", create_api_key)

import asyncio

from aiohttp import web
from aiohttp.typedefs import Handler

from sandbox import admin, messages, oauth
from sandbox.auth import authenticate
from sandbox.errors import ApiError, error_body, error_type, new_id
from sandbox.state import RECORD, REQUEST_ID, STATE, State

MAX_REQUEST = 32 * 1024 * 1024
# Read a little more than is allowed: a client that is still sending would not see the refusal.
MAX_READ = 2 * MAX_REQUEST
MODELS = ("claude-opus-4-8", "claude-sonnet-5", "claude-haiku-4-5-20251001")


def create_server(state: State) -> web.Application:
    app = web.Application(middlewares=[as_error, recorded], client_max_size=MAX_READ)
    app[STATE] = state
    app.on_response_prepare.append(name_request)
    app.router.add_post("/v1/messages", messages.messages)
    app.router.add_post("/v1/messages/count_tokens", messages.count_tokens)
    app.router.add_get("/v1/models", models)
    app.router.add_get("/", root)
    app.router.add_get("/v1/mcp_servers", mcp_servers)
    app.router.add_get("/api/claude_code/policy_limits", policy_limits)
    admin.add_routes(app.router)
    oauth.add_routes(app.router)
    app.router.add_route("*", "/api/{rest:.*}", nothing)
    return app


@web.middleware
async def as_error(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every failure in Anthropic's shape, unknown paths too."""
    request[REQUEST_ID] = request_id = new_id("req")
    try:
        response = await handler(request)
    except ApiError as error:
        response = refused(error, request_id)
    except web.HTTPRequestEntityTooLarge:
        response = refused(ApiError(413, "Request exceeds the maximum size"), request_id)
    except web.HTTPException as error:
        response = refused(ApiError(error.status, error.reason, kind=error_type(error.status)), request_id)
    return response


async def name_request(request: web.Request, response: web.StreamResponse) -> None:
    """At the last moment, because a stream's headers are gone before its handler returns."""
    response.headers["request-id"] = request[REQUEST_ID]
    response.headers["server"] = "postern-sandbox"


def refused(error: ApiError, request_id: str) -> web.Response:
    body = error_body(error.kind, error.message, request_id)
    return web.json_response(body, status=error.status, headers=error.headers)


@web.middleware
async def recorded(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.path.startswith("/sandbox"):
        return await handler(request)
    records = request.app[STATE].records
    headers = {name.lower(): value for name, value in request.headers.items()}
    record = records.open(request.method, request.path_qs, request.host, headers)
    request[RECORD] = record
    outcome = "refused"
    try:
        records.keep_body(record, await read_body(request))
        response = await handler(request)
        outcome = "completed" if response.status < 400 else "refused"
    except (asyncio.CancelledError, ConnectionError):
        outcome = "client_closed"
        raise
    finally:
        record.close(outcome)
    return response


async def read_body(request: web.Request) -> bytes:
    raw = await request.read()
    if len(raw) > MAX_REQUEST:
        raise ApiError(413, "Request exceeds the maximum size")
    return raw


async def models(request: web.Request) -> web.Response:
    authenticate(request)
    data = [
        {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"} for name in MODELS
    ]
    return web.json_response({"data": data, "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]})


async def root(request: web.Request) -> web.Response:
    return web.Response(text="This is the Postern sandbox, not Anthropic. See /sandbox.\n")


async def mcp_servers(request: web.Request) -> web.Response:
    return web.json_response({"data": [], "has_more": False})


async def policy_limits(request: web.Request) -> web.Response:
    # To an answer without this field the CLI comes back four times before it goes on.
    return web.json_response({"restrictions": {}})


async def nothing(request: web.Request) -> web.Response:
    return web.json_response({})

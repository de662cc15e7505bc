"""The endpoints under /sandbox: how a test arranges the next answers and reads what arrived."""

import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from sandbox import pages
from sandbox.accounts import Accounts
from sandbox.errors import ApiError
from sandbox.scripts import is_count, is_flag, is_seconds
from sandbox.state import STATE

SHOWN = 50
PLANS = ("max", "pro", "team", "enterprise")
CHANGES: dict[str, Callable[[Any], bool]] = {
    "token_lifetime": is_count,
    "token_latency": is_seconds,
    "refuse_next_code": is_flag,
    "refuse_refresh": is_flag,
    "plan": lambda value: value in PLANS,
}
ACTIONS = {"revoke_tokens": Accounts.revoke_all, "expire_tokens": Accounts.expire_all}


async def add_script(request: web.Request) -> web.Response:
    request.app[STATE].scripts.add(await given_json(request))
    return web.json_response({"queued": len(request.app[STATE].scripts.queue)})


async def drop_scripts(request: web.Request) -> web.Response:
    request.app[STATE].scripts.clear()
    return web.json_response({"queued": 0})


async def list_requests(request: web.Request) -> web.Response:
    since = request.query.get("since", "0")
    if not since.isdigit():
        raise ApiError(400, "since: a count is expected")
    return web.json_response([record.to_json() for record in request.app[STATE].records.since(int(since))])


async def drop_requests(request: web.Request) -> web.Response:
    request.app[STATE].records.clear()
    return web.json_response([])


async def show_state(request: web.Request) -> web.Response:
    return web.json_response(state_of(request.app[STATE].accounts))


async def change_state(request: web.Request) -> web.Response:
    accounts = request.app[STATE].accounts
    changes = await given_json(request)
    if not isinstance(changes, dict):
        raise ApiError(400, "sandbox state: a JSON object is expected")
    check_changes(changes)
    for name, value in changes.items():
        if name in ACTIONS and value:
            ACTIONS[name](accounts)
        elif name in CHANGES:
            setattr(accounts.settings, name, value)
    return web.json_response(state_of(accounts))


def check_changes(changes: dict[str, Any]) -> None:
    for name, value in changes.items():
        check = CHANGES.get(name, is_flag if name in ACTIONS else None)
        if check is None:
            raise ApiError(400, f"sandbox state: unknown key {name!r} (known: {', '.join((*CHANGES, *ACTIONS))})")
        if not check(value):
            raise ApiError(400, f"sandbox state: {name!r} cannot be {value!r}")


def state_of(accounts: Accounts) -> dict[str, Any]:
    return vars(accounts.settings) | {"live_tokens": accounts.live_tokens(), "refreshes": accounts.refreshes}


async def overview(request: web.Request) -> web.Response:
    return pages.answer(pages.overview(reversed(request.app[STATE].records.since(0)[-SHOWN:])))


async def given_json(request: web.Request) -> Any:
    try:
        return json.loads(await request.read())
    except ValueError as error:
        raise ApiError(400, f"not JSON: {error}") from None


def add_routes(router: web.UrlDispatcher) -> None:
    router.add_get("/sandbox", overview)
    router.add_get("/sandbox/state", show_state)
    router.add_post("/sandbox/state", change_state)
    router.add_post("/sandbox/script", add_script)
    router.add_delete("/sandbox/script", drop_scripts)
    router.add_get("/sandbox/requests", list_requests)
    router.add_delete("/sandbox/requests", drop_requests)

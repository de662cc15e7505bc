import asyncio
import json
import random
import time
from typing import Any

from aiohttp import web

from sandbox import stream
from sandbox.auth import authenticate
from sandbox.errors import ApiError
from sandbox.prompt import Body, last_user_text
from sandbox.reply import Reply, compose
from sandbox.rules import check_count, check_message
from sandbox.scripts import Script, split_marker
from sandbox.state import RECORD, REQUEST_ID, STATE
from sandbox.tokens import count_prompt

LONG_CONTEXT = "context-1m"
ORGANIZATION = "5a4d8b0e-0000-4000-8000-000000000001"


def json_body(request: web.Request) -> Body:
    try:
        body = json.loads(request[RECORD].raw_body)
    except ValueError as error:
        raise ApiError(400, f"The request body is not valid JSON: {error}") from None
    if not isinstance(body, dict):
        raise ApiError(400, "Input should be a valid dictionary")
    return body


async def messages(request: web.Request) -> web.StreamResponse:
    state = request.app[STATE]
    authenticate(request)
    body = json_body(request)
    check_message(body, LONG_CONTEXT in request.headers.get("anthropic-beta", ""))
    script = state.scripts.take(request[RECORD].raw_body, split_marker(last_user_text(body))[1])
    pace = pace_of(request, script)
    headers = limit_headers(request, script)
    await asyncio.sleep(pace.first)
    if script.status is not None:
        raise refusal(script, headers)
    reply = compose(script, body)
    usage = state.cache.usage(body) | (script.usage or {})
    if body.get("stream"):
        return await Sending(request, script, reply, usage, pace).send(headers, "context_management" in body)
    return await whole(reply, usage, script, pace, headers)


def is_demo(script: Script) -> bool:
    return all(given is None for given in (script.answer, script.chunks, script.words, script.echo))


def pace_of(request: web.Request, script: Script) -> stream.Pace:
    options = request.app[STATE].options
    first = options.first_delay if script.first_delay is None else script.first_delay
    delta = options.delta_delay if script.delta_delay is None else script.delta_delay
    return stream.Pace(first, delta, random.Random(7) if is_demo(script) else None)


def refusal(script: Script, headers: dict[str, str]) -> ApiError:
    if script.retry_after is not None:
        headers = headers | {"retry-after": f"{script.retry_after:g}"}
    return ApiError(script.status or 500, script.message, kind=script.error_type, headers=headers)


def limit_headers(request: web.Request, script: Script) -> dict[str, str]:
    """What a subscription's answers carry; with an API key only when the script asks for it."""
    if not script.unified and "authorization" not in request.headers:
        return {}
    status = "rejected" if script.unified and script.status else "allowed"
    claim = script.unified if isinstance(script.unified, str) else "five_hour"
    reset = str(int(time.time() + (3600 if script.reset_in is None else script.reset_in)))
    values = {"status": status, "reset": reset, "representative-claim": claim, "overage-status": "rejected"}
    values["overage-disabled-reason"] = "org_level_disabled"
    for window in ("5h", "7d"):
        values |= {f"{window}-status": status, f"{window}-reset": reset}
        values[f"{window}-utilization"] = "1.0" if status == "rejected" else "0.1"
    return {f"anthropic-ratelimit-unified-{name}": value for name, value in values.items()}


class Sending:
    """One streamed answer on its way."""

    def __init__(self, request: web.Request, script: Script, reply: Reply, usage: dict[str, Any], pace: stream.Pace):
        self.request = request
        self.record = request[RECORD]
        self.script = script
        self.reply = reply
        self.usage = usage
        self.pace = pace
        self.fault = stream.fault_of(script, request[REQUEST_ID])

    async def send(self, headers: dict[str, str], has_context_management: bool) -> web.StreamResponse:
        response = web.StreamResponse(headers=self.headers() | headers)
        await response.prepare(self.request)
        await response.write(stream.start_event(self.reply, self.usage))
        await asyncio.sleep(self.script.silent or 0)
        if await self.send_frames(response):
            usage = self.usage | {"output_tokens": self.reply.output_tokens} | (self.script.usage or {})
            await response.write(stream.final_event(self.reply, usage, has_context_management))
        if self.record.outcome != "cut":
            await response.write_eof()
        return response

    def headers(self) -> dict[str, str]:
        return {
            "Content-Type": "text/event-stream; charset=utf-8",
            "Cache-Control": "no-cache",
            "anthropic-organization-id": ORGANIZATION,
        }

    async def send_frames(self, response: web.StreamResponse) -> bool:
        """Whether the answer went out to its end."""
        async for frame in stream.paced(stream.frames(self.reply), self.pace):
            if self.fault and self.record.deltas_sent == self.fault.after:
                if await self.fail(response, self.fault):
                    return False
                self.fault = None
            await response.write(frame.data)
            if frame.is_delta:
                self.record.count_delta()
        return True

    async def fail(self, response: web.StreamResponse, fault: stream.Fault) -> bool:
        if fault.kind == "cut":
            self.record.outcome = "cut"
            if self.request.transport:
                self.request.transport.abort()
            return True
        await response.write(fault.data)
        return fault.kind == "error"


async def whole(
    reply: Reply, usage: dict[str, Any], script: Script, pace: stream.Pace, headers: dict[str, str]
) -> web.Response:
    await asyncio.sleep((script.silent or 0) + pace.delta * sum(len(block.deltas) for block in reply.blocks))
    usage = usage | {"output_tokens": reply.output_tokens} | (script.usage or {})
    answer = stream.message_json(reply, usage) | {
        "content": [stream.whole_block(block) for block in reply.blocks],
        "stop_reason": reply.stop_reason,
        "stop_sequence": reply.stop_sequence,
        "stop_details": reply.stop_details,
    }
    return web.json_response(answer, headers={"anthropic-organization-id": ORGANIZATION} | headers)


async def count_tokens(request: web.Request) -> web.Response:
    authenticate(request)
    body = json_body(request)
    check_count(body)
    return web.json_response({"input_tokens": count_prompt(body)})

"""Server-sent events, encoded ahead: per delta there is one small json.dumps and one write."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.errors import error_event
from sandbox.reply import Block, Reply
from sandbox.scripts import Script

DELTA_OF_KIND = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "tool_use": ("input_json_delta", "partial_json"),
}
PING = b'event: ping\ndata: {"type": "ping"}\n\n'
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
MALFORMED = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_d\n\n'
# Without a pause somewhere a long answer at full speed would keep every other request waiting.
DELTAS_WITHOUT_PAUSE = 16


@dataclass(frozen=True)
class Frame:
    data: bytes
    is_delta: bool


@dataclass(frozen=True)
class Pace:
    first: float
    delta: float
    jitter: random.Random | None = None

    def next_gap(self) -> float:
        return self.delta * self.jitter.uniform(0.4, 1.6) if self.jitter else self.delta


@dataclass(frozen=True)
class Fault:
    """What goes wrong once `after` deltas are out."""

    after: int
    kind: str
    data: bytes = b""


def event(name: str, data: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **data}, separators=(',', ':'))}\n\n".encode()


def message_json(reply: Reply, usage: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": reply.id,
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
        "usage": usage,
    }


def start_event(reply: Reply, usage: dict[str, Any]) -> bytes:
    return event("message_start", {"message": message_json(reply, usage | {"output_tokens": 1})})


def empty_block(block: Block) -> dict[str, Any]:
    if block.kind == "tool_use":
        return {"type": "tool_use", "id": block.id, "name": block.name, "input": {}}
    if block.kind == "thinking":
        return {"type": "thinking", "thinking": "", "signature": ""}
    return {"type": "text", "text": ""}


def block_frames(index: int, block: Block) -> Iterator[Frame]:
    start = event("content_block_start", {"index": index, "content_block": empty_block(block)})
    yield Frame(start + (b"" if index else PING), False)
    kind, name = DELTA_OF_KIND[block.kind]
    head = (
        f'event: content_block_delta\ndata: {{"type":"content_block_delta","index":{index},'
        f'"delta":{{"type":"{kind}","{name}":'
    )
    for delta in block.deltas:
        yield Frame(f"{head}{json.dumps(delta)}}}}}\n\n".encode(), True)
    if block.signature:
        signature = {"type": "signature_delta", "signature": block.signature}
        yield Frame(event("content_block_delta", {"index": index, "delta": signature}), False)
    yield Frame(event("content_block_stop", {"index": index}), False)


def final_event(reply: Reply, usage: dict[str, Any], has_context_management: bool) -> bytes:
    delta = {
        "stop_reason": reply.stop_reason,
        "stop_sequence": reply.stop_sequence,
        "stop_details": reply.stop_details,
    }
    edits: dict[str, Any] = {"context_management": {"applied_edits": []}} if has_context_management else {}
    return event("message_delta", {"delta": delta, "usage": usage} | edits) + STOP


def frames(reply: Reply) -> Iterator[Frame]:
    for index, block in enumerate(reply.blocks):
        yield from block_frames(index, block)


def fault_of(script: Script, request_id: str) -> Fault | None:
    if script.error_after is not None:
        kind = script.error_type or "overloaded_error"
        message = script.message or {"overloaded_error": "Overloaded"}.get(kind, "Internal server error")
        return Fault(script.error_after, "error", error_event(kind, message, request_id))
    if script.cut_after is not None:
        return Fault(script.cut_after, "cut")
    return Fault(script.malformed_after, "malformed", MALFORMED) if script.malformed_after is not None else None


async def paced(items: Iterator[Frame], pace: Pace) -> AsyncIterator[Frame]:
    """Frames at their time. The clock is absolute, so that a busy machine does not slow the whole answer down."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    for count, frame in enumerate(items):
        if frame.is_delta and pace.delta:
            due += pace.next_gap()
            await asyncio.sleep(max(0.0, due - loop.time()))
        elif count % DELTAS_WITHOUT_PAUSE == DELTAS_WITHOUT_PAUSE - 1:
            await asyncio.sleep(0)
        yield frame


def whole_block(block: Block) -> dict[str, Any]:
    if block.kind == "tool_use":
        return empty_block(block) | {"input": block.input}
    if block.kind == "thinking":
        return {"type": "thinking", "thinking": block.text, "signature": block.signature}
    return {"type": "text", "text": block.text}

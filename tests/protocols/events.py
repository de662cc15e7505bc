"""Upstream's events: https://docs.anthropic.com/en/docs/build-with-claude/streaming."""

from typing import Any

Event = dict[str, Any]
RESTART = {"type": "postern_restart"}
STOP = {"type": "message_stop"}
MODEL = "claude-sonnet-5-5"


def start(model: str | None = MODEL, **usage: Any) -> Event:
    return {"type": "message_start", "message": {"id": "msg_1", "model": model, "content": [], "usage": usage}}


def text(said: str) -> Event:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": said}}


def delta(stop_reason: str | None = "end_turn", **usage: Any) -> Event:
    return {"type": "message_delta", "delta": {"stop_reason": stop_reason, "stop_sequence": None}, "usage": usage}


def reply(*said: str, stop_reason: str = "end_turn") -> list[Event]:
    """Everything that upstream sends for one message."""
    return [
        start(input_tokens=7, output_tokens=1),
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        *map(text, said),
        {"type": "content_block_stop", "index": 0},
        delta(stop_reason, output_tokens=5),
        STOP,
    ]


def block(index: int, begun: Event, *deltas: Event) -> list[Event]:
    """Everything that upstream sends for one block of a message."""
    return [
        {"type": "content_block_start", "index": index, "content_block": begun},
        *({"type": "content_block_delta", "index": index, "delta": one} for one in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def says(index: int, *said: str) -> list[Event]:
    return block(index, {"type": "text", "text": ""}, *({"type": "text_delta", "text": one} for one in said))


def thinks(index: int, *said: str, signature: str = "sig") -> list[Event]:
    thoughts = [{"type": "thinking_delta", "thinking": one} for one in said]
    signed = [{"type": "signature_delta", "signature": signature}] if signature else []
    return block(index, {"type": "thinking", "thinking": "", "signature": ""}, *thoughts, *signed)


def redacts(index: int, data: str = "abc") -> list[Event]:
    return block(index, {"type": "redacted_thinking", "data": data})


def calls(index: int, call_id: str, name: str, *pieces: str) -> list[Event]:
    begun = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
    return block(index, begun, *({"type": "input_json_delta", "partial_json": one} for one in ("", *pieces)))


def message(*blocks: list[Event], stop_reason: str | None = "end_turn", **usage: Any) -> list[Event]:
    return [start(), *(event for one in blocks for event in one), delta(stop_reason, **usage), STOP]

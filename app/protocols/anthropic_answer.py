"""Upstream's events to the client's, and the same events gathered to a whole message. Pure.

https://docs.anthropic.com/en/docs/build-with-claude/streaming: both sides speak the same protocol. What differs are the
names of tools, and an answer that upstream began twice.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from app.errors import PosternError, StreamBroken
from app.protocols import sse
from app.protocols.tool_names import ToolNames

Json = dict[str, Any]

_ERROR_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
}
# What a 503 says for want of room; the others are faults.
_OVERLOADED = ("overloaded", "queue_full", "queue_timeout", "too_many_requests")
# Type of a delta -> its member, and that of the block which it adds to.
_DELTAS = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "input_json_delta": ("partial_json", "input"),
    "signature_delta": ("signature", "signature"),
    "citations_delta": ("citation", "citations"),
}


def to_error(error: PosternError, request_id: str) -> Json:
    if error.code in _OVERLOADED:
        kind = "overloaded_error"
    else:
        kind = _ERROR_TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "api_error")
    return {"type": "error", "error": {"type": kind, "message": str(error)}, "request_id": request_id}


class AnthropicAnswer:
    """Give it every event in order; it gives the events of a stream, or the whole message when all is in."""

    keep_alive = sse.event("ping", {"type": "ping"})

    def __init__(self, names: ToolNames, request_id: str):
        self._names = names
        self._request_id = request_id
        self._begun = False  # a message_start has gone out
        self._told = False  # content has gone out, which cannot be taken back
        self._held: list[bytes] = []
        self._message: Json = {}
        self._blocks: dict[int, Json] = {}
        self._deltas: dict[int, list[Json]] = {}

    def encode(self, index: int, event: Mapping[str, Any]) -> bytes:
        """The event for the client, often as it is.

        Blocks that hold nothing yet wait for their content, for upstream may begin again. Raises StreamBroken when it
        does after content has gone out: it would be told twice.
        """
        kind = event["type"]
        if kind == "content_block_delta":
            return self._tell(kind, event) if self._told or _says(event["delta"]) else self._hold(kind, event)
        match kind:
            case "content_block_start" | "content_block_stop":
                return self._hold(kind, self._renamed(event))
            case "message_start":
                first, self._begun = not self._begun, True
                return sse.event(kind, event) if first else b""
            case "postern_restart":
                return self._forget()
            case "ping":
                return b""  # the gateway sends its own
            case "message_delta" if event["delta"].get("stop_reason") is None:
                return b""  # the CLI's end of an answer that broke off; clients would take it for whole
        return self._tell(kind, event)

    def end(self) -> bytes:
        return b""  # message_stop was the end

    def failed(self, error: PosternError) -> bytes:
        """The end of a stream that cannot be completed."""
        return sse.event("error", to_error(error, self._request_id))

    def take(self, index: int, event: Mapping[str, Any]) -> None:
        match event["type"]:
            case "content_block_delta":
                self._deltas.setdefault(event["index"], []).append(event["delta"])
            case "content_block_start":
                self._blocks[event["index"]] = self._renamed(event)["content_block"]
            case "message_start":  # another one when upstream began again
                self._message, self._blocks, self._deltas = dict(event["message"]), {}, {}
            case "message_delta":
                usage = {name: n for name, n in (event.get("usage") or {}).items() if n is not None}
                self._message |= event["delta"] | {"usage": (self._message.get("usage") or {}) | usage}

    def whole(self) -> Json:
        content = [_whole_block(block, self._deltas.get(index, [])) for index, block in sorted(self._blocks.items())]
        return self._message | {"content": content}

    def _hold(self, kind: str, event: Mapping[str, Any]) -> bytes:
        if self._told:
            return sse.event(kind, event)
        self._held.append(sse.event(kind, event))
        return b""

    def _tell(self, kind: str, event: Mapping[str, Any]) -> bytes:
        data = sse.event(kind, event)
        if not self._told:
            self._told = True
            data = b"".join(self._held) + data
        return data

    def _forget(self) -> bytes:
        if self._told:
            raise StreamBroken("Claude broke off its answer. Ask again.")
        self._held.clear()
        return b""

    def _renamed(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        block = event.get("content_block") or {}
        if block.get("type") != "tool_use":
            return event
        return {**event, "content_block": {**block, "name": self._names.from_upstream(block["name"])}}


def _says(delta: Mapping[str, Any]) -> bool:
    return any(value for name, value in delta.items() if name != "type")


def _whole_block(begun: Mapping[str, Any], deltas: list[Json]) -> Json:
    block = dict(begun)
    for kind, (member, into) in _DELTAS.items():
        if pieces := [delta[member] for delta in deltas if delta.get("type") == kind]:
            block[into] = _joined(kind, block.get(into), pieces)
    return block


def _joined(kind: str, before: Any, pieces: list[Any]) -> Any:
    match kind:
        case "citations_delta":
            return [*(before or []), *pieces]
        case "signature_delta":
            return pieces[-1]
        case "input_json_delta":
            return _parsed("".join(pieces))
    return (before or "") + "".join(pieces)


def _parsed(arguments: str) -> Any:
    """An answer that was cut off in them has none. Raises StreamBroken where there are some that cannot be told."""
    try:
        return msgspec.json.decode(arguments)
    except ValueError:
        return {}
    except RecursionError as error:
        raise StreamBroken("Claude called a tool with arguments that are nested too deeply.") from error

"""Upstream's events to what OpenAI's deltas tell, for one choice of an answer. Pure.

https://docs.anthropic.com/en/docs/build-with-claude/streaming
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from app.protocols.tool_names import ToolNames

Json = dict[str, Any]

FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


# (member of a delta, value, number). The pieces of a call's arguments are "arguments"; calls are numbered, and so are
# thinking blocks. A plain tuple, for there is one with every delta.
Piece: TypeAlias = tuple[str, Any, int]


class Choice:
    """Give it every event in order. It keeps what a later event needs, and what was told of the end."""

    def __init__(self, names: ToolNames):
        self.begun = False
        self.spoken = False  # something has gone out in a stream
        self.finish_reason: str | None = None
        self.usage: Json = {}
        self._names = names
        self._calls = 0
        self._thinking_blocks = 0
        self._open: dict[int, _Block] = {}

    def take(self, event: Mapping[str, Any]) -> Piece | None:
        """What the event adds to the answer, if anything."""
        match event["type"]:
            case "content_block_delta":
                return self._delta(event["index"], event["delta"])
            case "content_block_start":
                return self._start(event["index"], event["content_block"])
            case "content_block_stop":
                return self._stop(event["index"])
            case "message_start":
                self._begin(event["message"])
            case "message_delta":
                self.finish_reason = FINISH_REASONS.get(event["delta"].get("stop_reason"), "stop")
                self.usage |= {key: n for key, n in (event.get("usage") or {}).items() if n is not None}
        return None

    def _begin(self, message: Mapping[str, Any]) -> None:
        """A second one comes when upstream began again: what the first began is forgotten."""
        self.usage = dict(message.get("usage") or {})
        self._calls = self._thinking_blocks = 0
        self._open.clear()

    def _delta(self, index: int, delta: Mapping[str, Any]) -> Piece | None:
        match delta.get("type"):
            case "text_delta" if "text" in delta:
                return "content", delta["text"], 0
            case "input_json_delta" if isinstance(call := self._open.get(index), _Call):
                call.told = call.told or bool(delta["partial_json"])
                return ("arguments", delta["partial_json"], call.number) if delta["partial_json"] else None
            case "thinking_delta" if isinstance(thoughts := self._open.get(index), _Thoughts):
                thoughts.said.append(delta["thinking"])
                return ("reasoning_content", delta["thinking"], 0) if delta["thinking"] else None
            case "signature_delta" if isinstance(thoughts := self._open.get(index), _Thoughts):
                thoughts.signature += delta["signature"]
        return None

    def _start(self, index: int, block: Mapping[str, Any]) -> Piece | None:
        match block.get("type"):
            case "tool_use":
                return self._call(index, block)
            case "thinking":
                self._open[index] = _Thoughts()
            case "redacted_thinking":
                return self._thought({"type": "redacted_thinking", "data": block["data"]})
        return None

    def _call(self, index: int, block: Mapping[str, Any]) -> Piece:
        number, self._calls = self._calls, self._calls + 1
        self._open[index] = _Call(number)
        function = {"name": self._names.from_upstream(block["name"]), "arguments": ""}
        return "tool_calls", {"id": block["id"], "type": "function", "function": function}, number

    def _thought(self, block: Json) -> Piece:
        number, self._thinking_blocks = self._thinking_blocks, self._thinking_blocks + 1
        return "thinking_blocks", block, number

    def _stop(self, index: int) -> Piece | None:
        match self._open.pop(index, None):
            case _Call(told=False, number=number):  # an input without members comes without a delta
                return "arguments", "{}", number
            case _Thoughts(signature=signature, said=said) if signature:
                return self._thought({"type": "thinking", "thinking": "".join(said), "signature": signature})
        return None


class _Call:
    def __init__(self, number: int):
        self.number = number
        self.told = False


class _Thoughts:
    def __init__(self) -> None:
        self.said: list[str] = []
        self.signature = ""


_Block = _Call | _Thoughts


class Gathered:
    """The pieces of one choice, as a message."""

    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = {"content": [], "reasoning_content": []}
        self._calls: list[Json] = []
        self._arguments: list[list[str]] = []
        self._thinking_blocks: list[Json] = []

    def add(self, piece: Piece) -> None:
        match piece:
            case ("tool_calls", call, _):
                self._calls.append(call)
                self._arguments.append([])
            case ("arguments", text, number):
                self._arguments[number].append(text)
            case ("thinking_blocks", block, _):
                self._thinking_blocks.append(block)
            case (name, text, _):
                self._texts[name].append(text)

    @property
    def text(self) -> str:
        return "".join(self._texts["content"])

    def message(self) -> Json:
        """An answer that only calls tools has no content, as OpenAI has it."""
        found: Json = {"role": "assistant", "content": self.text or (None if self._calls else ""), "refusal": None}
        if reasoning := "".join(self._texts["reasoning_content"]):
            found["reasoning_content"] = reasoning
        if self._thinking_blocks:
            found["thinking_blocks"] = self._thinking_blocks
        if self._calls:
            found["tool_calls"] = [self._call(number) for number in range(len(self._calls))]
        return found

    def _call(self, number: int) -> Json:
        call = self._calls[number]
        return call | {"function": call["function"] | {"arguments": "".join(self._arguments[number]) or "{}"}}

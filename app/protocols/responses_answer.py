"""Upstream's events to the events of OpenAI's Responses API, and the same gathered to a whole response. Pure."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from app.errors import PosternError, StreamBroken
from app.protocols import sse
from app.protocols.responses_output import Call, Item, Json, Message, Reasoning, Told
from app.protocols.tool_names import ToolNames

INCOMPLETE = {
    "max_tokens": "max_output_tokens",
    "model_context_window_exceeded": "max_output_tokens",
    "refusal": "content_filter",
}
_SERVICE_TIERS = {"standard": "default", "priority": "priority"}
_FAILURES = {400: "invalid_prompt", 429: "rate_limit_exceeded"}
_INPUT = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


class ResponsesAnswer:
    """Give it every event in order; it gives events for a stream, or the whole when all is in.

    `token` makes the ids. `echo` is what the response says of the request. `clock` tells when it is completed.
    """

    keep_alive = sse.KEEP_ALIVE

    def __init__(
        self,
        token: str,
        clock: Callable[[], float],
        model: str,
        names: ToolNames,
        echo: Mapping[str, Any],
        *,
        shows_thinking: bool = False,
        gives_thinking: bool = False,
    ):
        self.id = f"resp_{token}"
        self._token = token
        self._clock = clock
        self._head: Json = {"id": self.id, "object": "response", "created_at": int(clock()), "model": model}
        self._names = names
        self._echo = echo
        self._shows_thinking = shows_thinking
        self._gives_thinking = gives_thinking
        self._sequence_number = 0
        self._begun = False
        self._forget()

    def _forget(self) -> None:
        self._items: list[Item] = []
        self._open: Item | None = None
        self._told = False
        self._around_delta: tuple[bytes, bytes] | None = None
        self._stop_reason: str | None = None
        self._usage: Json = {}

    # ---- a stream

    def encode(self, index: int, event: Mapping[str, Any]) -> bytes:
        """What the event makes, often nothing.

        Raises StreamBroken when upstream begins again after something of the answer has gone out.
        """
        if event["type"] == "content_block_delta":
            return self._delta(event["delta"])
        if event["type"] == "postern_restart" and self._told:
            raise StreamBroken("Claude broke off its answer. Ask again.")
        return b"".join([self._event(told) for told in self._interpret(event)])

    def end(self) -> bytes:
        response = self.whole()
        return self._event((f"response.{response['status']}", {"response": response}))

    def failed(self, error: PosternError) -> bytes:
        """The end of a stream that cannot be completed."""
        told = {"code": error.code, "message": str(error), "param": error.param}
        failure = self._event(("response.failed", {"response": self._failure(error)})) if self._begun else b""
        return failure + self._event(("error", told))

    def _delta(self, delta: Mapping[str, Any]) -> bytes:
        item = self._open
        text = item.take(delta) if item else ""
        if not item or not text:
            return b""
        begun = b"" if item.told else b"".join([self._event(told) for told in self._begin(item)])
        return begun + self._text(item, text)

    def _begin(self, item: Item) -> Iterator[Told]:
        if not item.told:
            self._told = True
            self._around_delta = None
            yield from item.begin()

    def _text(self, item: Item, text: str) -> bytes:
        """Nearly every event is one of these, and only its number and its text differ: the rest is encoded once."""
        if self._around_delta is None:
            name, members = item.delta()
            self._around_delta = _head(name), sse.encode(members)[1:-3]
        head, place = self._around_delta
        return b"%b%d,%b%b}\n\n" % (head, self._next_number(), place, sse.encode(text))

    def _event(self, told: Told) -> bytes:
        name, members = told
        return b"%b%d,%b\n\n" % (_head(name), self._next_number(), sse.encode(members)[1:])

    def _next_number(self) -> int:
        number = self._sequence_number
        self._sequence_number += 1
        return number

    # ---- a whole response

    def take(self, index: int, event: Mapping[str, Any]) -> None:
        if event["type"] != "content_block_delta":
            for _ in self._interpret(event):
                pass
        elif self._open:
            self._open.take(event["delta"])

    def whole(self) -> Json:
        reason = INCOMPLETE.get(self._stop_reason or "")
        done = {"status": "incomplete", "incomplete_details": {"reason": reason}} if reason else {"status": "completed"}
        return self._response(
            completed_at=None if reason else int(self._clock()),
            output=[item.to_item() for item in self._items],
            usage=to_usage(self._usage),
            service_tier=_SERVICE_TIERS.get(self._usage.get("service_tier") or ""),
            **done,
        )

    def blocks(self) -> list[Json]:
        """The answer as it goes upstream again when the conversation goes on."""
        return [block for item in self._items if (block := item.to_block())]

    def thoughts(self) -> dict[str, str]:
        """What each reasoning item holds for Claude, also where the client did not ask for it."""
        items = (item for item in self._items if isinstance(item, Reasoning))
        return {item.id: thought for item in items if (thought := item.thought())}

    def _failure(self, error: PosternError) -> Json:
        told = {"code": _FAILURES.get(error.status, "server_error"), "message": str(error)}
        return self._response(status="failed", error=told, output=[item.to_item() for item in self._items])

    def _response(self, **members: Any) -> Json:
        unknown = dict.fromkeys(("completed_at", "error", "incomplete_details", "service_tier", "usage"))
        return {**self._head, **self._echo, **unknown, **members}

    # ---- both

    def _interpret(self, event: Mapping[str, Any]) -> Iterator[Told]:
        match event["type"]:
            case "message_start":
                yield from self._start(event["message"])
            case "content_block_start":
                yield from self._close("completed")
                self._open = self._item(event["content_block"])
            # One without a reason is the CLI's own end of a message that broke off.
            case "message_delta" if event["delta"].get("stop_reason"):
                self._stop_reason = event["delta"].get("stop_reason")
                self._usage |= {key: value for key, value in (event.get("usage") or {}).items() if value is not None}
                yield from self._close("incomplete" if self._stop_reason in INCOMPLETE else "completed")
            case "postern_restart":
                self._forget()

    def _start(self, message: Mapping[str, Any]) -> Iterator[Told]:
        """The response tells the model that really answers, as OpenAI's does."""
        self._head["model"] = message.get("model") or self._head["model"]
        self._usage = dict(message.get("usage") or {})
        if not self._begun:
            self._begun = True
            response = self._response(status="in_progress", output=[])
            yield "response.created", {"response": response}
            yield "response.in_progress", {"response": response}

    def _close(self, status: str) -> Iterator[Told]:
        """Not at upstream's content_block_stop: whether the last block was cut off is told after it."""
        item, self._open = self._open, None
        if item is None or item.is_empty:
            return
        yield from self._begin(item)
        item.status = status
        self._items.append(item)
        yield from item.finish()

    def _item(self, block: Mapping[str, Any]) -> Item | None:
        """None for what is no part of a response."""
        index, token = len(self._items), f"{self._token}{len(self._items):04x}"
        match block.get("type"):
            case "text":
                return Message(f"msg_{token}", index)
            case "thinking":
                return self._reasoning(token, index, is_shown=self._shows_thinking)
            case "redacted_thinking":
                return self._reasoning(token, index, is_shown=False, redacted=block["data"])
            case "tool_use":
                name = self._names.from_upstream(block["name"])
                arguments = block.get("input") or {}
                return Call(f"fc_{token}", index, call_id=block["id"], name=name, arguments=arguments)
        return None

    def _reasoning(self, token: str, index: int, *, is_shown: bool, redacted: str | None = None) -> Reasoning:
        name = f"rs_{token}"
        return Reasoning(name, index, is_shown=is_shown, is_given=self._gives_thinking, redacted=redacted)


def to_usage(usage: Mapping[str, Any]) -> Json | None:
    """What upstream reported, in OpenAI's words; None when it reported nothing.

    Anthropic's input_tokens leaves cached ones out, OpenAI's holds them.
    """
    if not usage:
        return None
    prompt, answer = sum(usage.get(key) or 0 for key in _INPUT), usage.get("output_tokens") or 0
    return {
        "input_tokens": prompt,
        "input_tokens_details": {
            "cached_tokens": usage.get("cache_read_input_tokens") or 0,
            "cache_write_tokens": usage.get("cache_creation_input_tokens") or 0,
        },
        "output_tokens": answer,
        "output_tokens_details": {
            "reasoning_tokens": (usage.get("output_tokens_details") or {}).get("thinking_tokens") or 0
        },
        "total_tokens": prompt + answer,
    }


def _head(name: str) -> bytes:
    return f'event: {name}\ndata: {{"type":"{name}","sequence_number":'.encode()

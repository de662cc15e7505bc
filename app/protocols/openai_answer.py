"""Upstream's events to OpenAI's chunks, and the same chunks gathered to a whole answer. Pure.

https://platform.openai.com/docs/api-reference/chat/streaming
"""

from collections.abc import Iterable, Mapping
from typing import Any

from app.errors import PosternError, StreamBroken
from app.protocols import sse

FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "stop",  # no tool was offered, so there is no call that the client could answer
    "refusal": "content_filter",
}
_ERROR_TYPES = {401: "authentication_error", 429: "rate_limit_error"}

Json = dict[str, Any]


def to_error(error: PosternError) -> Json:
    return {
        "error": {
            "message": str(error),
            "type": _ERROR_TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "server_error"),
            "param": error.param,
            "code": error.code,
        }
    }


def to_usage(reported: Iterable[Mapping[str, Any]]) -> Json | None:
    """The sum of what upstream reported for each choice, in OpenAI's words; None when it reported nothing.

    Anthropic's input_tokens leaves cached ones out, OpenAI's prompt_tokens holds them.
    """
    known = [usage for usage in reported if usage]
    if not known:
        return None
    total = {key: sum(usage.get(key) or 0 for usage in known) for key in (*_INPUT, "output_tokens")}
    prompt = sum(total[key] for key in _INPUT)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": total["output_tokens"],
        "total_tokens": prompt + total["output_tokens"],
        "prompt_tokens_details": {"cached_tokens": total["cache_read_input_tokens"]},
    }


_INPUT = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


class _Choice:
    """One answer as it comes in."""

    def __init__(self) -> None:
        self.begun = False
        self.spoken = False  # some text has gone out in a stream
        self.text: list[str] = []
        self.finish_reason: str | None = None
        self.usage: Json = {}

    def take(self, event: Mapping[str, Any]) -> str | None:
        """The text that the event adds, if any; who wants it keeps it."""
        kind = event["type"]
        if kind == "content_block_delta":
            delta = event["delta"]
            text: str | None = delta.get("text") if delta.get("type") == "text_delta" else None
            return text
        if kind == "message_start":
            self.usage = dict(event["message"].get("usage") or {})
        elif kind == "message_delta":
            self.finish_reason = FINISH_REASONS.get(event["delta"].get("stop_reason"), "stop")
            self.usage |= {key: n for key, n in (event.get("usage") or {}).items() if n is not None}
        elif kind == "postern_restart":
            self.text.clear()
        return None


class ChatAnswer:
    """Give it every event in order; it gives chunks for a stream, or the whole when all is in."""

    keep_alive = sse.KEEP_ALIVE

    def __init__(self, answer_id: str, created: int, model: str, n: int, *, include_usage: bool = False):
        self._head: Json = {"id": answer_id, "object": "chat.completion.chunk", "created": created, "model": model}
        self._include_usage = include_usage
        self._choices = [_Choice() for _ in range(n)]
        self._around_text: dict[int, tuple[bytes, bytes]] = {}

    def encode(self, index: int, event: Mapping[str, Any]) -> bytes:
        """The chunks of a stream that the event makes, often none.

        Raises StreamBroken when upstream begins again after text has gone out: it would be told twice.
        """
        choice = self._choices[index]
        if event["type"] == "postern_restart" and choice.spoken:
            raise StreamBroken("Claude broke off its answer. Ask again.")
        self._name_model(event)
        text = choice.take(event)
        if text is not None:
            choice.spoken = choice.spoken or bool(text)
            return self._text_chunk(index, text)
        if event["type"] == "message_start" and not choice.begun:
            choice.begun = True
            return self._chunk(index, {"role": "assistant", "content": ""})
        if event["type"] == "message_stop":
            return self._chunk(index, {}, choice.finish_reason)
        return b""

    def end(self) -> bytes:
        done = b"data: [DONE]\n\n"
        if not self._include_usage:
            return done
        usage = to_usage(choice.usage for choice in self._choices)
        return sse.data({**self._head, "choices": [], "usage": usage}) + done

    def failed(self, error: PosternError) -> bytes:
        """The end of a stream that cannot be completed."""
        return sse.data(to_error(error))

    def take(self, index: int, event: Mapping[str, Any]) -> None:
        self._name_model(event)
        choice = self._choices[index]
        if text := choice.take(event):
            choice.text.append(text)

    def whole(self) -> Json:
        choices = [
            {
                "index": index,
                "message": {"role": "assistant", "content": "".join(choice.text), "refusal": None},
                "logprobs": None,
                "finish_reason": choice.finish_reason,
            }
            for index, choice in enumerate(self._choices)
        ]
        usage = to_usage(choice.usage for choice in self._choices)
        return {**self._head, "object": "chat.completion", "choices": choices, "usage": usage}

    def _name_model(self, event: Mapping[str, Any]) -> None:
        """The answer tells the model that really answered, as OpenAI's does."""
        if event["type"] == "message_start":
            self._head["model"] = event["message"].get("model") or self._head["model"]
            self._around_text.clear()

    def _text_chunk(self, index: int, text: str) -> bytes:
        """Nearly every chunk is one of these, and only its text differs: the rest is encoded once."""
        around = self._around_text.get(index)
        if around is None:
            before, after = self._chunk(index, {"content": ""}).split(b'"content":""')
            around = self._around_text[index] = (before + b'"content":', after)
        return around[0] + sse.encode(text) + around[1]

    def _chunk(self, index: int, delta: Json, finish_reason: str | None = None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        chunk = {**self._head, "choices": [choice]}
        if self._include_usage:
            chunk["usage"] = None
        return sse.data(chunk)

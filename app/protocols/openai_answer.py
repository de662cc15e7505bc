"""Upstream's events to OpenAI's chunks, and the same chunks gathered to a whole answer. Pure.

https://platform.openai.com/docs/api-reference/chat/streaming
"""

from collections.abc import Iterable, Mapping
from typing import Any

from app.errors import PosternError, StreamBroken
from app.protocols import sse
from app.protocols.openai_choice import Choice, Gathered, Piece
from app.protocols.tool_names import ToolNames

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
    details = {"prompt_tokens_details": {"cached_tokens": total["cache_read_input_tokens"]}}
    if (thinking := _thinking_tokens(known)) is not None:
        details["completion_tokens_details"] = {"reasoning_tokens": thinking}
    return {
        "prompt_tokens": prompt,
        "completion_tokens": total["output_tokens"],
        "total_tokens": prompt + total["output_tokens"],
        **details,
    }


_INPUT = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


def _thinking_tokens(reported: Iterable[Mapping[str, Any]]) -> int | None:
    counts = [(usage.get("output_tokens_details") or {}).get("thinking_tokens") for usage in reported]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


class OpenAiAnswer:
    """Give it every event in order; it gives chunks for a stream, or the whole when all is in.

    What chunks and choices look like is the part of each API.
    """

    keep_alive = sse.KEEP_ALIVE

    def __init__(self, head: Json, n: int, tool_names: ToolNames, *, include_usage: bool):
        self.head = head
        self.include_usage = include_usage
        self._choices = [Choice(tool_names) for _ in range(n)]
        self._gathered = [Gathered() for _ in range(n)]

    def encode(self, index: int, event: Mapping[str, Any]) -> bytes:
        """The chunks of a stream that the event makes, often none.

        Raises StreamBroken when upstream begins again after something has gone out: it would be told twice.
        """
        choice = self._choices[index]
        piece = choice.take(event)
        if piece is not None:
            data = self.piece(index, piece)
            choice.spoken = choice.spoken or bool(data and piece[1])
            return data
        match event["type"]:
            case "postern_restart" if choice.spoken:
                raise StreamBroken("Claude broke off its answer. Ask again.")
            case "message_start":
                self.name_model(event)
                first, choice.begun = not choice.begun, True
                return self.beginning(index) if first else b""
            case "message_stop":
                return self.ending(index, choice.finish_reason)
        return b""

    def end(self) -> bytes:
        done = b"data: [DONE]\n\n"
        if not self.include_usage:
            return done
        return sse.data({**self.head, "choices": [], "usage": self.usage()}) + done

    def failed(self, error: PosternError) -> bytes:
        """The end of a stream that cannot be completed."""
        return sse.data(to_error(error))

    def take(self, index: int, event: Mapping[str, Any]) -> None:
        piece = self._choices[index].take(event)
        if piece is not None:
            self._gathered[index].add(piece)
        elif event["type"] == "message_start":
            self.name_model(event)
            self._gathered[index] = Gathered()  # a second one comes when upstream began again

    def whole(self) -> Json:
        both = zip(self._gathered, self._choices, strict=True)
        choices = [self.whole_choice(index, said, choice.finish_reason) for index, (said, choice) in enumerate(both)]
        return {**self.head, "choices": choices, "usage": self.usage()}

    def usage(self) -> Json | None:
        return to_usage(choice.usage for choice in self._choices)

    def name_model(self, event: Mapping[str, Any]) -> None:
        """The answer tells the model that really answered, as OpenAI's does."""
        self.head["model"] = event["message"].get("model") or self.head["model"]

    def chunk(self, choice: Json) -> bytes:
        return sse.data({**self.head, "choices": [choice]} | ({"usage": None} if self.include_usage else {}))

    def beginning(self, index: int) -> bytes:
        raise NotImplementedError

    def piece(self, index: int, piece: Piece) -> bytes:
        raise NotImplementedError

    def ending(self, index: int, finish_reason: str | None) -> bytes:
        raise NotImplementedError

    def whole_choice(self, index: int, said: Gathered, finish_reason: str | None) -> Json:
        raise NotImplementedError


class ChatAnswer(OpenAiAnswer):
    def __init__(
        self,
        answer_id: str,
        created: int,
        model: str,
        n: int,
        *,
        include_usage: bool = False,
        tool_names: ToolNames | None = None,
    ):
        head = {"id": answer_id, "object": "chat.completion.chunk", "created": created, "model": model}
        super().__init__(head, n, tool_names or ToolNames([]), include_usage=include_usage)
        self._around: dict[tuple[int, str, int], tuple[bytes, bytes]] = {}

    def whole(self) -> Json:
        return super().whole() | {"object": "chat.completion"}

    def name_model(self, event: Mapping[str, Any]) -> None:
        super().name_model(event)
        self._around.clear()

    def beginning(self, index: int) -> bytes:
        return self._delta(index, {"role": "assistant", "content": ""})

    def piece(self, index: int, piece: Piece) -> bytes:
        """Nearly every chunk adds to a text, and only its piece of it differs: the rest is encoded once."""
        name, value, at = piece
        if around := self._around.get((index, name, at)):
            return around[0] + sse.encode(value) + around[1]
        if name in ("tool_calls", "thinking_blocks"):  # clients join the entries of a list by their index
            return self._delta(index, {name: [{"index": at, **value}]})
        call = {"index": at, "function": {"arguments": ""}}
        mark = f'"{name}":'.encode()
        whole = self._delta(index, {"tool_calls": [call]} if name == "arguments" else {name: ""})
        before, after = whole.split(mark + b'""')
        self._around[index, name, at] = before + mark, after
        return self.piece(index, piece)

    def ending(self, index: int, finish_reason: str | None) -> bytes:
        return self._delta(index, {}, finish_reason)

    def whole_choice(self, index: int, said: Gathered, finish_reason: str | None) -> Json:
        return {"index": index, "message": said.message(), "logprobs": None, "finish_reason": finish_reason}

    def _delta(self, index: int, delta: Json, finish_reason: str | None = None) -> bytes:
        return self.chunk({"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason})

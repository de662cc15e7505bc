"""What the CLI writes: a line becomes one of a few types, with the few fields that matter here.

Unknown fields and unknown types of line are let through, for a newer CLI may say more (threat 25).
"""

from typing import Any, TypeAlias

import msgspec

from app.errors import CliCrashed

# An Anthropic stream event as it came, e.g. {"type": "content_block_delta", "index": 0, "delta": {...}}.
# https://docs.anthropic.com/en/api/messages-streaming
StreamEvent: TypeAlias = dict[str, Any]


class _Line(msgspec.Struct, tag_field="type"):
    pass


class ControlResponse(msgspec.Struct):
    subtype: str
    request_id: str
    error: str = ""
    response: dict[str, Any] | None = None


class ControlResponseLine(_Line, tag="control_response"):
    """The answer to one of our control requests."""

    response: ControlResponse


class ControlRequestLine(_Line, tag="control_request"):
    """The CLI asks us; it waits for the answer."""

    request_id: str
    request: dict[str, Any]


class StreamEventLine(_Line, tag="stream_event"):
    event: StreamEvent


class AssistantMessage(msgspec.Struct):
    """`model` is "<synthetic>" when the text is the CLI's own, and so no answer."""

    model: str = ""
    content: list[dict[str, Any]] = []


class AssistantLine(_Line, tag="assistant"):
    message: AssistantMessage


class ResultBlock(msgspec.Struct):
    type: str = ""
    tool_use_id: str = ""


class UserMessage(msgspec.Struct):
    content: str | list[ResultBlock] = ""


class UserLine(_Line, tag="user"):
    """A tool's result has become part of the conversation."""

    message: UserMessage


class SystemLine(_Line, tag="system"):
    """`subtype` is "init", "status", "api_retry" and others; the rest belongs to "api_retry"."""

    subtype: str = ""
    attempt: int = 0
    retry_delay_ms: float = 0
    error_status: int | None = None


class RateLimit(msgspec.Struct, rename="camel"):
    """`resets_at` is in unix seconds."""

    status: str = ""
    resets_at: float | None = None


class RateLimitLine(_Line, tag="rate_limit_event"):
    rate_limit_info: RateLimit


class ResultLine(_Line, tag="result"):
    """The end of a turn. A failed one has `subtype` "success" and `is_error` true, and its text in `result`."""

    subtype: str = ""
    is_error: bool = False
    api_error_status: int | None = None
    result: str = ""
    num_turns: int = 0


Line: TypeAlias = (
    ControlResponseLine
    | ControlRequestLine
    | StreamEventLine
    | AssistantLine
    | UserLine
    | SystemLine
    | RateLimitLine
    | ResultLine
)


class _Head(msgspec.Struct):
    type: str


_known: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)
_head: msgspec.json.Decoder[_Head] = msgspec.json.Decoder(_Head)
_KNOWN_TYPES = frozenset(
    {"control_response", "control_request", "stream_event", "assistant", "user", "system", "rate_limit_event", "result"}
)


def parse_line(line: bytes) -> Line | None:
    """None for a type of line that is not needed here. Raises CliCrashed.

    A process that writes something else than the protocol cannot be trusted to go on.
    """
    try:
        return _known.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if _is_unknown_type(line):
            return None
        # Not the line itself: it may hold an answer, and answers are never logged.
        detail = f"{error} in a line of {len(line)} bytes"
        raise CliCrashed("The claude CLI wrote a line that is not understood.", detail=detail) from error


def _is_unknown_type(line: bytes) -> bool:
    try:
        return _head.decode(line).type not in _KNOWN_TYPES
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False

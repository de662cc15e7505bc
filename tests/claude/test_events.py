import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.claude.events import (
    AssistantLine,
    AssistantMessage,
    ControlRequestLine,
    ControlResponse,
    ControlResponseLine,
    Line,
    RateLimit,
    RateLimitLine,
    ResultBlock,
    ResultLine,
    StreamEventLine,
    SystemLine,
    UserLine,
    UserMessage,
    parse_line,
)
from app.errors import CliCrashed

DELTA = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "é\u2028"}}
RETRY = {"type": "system", "subtype": "api_retry", "attempt": 2, "retry_delay_ms": 1061.5, "error_status": 529}
FAILED = {"type": "result", "subtype": "success", "is_error": True, "api_error_status": 429, "result": "API Error: 429"}

KNOWN: list[tuple[dict[str, Any], Line]] = [
    (
        {"type": "control_response", "response": {"subtype": "success", "request_id": "1", "response": {"models": []}}},
        ControlResponseLine(ControlResponse("success", "1", response={"models": []})),
    ),
    (
        {"type": "control_response", "response": {"subtype": "error", "request_id": "1", "error": "No."}},
        ControlResponseLine(ControlResponse("error", "1", error="No.")),
    ),
    (
        {"type": "control_request", "request_id": "7", "request": {"subtype": "mcp_message"}},
        ControlRequestLine("7", {"subtype": "mcp_message"}),
    ),
    ({"type": "stream_event", "event": DELTA}, StreamEventLine(DELTA)),
    (
        {"type": "assistant", "message": {"model": "<synthetic>", "content": [{"type": "text", "text": "x"}]}},
        AssistantLine(AssistantMessage("<synthetic>", [{"type": "text", "text": "x"}])),
    ),
    ({"type": "system", "subtype": "init"}, SystemLine("init")),
    (RETRY, SystemLine("api_retry", 2, 1061.5, 529)),
    (RETRY | {"error_status": None}, SystemLine("api_retry", 2, 1061.5, None)),
    (
        {"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": 1769000000}},
        RateLimitLine(RateLimit("rejected", 1769000000.0)),
    ),
    ({"type": "rate_limit_event", "rate_limit_info": {}}, RateLimitLine(RateLimit("", None))),
    (FAILED, ResultLine("success", True, 429, "API Error: 429", 0)),
    (
        {"type": "result", "subtype": "error_during_execution", "num_turns": 3},
        ResultLine(num_turns=3, subtype="error_during_execution"),
    ),
]
KNOWN += [
    ({"type": "user", "message": {"content": "a text"}}, UserLine(UserMessage("a text"))),
    (
        {"type": "user", "message": {"content": [{"type": "tool_result", "tool_use_id": "t1", "content": "x"}]}},
        UserLine(UserMessage([ResultBlock("tool_result", "t1")])),
    ),
]
IDS = [f"{raw['type']}-{number}" for number, (raw, _) in enumerate(KNOWN)]


@pytest.mark.parametrize(("raw", "line"), KNOWN, ids=IDS)
def test_a_known_line_becomes_its_type(raw: dict[str, Any], line: Line):
    assert parse_line(json.dumps(raw).encode()) == line


# threat 25: key order differs between versions, and a newer one says more
@pytest.mark.parametrize(("raw", "line"), KNOWN, ids=IDS)
def test_order_of_keys_and_unknown_fields_change_nothing(raw: dict[str, Any], line: Line):
    more = {"uuid": "x", "session_id": None, "new": {"deep": [1]}} | dict(reversed(raw.items()))
    assert parse_line(json.dumps(more).encode()) == line


# threat 25
@pytest.mark.parametrize(
    "raw",
    [
        {"type": "keep_alive"},
        {"type": "tomorrows_type", "event": 5, "response": None},
        {"event": 5, "type": "Result"},
        {"type": ""},
    ],
)
def test_an_unknown_type_is_passed_over(raw: dict[str, Any]):
    assert parse_line(json.dumps(raw).encode()) is None


MALFORMED = [
    b"",
    b" ",
    b"null",
    b"[]",
    b'"result"',
    b"{}",
    b'{"type":5}',
    b'{"type":null}',
    b'{"TYPE":"result"}',
    b'{"type":"stream_event"}',
    b'{"type":"stream_event","event":[]}',
    b'{"type":"control_response","response":{"subtype":"success"}}',
    b'{"type":"result","is_error":"yes"}',
    b'{"type":"result","is_error":true',
    b'{"type":"result"}{"type":"result"}',
    b'{"type":"unknown"',
    b"Segmentation fault",
    b"\xff",
    b"\x00",
    b'{"type":"result","result":"\xff"}',
    b'{"type":"result","result":"\\ud800"}',
    b'{"type":"stream_event","event":{"text":"caf\xc3"}}',
    b'{"type":"stream_event","event":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
]


# threat 18
@pytest.mark.parametrize("line", MALFORMED, ids=lambda line: repr(line[:40]))
def test_a_malformed_line_is_a_crash_and_is_quoted_for_the_log_only(line: bytes):
    with pytest.raises(CliCrashed) as crashed:
        parse_line(line)
    assert str(crashed.value) == "The claude CLI wrote a line that is not understood."
    # Not the line itself: it may hold an answer.
    assert f"in a line of {len(line)} bytes" in crashed.value.detail
    assert len(crashed.value.detail) < 500


# threat 18
@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=60) | st.tuples(st.sampled_from(KNOWN), st.integers(0, 90), st.binary(max_size=4)))
def test_whatever_comes_is_a_line_nothing_or_a_crash(case: Any):
    line = case if isinstance(case, bytes) else _damaged(json.dumps(case[0][0]).encode(), *case[1:])
    try:
        parsed = parse_line(line)
    except CliCrashed:
        return
    assert parsed is None or isinstance(parsed, Line)


def _damaged(line: bytes, place: int, by: bytes) -> bytes:
    return line[:place] + by + line[place + len(by) :]

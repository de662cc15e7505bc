"""Bodies of POST /v1/chat/completions."""

import json
from typing import Any

import pytest

from app.errors import InvalidRequest
from app.protocols.openai_chat import ChatCall, from_request

HELLO = [{"role": "user", "content": "hi"}]
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
ENABLED = {"type": "enabled", "budget_tokens": 1024}


def as_bytes(messages: Any = HELLO, **members: Any) -> bytes:
    return json.dumps({"model": "sonnet", "messages": messages, **members}).encode()


def call(messages: Any = HELLO, **members: Any) -> ChatCall:
    return from_request(as_bytes(messages, **members))


def refused(body: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as raised:
        from_request(body)
    assert str(raised.value)
    return raised.value


def text(*said: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": one} for one in said]


def tool(name: str = "f", **members: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **members}}


def called(call_id: str = "c1", name: str = "f", arguments: str = "{}") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def calling(*calls: dict[str, Any], content: Any = None, **members: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, "tool_calls": list(calls), **members}


def result(call_id: str = "c1", content: Any = "5", **members: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content, **members}


def json_schema(**members: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA} | members}

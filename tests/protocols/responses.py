"""Bodies of POST /v1/responses."""

import json
from typing import Any

import pytest

from app.errors import InvalidRequest
from app.protocols.responses_request import ResponsesCall, from_request

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
NAMED_SCHEMA = {"type": "json_schema", "name": "a", "schema": SCHEMA}


def as_bytes(input: Any = "hi", **members: Any) -> bytes:
    return json.dumps({"model": "sonnet", "input": input, **members}).encode()


def call(input: Any = "hi", **members: Any) -> ResponsesCall:
    return from_request(as_bytes(input, **members))


def refused(body: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as raised:
        from_request(body)
    assert str(raised.value)
    return raised.value

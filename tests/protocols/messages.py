"""Blocks and messages of POST /v1/messages."""

import base64
import json
from typing import Any

import pytest

from app.errors import InvalidRequest
from app.protocols.anthropic import from_request
from tests.protocols.pictures import encoded, png

PNG = encoded(png())
PDF = base64.b64encode(b"%PDF-1.7 ...").decode()
MARK = {"type": "ephemeral"}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
NOTE = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a note"}}
FOUND = {"type": "search_result", "source": "https://x", "title": "t", "content": [{"type": "text", "text": "a"}]}


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(content)}


def assistant(*content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(content)}


def use(tool_id: str, **members: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": tool_id, "name": "look", "input": {}, **members}


def result(tool_id: str, *content: Any, **members: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": tool_id, "content": list(content), **members}


def asked(*messages: Any) -> list[dict[str, Any]]:
    """The messages of the prompt."""
    body = {"model": "m", "max_tokens": 5, "messages": messages}
    return list(from_request(json.dumps(body).encode()).prompt.messages)


def refused(*messages: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as raised:
        asked(*messages)
    return raised.value

"""What the tests of all three protocols ask, where they look for it, and OpenAI's errors."""

import base64
import json
from typing import Any

import httpx

from tests.support.sandbox import Sandbox

PNG = base64.b64encode(
    base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
).decode()
PDF = base64.b64encode(b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n").decode()


def script(**behaviour: Any) -> str:
    return f"go [[sandbox: {json.dumps(behaviour)}]]"


def asked(sandbox: Sandbox, marker: str) -> dict:
    """The first upstream request that holds `marker`."""
    return next(entry["body"] for entry in sandbox.messages() if marker in json.dumps(entry["body"]))


def without_cache_marks(blocks):
    blocks = [{"type": "text", "text": blocks}] if isinstance(blocks, str) else blocks
    return [{key: value for key, value in block.items() if key != "cache_control"} for block in blocks]


def text(words):
    return {"type": "text", "text": words}


def assert_error(answer: httpx.Response, status: int, code: str | None, param: str | None = None) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["code"], error["param"]) == (code, param)
    return error["message"]

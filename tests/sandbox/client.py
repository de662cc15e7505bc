"""The API's client of these tests: httpx, nothing of a machine's settings."""

import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.support.sandbox import NO_TLS, Sandbox

HEADERS = {"x-api-key": "sk-ant-test", "anthropic-version": "2023-06-01"}
Event = dict[str, Any]


def body(text: Any = "hi", **changes: Any) -> dict[str, Any]:
    whole = {"model": "claude-sonnet-5", "max_tokens": 4096, "messages": [{"role": "user", "content": text}]}
    return {name: value for name, value in (whole | changes).items() if value is not None}


def marked(**behaviour: Any) -> str:
    return f"go [[sandbox: {json.dumps(behaviour)}]]"


def post(sandbox: Sandbox, given: Any, path: str = "/v1/messages", **headers: str) -> httpx.Response:
    return send(sandbox, "POST", path, json=given, headers=HEADERS | headers)


def send(sandbox: Sandbox, method: str, path: str, **options: Any) -> httpx.Response:
    return httpx.request(method, sandbox.api + path, trust_env=False, verify=NO_TLS, timeout=20, **options)


def ask(sandbox: Sandbox, text: Any = "hi", **changes: Any) -> dict[str, Any]:
    answer = post(sandbox, body(text, **changes))
    assert answer.status_code == 200, answer.text
    return answer.json()


def stream(sandbox: Sandbox, text: Any = "hi", **changes: Any) -> list[Event]:
    answer = post(sandbox, body(text, stream=True, **changes))
    assert answer.status_code == 200, answer.text
    return list(events(answer.text))


def events(text: str) -> Iterator[Event]:
    for part in text.split("\n\n"):
        if not part.strip():
            continue
        name, data = part.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        yield event


def deltas(found: list[Event], kind: str = "text") -> list[str]:
    name = {"text": "text_delta", "thinking": "thinking_delta", "partial_json": "input_json_delta"}[kind]
    return [
        event["delta"][kind]
        for event in found
        if event["type"] == "content_block_delta" and event["delta"]["type"] == name
    ]


def text_of(answer: dict[str, Any]) -> str:
    return "".join(block.get("text", "") for block in answer["content"])


def problem(answer: httpx.Response, status: int = 400, kind: str = "invalid_request_error") -> str:
    """The message of an error in Anthropic's one shape."""
    assert answer.status_code == status, answer.text
    whole = answer.json()
    assert whole["type"] == "error"
    assert whole["error"]["type"] == kind
    assert whole["request_id"].startswith("req_")
    assert answer.headers["request-id"].startswith("req_")
    return whole["error"]["message"]


def request_bytes(given: dict[str, Any]) -> bytes:
    raw = json.dumps(given).encode()
    head = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    return f"POST /v1/messages HTTP/1.1\r\nHost: x\r\n{head}Content-Length: {len(raw)}\r\n\r\n".encode() + raw


def connect(url: str) -> socket.socket:
    place = urlsplit(url)
    return socket.create_connection((place.hostname, place.port), timeout=5)


def outcome(sandbox: Sandbox) -> dict[str, Any]:
    return sandbox.requests()[-1]

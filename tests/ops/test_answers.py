"""What the gateway really answers is in its document: status, type and content."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.support.admin import Admin, stored
from tests.support.gateway import Gateway
from tests.support.openapi import Document

Ask = Callable[..., httpx.Response]


@pytest.fixture
def ask(gateway: Gateway, document: Document) -> Iterator[Ask]:
    """The real CLI answers, over the sandbox."""
    with gateway.http() as client:
        yield lambda *arguments, **options: document.check(client.request(*arguments, **options))


def chat(**members: Any) -> dict[str, Any]:
    return {"model": "sonnet", "messages": [{"role": "user", "content": "What is a postern?"}], **members}


def examples(document: Document) -> Iterator[tuple[str, str, Any]]:
    for method, path, operation in document.operations():
        if path.startswith("/v1"):
            told = operation.get("requestBody", {"content": {"application/json": {"examples": {}}}})
            for example in told["content"]["application/json"]["examples"].values():
                yield method, path, example["value"]


def test_every_example_of_the_document_is_answered(ask: Ask, document: Document):
    asked = list(examples(document))
    assert asked
    for method, path, body in asked:
        assert ask(method, path, json=body).status_code == 200


def test_answers_of_several_choices_and_with_usage(ask: Ask):
    stream = {"stream": True, "stream_options": {"include_usage": True}}
    for members in ({}, {"n": 2}, {"stop": ["a"]}, {"max_tokens": 1}, stream, stream | {"n": 2}):
        assert ask("POST", "/v1/chat/completions", json=chat(**members)).status_code == 200


def told_to(**behaviour: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": f"go [[sandbox: {json.dumps(behaviour)}]]"}]


SCHEMA = {"type": "object", "properties": {"town": {"type": "string"}}}
CALLS = {
    "answer": "Let me see.",
    "tool_use": [{"name": "weather", "input": {"town": "Aachen"}}, {"name": "weather", "input": {}}],
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("path", "tool"),
    [
        ("/v1/chat/completions", {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}),
        ("/v1/messages", {"name": "weather", "input_schema": SCHEMA}),
    ],
)
def test_calls_of_tools(ask: Ask, path: str, tool: dict[str, Any], stream: bool):
    answer = ask("POST", path, json=chat(messages=told_to(**CALLS), tools=[tool], max_tokens=500, stream=stream))
    assert answer.status_code == 200
    assert "weather" in answer.text


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_thoughts(ask: Ask, path: str, stream: bool):
    thinking = {"type": "enabled", "budget_tokens": 1024}
    messages = told_to(thinking="first this", answer="so")
    answer = ask("POST", path, json=chat(messages=messages, thinking=thinking, max_tokens=2000, stream=stream))
    assert answer.status_code == 200
    assert "first this" in answer.text


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize(
    ("behaviour", "status"),
    [({"status": 400}, 400), ({"status": 429}, 429), ({"status": 529}, 503), ({"status": 401}, 503)],
)
def test_failures_of_upstream(ask: Ask, behaviour: dict[str, Any], status: int, path: str, stream: bool):
    body = chat(messages=told_to(**behaviour), max_tokens=500, stream=stream)
    assert ask("POST", path, json=body).status_code == status


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_a_stream_that_breaks_off(ask: Ask, path: str):
    body = chat(messages=told_to(words=20, error_after=5, delta_delay=0.05), max_tokens=500, stream=True)
    answer = ask("POST", path, json=body)
    assert answer.status_code == 200
    assert '"error"' in answer.text


def respond(**members: Any) -> dict[str, Any]:
    return {"model": "sonnet", "input": "What is a postern?", **members}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"input": told_to(**CALLS), "tools": [{"type": "function", "name": "weather", "parameters": SCHEMA}]}, "call"),
        ({"input": told_to(thinking="first this", answer="so"), "reasoning": {"summary": "auto"}}, "first this"),
        ({"max_output_tokens": 1}, "incomplete"),
        ({"text": {"format": {"type": "json_schema", "name": "place", "schema": SCHEMA}}}, "completed"),
    ],
)
def test_responses(ask: Ask, members: dict[str, Any], told: str, stream: bool):
    answer = ask("POST", "/v1/responses", json=respond(**members, stream=stream))
    assert answer.status_code == 200
    assert told in answer.text


def test_a_response_that_breaks_off(ask: Ask):
    body = respond(input=told_to(words=20, error_after=5, delta_delay=0.05), stream=True)
    answer = ask("POST", "/v1/responses", json=body)
    assert answer.status_code == 200, answer.text
    assert "response.failed" in answer.text
    assert ask("POST", "/v1/responses", json=respond(input=told_to(status=529))).status_code == 503


def test_a_response_that_is_kept(ask: Ask):
    name = ask("POST", "/v1/responses", json=respond()).json()["id"]
    again = ask("POST", "/v1/responses", json=respond(previous_response_id=name)).json()
    assert again["previous_response_id"] == name
    path = f"/v1/responses/{name}"
    assert ask("GET", path).json()["id"] == name
    assert ask("GET", f"{path}/input_items?order=asc&limit=1").json()["data"]
    for wrong in ("?stream=true", "/input_items?order=up", "/input_items?limit=0", "/input_items?after=nothing"):
        assert ask("GET", path + wrong).status_code == 400
    assert ask("DELETE", path).json()["deleted"] is True
    for method, gone in (("GET", path), ("GET", f"{path}/input_items"), ("DELETE", path)):
        assert ask(method, gone).status_code == 404
    assert ask("POST", "/v1/responses", json=respond(previous_response_id=name)).status_code == 400


@pytest.mark.parametrize(
    "path",
    ["/v1/chat/completions", "/v1/completions", "/v1/messages", "/v1/messages/count_tokens", "/v1/responses"],
)
@pytest.mark.parametrize(
    ("request_of", "status"),
    [
        ({"json": {"model": "sonnet"}}, 400),
        ({"json": chat(best_of=2)}, 400),
        ({"content": b"{"}, 400),
        ({"json": chat(), "headers": {"x-api-key": "sk-other"}}, 400),
        ({"json": chat(), "headers": {"Authorization": "Bearer sk-wrong"}}, 401),
        ({"content": b" " * 33_600_000}, 413),
    ],
    ids=str,
)
def test_requests_that_are_refused(ask: Ask, path: str, request_of: dict[str, Any], status: int):
    assert ask("POST", path, **request_of).status_code == status


def test_a_model_that_is_not_there(ask: Ask, document: Document):
    for method, path, body in examples(document):
        assert ask(method, path, json=body | {"model": "gpt-4o"}).status_code == 404


def test_models(ask: Ask):
    for name in [each["id"] for each in ask("GET", "/v1/models").json()["data"]]:
        assert ask("GET", f"/v1/models/{name}").status_code == 200
    assert ask("GET", "/v1/models/nothing").status_code == 404
    assert ask("GET", "/v1/models", headers={"Authorization": ""}).status_code == 401


def test_a_key_for_other_models(stub: Gateway, admin: Admin, document: Document):
    key = admin.script("POST", "/admin/api/keys", {"name": "limited", "models": ["haiku"]}).json()["key"]
    with httpx.Client(base_url=stub.url, headers={"x-api-key": key}, trust_env=False) as client:
        assert document.check(client.get("/v1/models/opus")).status_code == 403
        assert document.check(client.post("/v1/chat/completions", json=chat())).status_code == 403


def test_a_database_that_cannot_be_read(stub: Gateway, admin: Admin, document: Document):
    stored(stub, "ALTER TABLE keys RENAME TO mislaid")
    try:
        models = httpx.get(f"{stub.url}/v1/models", headers=stub.headers(), trust_env=False)
        keys = admin.script("GET", "/admin/api/keys")
    finally:
        stored(stub, "ALTER TABLE mislaid RENAME TO keys")
    assert [document.check(answer).status_code for answer in (models, keys)] == [503, 503]


def test_health(ask: Ask):
    assert ask("GET", "/health/live").status_code == 200
    assert ask("GET", "/health/ready").status_code == 200


def test_health_of_a_gateway_that_is_not_signed_in(stub: Gateway, document: Document):
    assert document.check(httpx.get(f"{stub.url}/health/ready", trust_env=False)).status_code == 503


# ---- the administrator's


@pytest.fixture
def script(admin: Admin, document: Document) -> Ask:
    return lambda *arguments, **options: document.check(admin.script(*arguments, **options))


def test_the_state_of_the_gateway(script: Ask):
    assert script("GET", "/admin/api/status").json()["pool"]["most"] > 0
    assert script("POST", "/admin/api/test").json().keys() == {"ok", "text", "seconds", "message"}


def test_keys(script: Ask):
    made = script("POST", "/admin/api/keys", {"name": "some", "models": ["haiku"], "expires_at": 4e9}).json()
    path = f"/admin/api/keys/{made['id']}"
    for body in ({"expires_at": None, "models": None}, {"enabled": False}, {"name": "other"}):
        assert script("PATCH", path, body).status_code == 200
    assert script("GET", path).json()["name"] == "other"
    assert script("GET", "/admin/api/keys?q=other").json()["keys"][0]["id"] == made["id"]
    assert script("DELETE", path).json()["state"] == "revoked"
    assert script("PATCH", path, {"enabled": True}).status_code == 409
    for method in ("GET", "PATCH", "DELETE"):
        assert script(method, "/admin/api/keys/nothing").status_code == 404


def test_the_master_key(script: Ask):
    rotation = {"grace_seconds": 3600}
    assert script("POST", "/admin/api/master-key/rotate", rotation).json()["previous_valid_until"]
    assert script("GET", "/admin/api/master-key").json()["previous"]["state"] == "live"
    assert script("POST", "/admin/api/master-key/rotate", rotation).status_code == 409
    assert script("POST", "/admin/api/master-key/extend-previous", {"until": "soon"}).status_code == 400
    until = script("GET", "/admin/api/master-key").json()["previous"]["expires_at"] + 60
    assert script("POST", "/admin/api/master-key/extend-previous", {"until": until}).status_code == 200
    assert script("POST", "/admin/api/master-key/revoke-previous").status_code == 200
    assert script("POST", "/admin/api/master-key/revoke-previous").status_code == 409


def test_the_sign_in(script: Ask):
    assert script("GET", "/admin/api/login").json()["state"] == "idle"
    assert script("POST", "/admin/api/login/code", {"code": "nobody asked"}).status_code == 400
    assert script("POST", "/admin/api/login", {"method": "api_key"}).json()["method"] == "api_key"
    assert script("DELETE", "/admin/api/login?force=true").status_code == 200
    assert script("DELETE", "/admin/api/credentials").status_code == 204
    assert script("POST", "/admin/api/credentials/restore").status_code == 400


def test_the_audit_log(script: Ask):
    script("POST", "/admin/api/keys", {"name": "for the log"})
    assert script("GET", "/admin/api/audit?limit=5").json()["entries"]
    assert script("GET", "/admin/api/audit/verify").json()["ok"] is True


def test_administrators_requests_that_are_refused(stub: Gateway, script: Ask):
    for body in ({}, {"name": 1}, {"name": "x", "model": "sonnet"}, {"name": "x", "expires_at": 1}, []):
        assert script("POST", "/admin/api/keys", body).status_code == 400
    assert script("POST", "/admin/api/keys", {"name": "x" * 70_000}).status_code == 413
    assert script("POST", "/admin/api/keys", {"name": "x"}, Origin="https://evil.example").status_code == 403
    assert script("GET", "/admin/api/status", Host="evil.example").status_code == 400
    elsewhere = Admin(stub, address="127.0.0.93")
    with elsewhere.client:
        statuses = {elsewhere.script("GET", "/admin/api/status", password=f"wrong {n}").status_code for n in range(7)}
    assert statuses == {401, 429}

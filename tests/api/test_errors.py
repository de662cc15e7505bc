"""Errors in OpenAI's shape with their true status."""

import gzip
import json
import time

import httpx
import openai
import pytest

from tests.api.asking import assert_error, script
from tests.support.gateway import running_gateway


def post(gateway, body=None, content=None, headers=None):
    with httpx.Client(base_url=gateway.url, trust_env=False, timeout=60) as client:
        return client.post(
            "/v1/chat/completions",
            json=body,
            content=content,
            headers=gateway.headers() if headers is None else headers,
        )


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer sk-wrong-0123456789abcdef"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic c2s6c2s="},
        {"x-api-key": "sk-wrong"},
        {"x-api-key": "sk-\xff".encode("latin-1")},
    ],
)
def test_a_wrong_key_is_401(gateway, headers):  # threat 45
    assert_error(post(gateway, {}, headers=headers), 401, "invalid_api_key")


def test_the_key_is_taken_from_either_header(gateway):
    with httpx.Client(base_url=gateway.url, trust_env=False) as client:
        for headers in ({"x-api-key": gateway.key}, {"Authorization": f"bearer {gateway.key}"}):
            assert client.get("/v1/models", headers=headers).status_code == 200
        both = {"x-api-key": gateway.key, "Authorization": "Bearer sk-other"}
        assert_error(client.get("/v1/models", headers=both), 400, "two_api_keys", "x-api-key")


HI = [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({"model": "sonnet"}, 400, "missing_parameter", "messages"),
        ({"messages": HI}, 400, "missing_parameter", "model"),
        ({"model": 5, "messages": HI}, 400, "invalid_value", "model"),
        ({"model": "sonnet", "messages": []}, 400, "invalid_value", "messages"),
        ({"model": "sonnet", "messages": [{"role": "king", "content": "x"}]}, 400, "invalid_value", "messages[0].role"),
        (
            {"model": "sonnet", "messages": [{"role": "user", "content": ""}]},
            400,
            "invalid_value",
            "messages[0].content",
        ),
        ({"model": "gpt-4o", "messages": HI}, 404, "model_not_found", "model"),
        ({"model": "--settings=x", "messages": HI}, 404, "model_not_found", "model"),
        ({"model": "sonnet", "messages": HI, "n": 9}, 400, "invalid_value", "n"),
        ({"model": "sonnet", "messages": HI, "temperature": 3}, 400, "invalid_value", "temperature"),
        ({"model": "sonnet", "messages": HI, "stop": " "}, 400, "invalid_value", "stop"),
        ({"model": "sonnet", "messages": HI, "logprobs": True}, 400, "unsupported_parameter", "logprobs"),
        ({"model": "sonnet", "messages": HI, "logit_bias": {"1": 5}}, 400, "unsupported_parameter", "logit_bias"),
        (
            {"model": "sonnet", "messages": HI, "presence_penalty": 0.5},
            400,
            "unsupported_parameter",
            "presence_penalty",
        ),
        (
            {"model": "sonnet", "messages": HI, "tools": [{"type": "web_search"}]},
            400,
            "unsupported_parameter",
            "tools[0].type",
        ),
        (
            {"model": "sonnet", "messages": [*HI, {"role": "tool", "tool_call_id": "x", "content": "5"}]},
            400,
            "invalid_value",
            "messages[1].tool_call_id",
        ),
        (
            {
                "model": "sonnet",
                "messages": HI,
                "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"minimum": 5}}},
            },
            400,
            "unsupported_schema",
            "response_format.json_schema.schema.minimum",
        ),
        ({"model": "sonnet", "messages": HI, "best_of": 2}, 400, "unknown_parameter", "best_of"),
    ],
)
def test_a_bad_request_names_the_field(gateway, sandbox, body, status, code, param):
    before = len(sandbox.messages())
    assert_error(post(gateway, body), status, code, param)
    assert len(sandbox.messages()) == before


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"model": "\xff"}', b'{"a":' * 5000, b'{"model": "\\ud800"}'])
def test_malformed_json_is_400(gateway, content):
    assert post(gateway, content=content).status_code == 400


def test_defaults_that_clients_send_anyway_pass(gateway):
    harmless = {
        "frequency_penalty": 0,
        "presence_penalty": 0.0,
        "logprobs": False,
        "logit_bias": None,
        "n": 1,
        "seed": 42,
        "store": False,
        "tools": [],
        "tool_choice": "none",
        "response_format": {"type": "text"},
        "service_tier": "auto",
    }
    assert gateway.chat("defaults", **harmless).status_code == 200


def test_a_body_over_the_limit_is_413(gateway):  # threat 66
    said = assert_error(post(gateway, content=b"x" * (33 * 1024 * 1024)), 413, "request_too_large")
    assert "33554432 bytes" in said


def test_a_compressed_body_is_refused_for_that(gateway):
    body = gzip.compress(b'{"model": "sonnet", "messages": [{"role": "user", "content": "hi"}]}')
    answer = post(gateway, content=body, headers=gateway.headers() | {"Content-Encoding": "gzip"})
    assert "compressed" in assert_error(answer, 400, "invalid_body")


def test_an_unknown_address_and_method_have_the_same_shape(gateway):
    with gateway.http() as client:
        assert_error(client.get("/v1/nothing"), 404, "unknown_url")
        assert client.get("/v1/chat/completions").status_code == 405
        assert "POST" in client.get("/v1/chat/completions").headers["allow"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("behaviour", "status", "code", "retry_after"),
    [
        ({"status": 429, "retry_after": 17}, 429, "rate_limit_exceeded", range(17, 24)),
        ({"status": 529}, 503, "overloaded", range(1, 12)),
        ({"status": 500}, 502, "upstream_error", None),
        ({"status": 401}, 503, "not_signed_in", None),
        ({"status": 403}, 502, "upstream_error", None),
        ({"status": 400, "message": "something: is wrong"}, 400, None, None),
        (
            {"status": 400, "message": "prompt is too long: 210000 tokens > 200000 maximum"},
            400,
            "context_length_exceeded",
            None,
        ),
        ({"status": 413}, 413, "request_too_large", None),
    ],
)
def test_upstreams_failures_keep_their_status(gateway, behaviour, status, code, retry_after, stream):  # threat 19
    begun = time.monotonic()
    answer = gateway.chat(script(**behaviour), stream=stream)
    assert time.monotonic() - begun < 10
    param = {"context_length_exceeded": "messages"}.get(code)
    message = assert_error(answer, status, code, param)
    if retry_after:
        assert int(answer.headers["retry-after"]) in retry_after
    if code == "not_signed_in":
        assert "/auth" in message
    if code is None:
        assert message == "something: is wrong"


@pytest.mark.parametrize("stream", [False, True])
def test_a_failure_that_passes_is_no_failure(gateway, stream):
    answer = gateway.chat(script(status=529, times=1, key=f"passes-{stream}", words=2), stream=stream)
    assert answer.status_code == 200
    assert "w1" in answer.text


@pytest.mark.parametrize("fault", [{"error_after": 3}, {"cut_after": 3}, {"malformed_after": 3}])
def test_a_stream_that_breaks_ends_with_an_error_and_repeats_nothing(gateway, fault):  # threat 18
    answer = gateway.chat(script(words=6, delta_delay=0.05, **fault), stream=True)
    assert answer.status_code == 200
    *frames, last = [frame.removeprefix("data: ") for frame in answer.text.split("\n\n") if frame]
    assert "error" in json.loads(last)
    assert "[DONE]" not in answer.text
    said = "".join(json.loads(frame)["choices"][0]["delta"].get("content", "") for frame in frames)
    assert "w0 w1 w2 w3".startswith(said)
    assert "API Error" not in answer.text


def test_the_official_client_raises_its_own_classes(gateway):
    def ask(**behaviour):
        with gateway.openai() as client:
            messages = [{"role": "user", "content": script(**behaviour)}]
            return client.chat.completions.create(model="sonnet", messages=messages)

    with pytest.raises(openai.AuthenticationError), gateway.openai(api_key="sk-no") as client:
        client.models.list()
    with pytest.raises(openai.NotFoundError), gateway.openai() as client:
        client.chat.completions.create(model="gpt-4o", messages=HI)
    with pytest.raises(openai.RateLimitError):
        ask(status=429, retry_after=30)
    with pytest.raises(openai.BadRequestError):
        ask(status=400, message="no")
    with pytest.raises(openai.InternalServerError):
        ask(status=500)
    with pytest.raises(openai.InternalServerError):
        ask(status=529)


def test_the_official_client_raises_in_the_middle_of_a_stream(gateway):
    with gateway.openai() as client:
        messages = [{"role": "user", "content": script(words=6, error_after=3, delta_delay=0.05)}]
        stream = client.chat.completions.create(model="sonnet", messages=messages, stream=True)
        with pytest.raises(openai.APIError):
            list(stream)


def test_while_anthropic_refuses_the_login_the_gateway_is_not_ready(gateway):
    def reasons_after(**behaviour):
        gateway.chat(script(**behaviour))
        with gateway.http() as client:
            ready = client.get("/health/ready")
        assert ready.status_code == (503 if ready.json()["reasons"] else 200)
        return ready.json()["reasons"]

    assert reasons_after(words=1) == []
    for passing in (429, 500, 529):
        assert reasons_after(status=passing) == []
    assert reasons_after(status=401) == ["Anthropic refused the login at the last request. Sign in again."]
    assert reasons_after(words=1) == []


def test_without_a_login_the_gateway_says_where_to_sign_in(tmp_path):
    environ = {"ANTHROPIC_BASE_URL": "http://127.0.0.1:9"}
    with running_gateway(None, tmp_path, environ=environ, ready=False) as gateway:
        ready = httpx.get(f"{gateway.url}/health/ready", trust_env=False)
        assert ready.status_code == 503
        assert "The claude CLI is not signed in." in ready.json()["reasons"]
        for stream in (False, True):
            message = assert_error(gateway.chat("hi", stream=stream), 503, "not_signed_in")
            assert "/auth" in message
            assert "`python -m app.cli login`" in message

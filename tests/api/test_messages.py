"""POST /v1/messages through gunicorn, over the real CLI: what goes upstream, and what comes back."""

import json
from typing import Any

import httpx
import pytest

from tests.api.asking import PDF, PNG, asked, script, without_cache_marks
from tests.api.asking import assert_error as assert_openai_error
from tests.support.gateway import Gateway, running_gateway

MARK = {"type": "ephemeral"}
HI = [{"role": "user", "content": "hi"}]
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def post(gateway: Gateway, body: Any = None, path: str = "/v1/messages", **options: Any) -> httpx.Response:
    """As the official clients do."""
    headers = options.pop("headers", {"x-api-key": gateway.key})
    sent = {"anthropic-version": "2023-06-01", "anthropic-beta": "output-128k-2025-02-19", **headers}
    with httpx.Client(base_url=gateway.url, trust_env=False, timeout=60) as client:
        return client.post(path, json=body, headers=sent, **options)


def ask(gateway: Gateway, content: Any, **members: Any) -> httpx.Response:
    body = {"model": "sonnet", "max_tokens": 4096, "messages": [{"role": "user", "content": content}], **members}
    return post(gateway, body)


def events_of(answer: httpx.Response) -> list[dict[str, Any]]:
    """Each named by its type; pings left out."""
    found = []
    for frame in answer.text.split("\n\n")[:-1]:
        name, data = frame.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        found += [] if event["type"] == "ping" else [event]
    return found


def said(events: list[dict[str, Any]], member: str = "text") -> str:
    return "".join(event["delta"].get(member, "") for event in events if event["type"] == "content_block_delta")


def assert_error(answer: httpx.Response, status: int, kind: str) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body.keys() == {"type", "error", "request_id"}
    assert body["type"] == "error"
    assert body["error"].keys() == {"type", "message"}
    assert body["error"]["type"] == kind
    assert answer.headers["request-id"] == body["request_id"]
    assert body["request_id"].startswith("req_")
    return body["error"]["message"]


# ---- what goes upstream


def test_a_conversation_reaches_the_model_block_by_block(gateway, sandbox):
    note = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a note"}}
    blocks = [
        text("look"),
        IMAGE,
        {"type": "image", "source": {"type": "url", "url": "https://example.com/cat.png"}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}, "title": "a"},
        {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
        {"type": "document", "source": {"type": "content", "content": [text("x"), IMAGE]}, "context": "of today"},
        note | {"title": "b", "citations": {"enabled": True}},
        {"type": "search_result", "source": "https://x", "title": "t", "content": [text("found")]},
        text("  keep my\n\nspaces  "),
    ]
    body = {
        "model": "sonnet",
        "max_tokens": 4096,
        "system": [text("blocks-1 Be brief.") | {"cache_control": MARK}, text("Answer in rhyme.")],
        "messages": [
            {"role": "user", "content": [block | {"cache_control": MARK} for block in blocks]},
            {"role": "assistant", "content": "one"},
            {"role": "user", "content": [note, text("second")]},
            {"role": "user", "content": "third"},
        ],
    }
    answer = post(gateway, body)
    assert answer.status_code == 200, answer.text
    upstream = asked(sandbox, "blocks-1")
    assert upstream["system"][-1]["text"] == "blocks-1 Be brief.\n\nAnswer in rhyme."
    assert [(message["role"], without_cache_marks(message["content"])) for message in upstream["messages"]] == [
        ("user", blocks),
        ("assistant", [text("one")]),
        ("user", [note, text("second"), text("third")]),
    ]


CLOSED = {"type": "object", "properties": {"name": {"type": "string"}}, "additionalProperties": False}


@pytest.mark.parametrize(
    "members",
    [
        {"max_tokens": 5},
        {"temperature": 0.3},
        {"top_p": 0.9},
        {"top_k": 40},
        {"stop_sequences": ["a1", "b2"]},
        {"metadata": {"user_id": "u-77"}},
        {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        {"output_config": {"effort": "low", "format": {"type": "json_schema", "schema": CLOSED}}},
    ],
    ids=lambda members: next(iter(members)),
)
def test_parameters_are_seen_upstream(gateway, sandbox, members):
    marker = f"messages-{next(iter(members))}"
    answer = ask(gateway, marker, **members)
    assert answer.status_code == 200, answer.text
    upstream = asked(sandbox, marker)
    assert {name: upstream.get(name) for name in members} == members


def test_thinking_is_off_unless_asked_for(gateway, sandbox):
    assert ask(gateway, "unthinking-1").status_code == 200
    assert asked(sandbox, "unthinking-1").get("thinking", {"type": "disabled"}) == {"type": "disabled"}


# ---- what comes back


NUMBERS = {"input_tokens": 11, "cache_read_input_tokens": 300, "cache_creation_input_tokens": 40, "output_tokens": 7}


def test_a_stream_is_upstreams_own(gateway):
    answer = ask(gateway, script(chunks=["Hel", "lo ", "✓\n"], usage=NUMBERS), stream=True)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.headers["request-id"].startswith("req_")
    start, *content, end, stop = events_of(answer)
    assert start["type"] == "message_start"
    assert start["message"]["id"].startswith("msg_")
    assert "sonnet" in start["message"]["model"]
    assert start["message"]["usage"].items() >= NUMBERS.items() - {("output_tokens", 7)}
    assert content == [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": chunk}}
            for chunk in ("Hel", "lo ", "✓\n")
        ),
        {"type": "content_block_stop", "index": 0},
    ]
    assert end["type"] == "message_delta"
    assert (end["delta"]["stop_reason"], end["delta"]["stop_sequence"]) == ("end_turn", None)
    assert end["usage"]["output_tokens"] == 7
    assert stop == {"type": "message_stop"}


def test_a_whole_message_has_anthropics_shape_and_upstreams_usage(gateway):
    answer = ask(gateway, script(answer="one two", usage=NUMBERS))
    assert answer.status_code == 200, answer.text
    message = answer.json()
    assert answer.headers["request-id"].startswith("req_")
    assert message["id"].startswith("msg_")
    assert (message["type"], message["role"]) == ("message", "assistant")
    assert "sonnet" in message["model"]
    assert message["content"] == [text("one two")]
    assert (message["stop_reason"], message["stop_sequence"]) == ("end_turn", None)
    assert message["usage"].items() >= NUMBERS.items()


@pytest.mark.parametrize("stream", [False, True])
def test_thinking_comes_with_its_signature(gateway, stream):
    members = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "stream": stream}
    answer = ask(gateway, script(thinking="first this, then that", answer="so"), **members)
    assert answer.status_code == 200, answer.text
    if stream:
        events = events_of(answer)
        assert said(events, "thinking") == "first this, then that"
        assert said(events, "signature")
        assert said(events) == "so"
    else:
        thought, spoken = answer.json()["content"]
        assert thought["type"] == "thinking"
        assert thought["thinking"] == "first this, then that"
        assert thought["signature"]
        assert spoken == text("so")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("behaviour", "members", "spoken", "reason", "sequence"),
    [
        ({"answer": "one two STOP three"}, {"stop_sequences": ["X", "STOP"]}, "one two ", "stop_sequence", "STOP"),
        ({"answer": "abcd" * 20}, {"max_tokens": 10}, "abcd" * 10, "max_tokens", None),
        ({"answer": "No.", "stop": "refusal"}, {}, "No.", "refusal", None),
    ],
)
def test_the_answer_ends_as_upstreams_does(gateway, behaviour, members, spoken, reason, sequence, stream):
    answer = ask(gateway, script(delta_delay=0.02, **behaviour), stream=stream, **members)
    assert answer.status_code == 200, answer.text
    if stream:
        events = events_of(answer)
        assert said(events) == spoken
        ended = events[-2]["delta"]
        assert events[-1] == {"type": "message_stop"}
    else:
        ended = answer.json()
        assert ended["content"] == [text(spoken)]
    assert (ended["stop_reason"], ended["stop_sequence"]) == (reason, sequence)


def test_a_structured_answer_fits_its_schema(gateway):
    answer = ask(gateway, "structured-1", output_config={"format": {"type": "json_schema", "schema": CLOSED}})
    (block,) = answer.json()["content"]
    assert json.loads(block["text"]).keys() == {"name"}


def test_a_break_before_the_first_word_is_not_told(gateway):
    answer = ask(gateway, script(words=4, cut_after=0, times=1, key="messages-cut", delta_delay=0.02), stream=True)
    events = events_of(answer)
    kinds = [event["type"] for event in events if event["type"] != "content_block_delta"]
    assert kinds == ["message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"]
    assert said(events) == "w0 w1 w2 w3"


def test_pings_come_while_the_model_is_silent(tmp_path, sandbox):  # threat 68
    environ = {"GATEWAY_STREAM__KEEPALIVE": "0.3", "GATEWAY_STREAM__STATUS_HOLD": "0.3"}
    with running_gateway(sandbox, tmp_path, environ=environ) as gateway:
        answer = ask(gateway, script(first_delay=1.5, words=2), stream=True)
    assert answer.text.startswith('event: ping\ndata: {"type":"ping"}\n\n')
    assert answer.text.count("event: ping\n") >= 3
    assert said(events_of(answer)) == "w0 w1"


def test_what_clients_add_to_the_address_changes_nothing(gateway):
    body = {"model": "sonnet", "max_tokens": 64, "messages": HI}
    assert post(gateway, body, "/v1/messages?beta=true").status_code == 200


# ---- errors


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        ({}, 401, "authentication_error"),
        ({"x-api-key": "sk-wrong-0123456789abcdef"}, 401, "authentication_error"),
        ({"Authorization": "Bearer sk-wrong-0123456789abcdef"}, 401, "authentication_error"),
        ({"Authorization": "Bearer sk-a", "x-api-key": "sk-b"}, 400, "invalid_request_error"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_a_wrong_key_is_refused_in_anthropics_shape(gateway, path, headers, status, kind):
    assert_error(post(gateway, {}, path, headers=headers), status, kind)


def test_the_key_is_taken_from_either_header(gateway):
    body = {"model": "sonnet", "max_tokens": 64, "messages": HI}
    for headers in ({"x-api-key": gateway.key}, {"Authorization": f"Bearer {gateway.key}"}):
        assert post(gateway, body, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "kind", "named"),
    [
        ({"model": "sonnet", "messages": HI}, 400, "invalid_request_error", "max_tokens"),
        ({"model": "sonnet", "max_tokens": 5}, 400, "invalid_request_error", "messages"),
        ({"model": "sonnet", "max_tokens": 5, "messages": HI, "n": 2}, 400, "invalid_request_error", "'n'"),
        ({"model": "gpt-4o", "max_tokens": 5, "messages": HI}, 404, "not_found_error", "gpt-4o"),
        (
            {"model": "sonnet", "max_tokens": 5, "messages": [*HI, {"role": "assistant", "content": "{"}]},
            400,
            "invalid_request_error",
            "messages",
        ),
        (
            {"model": "sonnet", "max_tokens": 5, "messages": HI, "tools": [{"type": "web_search_20250305"}]},
            400,
            "invalid_request_error",
            "tools[0].type",
        ),
    ],
)
def test_a_bad_request_names_the_field(gateway, sandbox, body, status, kind, named):
    before = len(sandbox.messages())
    assert named in assert_error(post(gateway, body), status, kind)
    assert len(sandbox.messages()) == before


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"model": "\xff"}', b'{"a":' * 5000])
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_malformed_json_is_400(gateway, path, content):
    assert_error(post(gateway, path=path, content=content), 400, "invalid_request_error")


def test_addresses_methods_and_sizes_are_refused_in_the_same_shape(gateway):
    assert_error(post(gateway, {}, "/v1/messages/batches"), 404, "not_found_error")
    assert_error(post(gateway, content=b"x" * (33 * 1024 * 1024)), 413, "request_too_large")
    with gateway.http() as client:
        answer = client.get("/v1/messages")
        assert_error(answer, 405, "invalid_request_error")
        assert "POST" in answer.headers["allow"]


def test_beside_it_errors_are_still_openais(gateway):
    with gateway.http() as client:
        answer = client.get("/v1/messagesx")
        assert_openai_error(answer, 404, "unknown_url")
        assert "request-id" not in answer.headers


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("behaviour", "status", "kind"),
    [
        ({"status": 429, "retry_after": 17}, 429, "rate_limit_error"),
        ({"status": 529}, 503, "overloaded_error"),
        ({"status": 500}, 502, "api_error"),
        ({"status": 401}, 503, "api_error"),
        ({"status": 400, "message": "something: is wrong"}, 400, "invalid_request_error"),
        ({"status": 413}, 413, "request_too_large"),
    ],
)
def test_upstreams_failures_keep_their_status(gateway, behaviour, status, kind, stream):  # threat 19
    answer = ask(gateway, script(**behaviour), stream=stream)
    message = assert_error(answer, status, kind)
    if kind == "rate_limit_error":
        assert int(answer.headers["retry-after"]) in range(17, 24)
    if status == 400:
        assert message == "something: is wrong"


@pytest.mark.parametrize("fault", [{"error_after": 3}, {"cut_after": 3}])
def test_a_stream_that_breaks_ends_with_an_error_and_repeats_nothing(gateway, fault):  # threat 18
    answer = ask(gateway, script(words=6, delta_delay=0.05, **fault), stream=True)
    assert answer.status_code == 200
    *events, last = events_of(answer)
    assert last.keys() == {"type", "error", "request_id"}
    assert last["request_id"] == answer.headers["request-id"]
    assert "message_stop" not in answer.text
    assert "w0 w1 w2 w3".startswith(said(events))

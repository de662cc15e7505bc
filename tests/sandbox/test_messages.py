import base64
import json

import httpx
import pytest

from tests.sandbox.client import HEADERS, ask, body, deltas, marked, post, problem, send, stream, text_of
from tests.support.sandbox import Sandbox

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(60)).decode()
TOOL = {
    "name": "mcp__client__get_weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}},
}
JSON_FORMAT = {
    "type": "json_schema",
    "schema": {"type": "object", "properties": {"ok": {"type": "boolean"}}, "additionalProperties": False},
}


def test_a_stream_has_every_event_in_its_order(sandbox: Sandbox):
    found = stream(sandbox, marked(words=2))
    assert [event["type"] for event in found] == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    start, end = found[0]["message"], found[-2]
    assert start["content"] == []
    assert start["stop_reason"] is None
    assert end["delta"]["stop_reason"] == "end_turn"
    assert end["usage"]["output_tokens"] == 2
    assert end["usage"]["input_tokens"] == start["usage"]["input_tokens"] > 0


def test_a_whole_answer_says_the_same_as_its_stream(sandbox: Sandbox):
    whole = ask(sandbox, "compare apples and pears")
    assert whole["role"] == "assistant"
    assert text_of(whole) == "".join(deltas(stream(sandbox, "compare apples and pears")))
    assert whole["usage"]["output_tokens"] == -(-len(text_of(whole)) // 4)


def test_thinking_comes_first_and_is_accepted_back(sandbox: Sandbox):
    thinking = {"type": "enabled", "budget_tokens": 1024}
    asked = marked(thinking="Let me see.", answer="Yes.")
    found = stream(sandbox, asked, thinking=thinking)
    assert "".join(deltas(found, "thinking")) == "Let me see."
    signature = next(event["delta"]["signature"] for event in found if "signature" in event.get("delta", {}))
    reply = [
        {"type": "thinking", "thinking": "Let me see.", "signature": signature},
        {"type": "text", "text": "Yes."},
    ]
    history = [
        {"role": "user", "content": asked},
        {"role": "assistant", "content": reply},
        {"role": "user", "content": "and?"},
    ]
    assert ask(sandbox, messages=history, thinking=thinking)
    reply[0]["thinking"] = "Something else."
    assert "Invalid `signature`" in problem(post(sandbox, body(messages=history, thinking=thinking)))


@pytest.mark.parametrize(
    ("thinking", "shown"), [({"type": "adaptive"}, ["thinking", "text"]), ({"type": "disabled"}, ["text"])]
)
def test_thinking_needs_the_requests_consent(sandbox: Sandbox, thinking: dict[str, str], shown: list[str]):
    answer = ask(sandbox, marked(thinking="Hm.", answer="Yes."), thinking=thinking)
    assert [block["type"] for block in answer["content"]] == shown


def test_omitted_thinking_leaves_only_its_signature(sandbox: Sandbox):
    answer = ask(sandbox, marked(thinking="Hm."), thinking={"type": "adaptive", "display": "omitted"})
    assert answer["content"][0]["thinking"] == ""
    assert answer["content"][0]["signature"]


def test_a_tool_is_called_in_pieces_by_the_name_that_was_offered(sandbox: Sandbox):
    call = {"name": "get_weather", "input": {"city": "Zürich", "days": 3}}
    found = stream(sandbox, marked(tool_use=[call]), tools=[TOOL])
    block = found[1]["content_block"]
    assert (block["type"], block["name"], block["input"]) == ("tool_use", TOOL["name"], {})
    pieces = deltas(found, "partial_json")
    assert len(pieces) > 1
    assert json.loads("".join(pieces)) == call["input"]
    assert found[-2]["delta"]["stop_reason"] == "tool_use"


def test_a_forced_tool_is_called_without_a_script_and_its_result_is_reported(sandbox: Sandbox):
    answer = ask(sandbox, tools=[TOOL], tool_choice={"type": "any"})
    (call,) = answer["content"]
    assert call["input"] == {"city": "sandbox", "days": 1}
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": "12 degrees"}
    history = [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": answer["content"]},
        {"role": "user", "content": [result]},
    ]
    assert "12 degrees" in text_of(ask(sandbox, messages=history, tools=[TOOL], tool_choice={"type": "any"}))


def test_the_prompt_may_name_a_tool(sandbox: Sandbox):
    assert ask(sandbox, "please use get_weather", tools=[TOOL])["stop_reason"] == "tool_use"
    assert ask(sandbox, "what is the weather?", tools=[TOOL])["stop_reason"] == "end_turn"


def test_structured_output_fits_its_schema(sandbox: Sandbox):
    assert json.loads(text_of(ask(sandbox, output_config={"format": JSON_FORMAT}))) == {"ok": True}


@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_max_tokens_cuts_the_answer(sandbox: Sandbox, limit: int):
    answer = ask(sandbox, marked(words=400), max_tokens=limit)
    cut = limit < 1000
    assert answer["stop_reason"] == ("max_tokens" if cut else "end_turn")
    assert answer["usage"]["output_tokens"] <= limit
    assert len(text_of(answer)) == (4 * limit if cut else len(" ".join(f"w{n}" for n in range(400))))


def test_a_stop_sequence_cuts_before_itself_even_across_deltas(sandbox: Sandbox):
    answer = ask(sandbox, marked(chunks=["one ST", "OP two", " END"]), stop_sequences=["END", "STOP"])
    assert text_of(answer) == "one "
    assert (answer["stop_reason"], answer["stop_sequence"]) == ("stop_sequence", "STOP")


def test_an_empty_answer_has_no_block(sandbox: Sandbox):
    assert ask(sandbox, marked(answer=""))["content"] == []


def test_a_marked_prefix_is_written_once_and_read_from_then_on(sandbox: Sandbox):
    system = [{"type": "text", "text": "s" * 4000, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    first, second = (ask(sandbox, f"turn {n}", system=system, top_k=3)["usage"] for n in range(2))
    assert first["cache_creation_input_tokens"] == second["cache_read_input_tokens"] == 1000
    assert first["cache_creation"]["ephemeral_1h_input_tokens"] == 1000
    assert first["cache_read_input_tokens"] == second["cache_creation_input_tokens"] == 0
    assert first["input_tokens"] == second["input_tokens"] == 2


def test_a_moved_marker_finds_the_earlier_prefix(sandbox: Sandbox):
    marked_turn = [{"type": "text", "text": "a" * 400, "cache_control": {"type": "ephemeral"}}]
    ask(sandbox, messages=[{"role": "user", "content": marked_turn}])
    later = [{"type": "text", "text": "b" * 80, "cache_control": {"type": "ephemeral"}}]
    turns = [("user", "a" * 400), ("assistant", "yes"), ("user", later)]
    usage = ask(sandbox, messages=[{"role": role, "content": content} for role, content in turns])["usage"]
    assert usage["cache_read_input_tokens"] == 100
    assert usage["cache_creation_input_tokens"] == 21
    assert usage["input_tokens"] == 0


def test_counting_tokens_agrees_with_the_usage(sandbox: Sandbox):
    asked = {"system": "Be kind.", "tools": [TOOL]}
    counted = post(sandbox, body("hi there", max_tokens=None, **asked), "/v1/messages/count_tokens").json()
    assert counted == {"input_tokens": ask(sandbox, "hi there", **asked)["usage"]["input_tokens"]}


def test_attachments_are_acknowledged(sandbox: Sandbox):
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    link = {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}}
    answer = text_of(ask(sandbox, [image, link, {"type": "text", "text": "look"}]))
    assert "I see an image (image/png, 68 bytes)." in answer
    assert "not fetched" in answer


@pytest.mark.parametrize("word", ["python", "compare", "poem", "plan", "hello", "marmalade"])
def test_a_demo_answer_is_the_same_every_time_and_owns_up(sandbox: Sandbox, word: str):
    first, second = (ask(sandbox, word, system="Talk like a pirate.") for _ in range(2))
    assert text_of(first) == text_of(second)
    assert "Postern sandbox" in text_of(first)
    assert "Talk like a pirate." in text_of(first)
    assert "1 from user" in text_of(first)
    assert all(0 < len(delta.split()) <= 3 for delta in deltas(stream(sandbox, word)))


def test_the_request_id_is_on_every_answer(sandbox: Sandbox):
    whole, streamed = post(sandbox, body()), post(sandbox, body(stream=True))
    assert whole.headers["request-id"].startswith("req_")
    assert streamed.headers["request-id"].startswith("req_")
    assert whole.headers["request-id"] != streamed.headers["request-id"]


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"x-api-key": "sk-other"}, "invalid x-api-key"),
        ({"x-api-key": "sk-ant-invalid"}, "invalid x-api-key"),
        ({"authorization": "Bearer sk-ant-oat01-never-issued"}, "Invalid bearer token"),
        ({}, "x-api-key header is required"),
    ],
)
def test_a_bad_credential_is_401(sandbox: Sandbox, headers: dict[str, str], message: str):
    given = {"anthropic-version": "2023-06-01"} | headers
    answer = send(sandbox, "POST", "/v1/messages", json=body(), headers=given)
    assert problem(answer, 401, "authentication_error") == message


def test_the_rest_of_the_api(sandbox: Sandbox):
    with httpx.Client(base_url=sandbox.api, headers=HEADERS, trust_env=False) as client:
        assert client.head("/").status_code == 200
        assert "sandbox" in client.get("/").text
        assert {model["type"] for model in client.get("/v1/models").json()["data"]} == {"model"}
        assert client.post("/api/event_logging/batch", json={}).json() == {}
        assert problem(client.get("/v1/nowhere"), 404, "not_found_error")
        assert problem(client.get("/v1/messages"), 405)

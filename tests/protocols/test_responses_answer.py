import json
from typing import Any

import pytest

from app.errors import CliTimeout, InvalidRequest, RateLimited
from app.protocols.responses_answer import to_usage
from app.protocols.responses_thoughts import from_encrypted
from app.protocols.tool_names import ToolNames
from tests.protocols.events import MODEL, STOP, start
from tests.protocols.responses_answers import (
    CLOSED,
    ECHO,
    answer,
    events,
    opened,
    reply,
    streamed,
    text,
    thinking,
    told,
    tool,
    whole,
)


@pytest.mark.parametrize(
    ("stop_reason", "status", "reason"),
    [
        ("end_turn", "completed", None),
        ("stop_sequence", "completed", None),
        ("tool_use", "completed", None),
        ("pause_turn", "completed", None),
        ("tomorrows_reason", "completed", None),
        ("max_tokens", "incomplete", "max_output_tokens"),
        ("model_context_window_exceeded", "incomplete", "max_output_tokens"),
        ("refusal", "incomplete", "content_filter"),
    ],
)
def test_every_reason_to_stop_has_a_status(stop_reason: str | None, status: str, reason: str | None):
    given = reply(text("a"), text("b"), stop_reason=stop_reason)
    found = whole(given)
    assert (found["status"], found["incomplete_details"]) == (status, reason and {"reason": reason})
    assert [item["status"] for item in found["output"]] == ["completed", status]
    assert found["completed_at"] == (1_700_000_000 if status == "completed" else None)
    assert told(streamed(given))[-1] == status


def test_a_refusal_without_a_word_is_a_response_too():
    found = whole(reply(stop_reason="refusal"))
    assert (found["output"], found["status"]) == ([], "incomplete")


def test_a_summary_that_was_cut_off_says_so():
    given = reply(thinking("hm", signature=""), stop_reason="max_tokens")
    found = streamed(given, shows_thinking=True, gives_thinking=True)
    assert found[-3]["status"] == "incomplete"
    assert found[-1]["response"]["output"][0]["encrypted_content"] is None


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CliTimeout("Too slow.", detail="pid 5"), "server_error"),
        (RateLimited("Too much."), "rate_limit_exceeded"),
        (InvalidRequest("No.", param="input"), "invalid_prompt"),
    ],
)
def test_a_stream_that_breaks_tells_the_failure(error: Any, code: str):
    stream = answer()
    sent = b"".join(stream.encode(0, event) for event in [start(), *text("a"), *text("b")[:2]])
    *_, failed, last = events(sent + stream.failed(error))
    assert failed["type"] == "response.failed"
    assert (failed["response"]["status"], failed["response"]["error"]["code"]) == ("failed", code)
    assert [item["content"][0]["text"] for item in failed["response"]["output"]] == ["a"]
    del last["sequence_number"]
    assert last == {"type": "error", "code": error.code, "message": str(error), "param": error.param}


def test_a_failure_before_the_beginning_is_an_error_alone():
    assert [event["type"] for event in events(answer().failed(CliTimeout("Too slow.")))] == ["error"]


def test_a_whole_response_has_all_of_openais_members():
    found = whole(reply(text("Hel", "lo"), service_tier="standard"))
    assert {name: value for name, value in found.items() if ECHO.get(name, value) is not value or name not in ECHO} == {
        "id": "resp_abc",
        "object": "response",
        "created_at": 1_700_000_000,
        "completed_at": 1_700_000_000,
        "model": MODEL,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "service_tier": "default",
        "output": [
            {
                "id": "msg_abc0000",
                "type": "message",
                "status": "completed",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}],
            }
        ],
        "usage": {
            "input_tokens": 7,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 12,
        },
    }
    assert found["metadata"] == {"a": "b"}


def test_a_call_has_the_clients_name():
    names = ToolNames(["a.b"])
    given = reply(tool("{}", name=names.to_upstream("a.b")), stop_reason="tool_use")
    (item,) = whole(given, names=["a.b"])["output"]
    assert (item["name"], item["arguments"], item["call_id"]) == ("a.b", "{}", "toolu_1")


THOUGHTS = reply(thinking("h", "m"), [opened(type="redacted_thinking", data="xyz"), CLOSED], text("a"))


@pytest.mark.parametrize("shows_thinking", [False, True])
def test_reasoning_carries_the_thinking_with_its_signature(shows_thinking: bool):
    first, second, _ = whole(THOUGHTS, shows_thinking=shows_thinking, gives_thinking=True)["output"]
    assert first["summary"] == ([{"type": "summary_text", "text": "hm"}] if shows_thinking else [])
    assert from_encrypted(first["encrypted_content"]) == {"type": "thinking", "thinking": "hm", "signature": "sig"}
    assert second["summary"] == []
    assert from_encrypted(second["encrypted_content"]) == {"type": "redacted_thinking", "data": "xyz"}


def test_reasoning_carries_it_for_those_alone_who_asked_for_it():
    first, second, _ = whole(THOUGHTS)["output"]
    assert (first["encrypted_content"], second["encrypted_content"]) == (None, None)
    assert "xyz" not in json.dumps(streamed(THOUGHTS))
    found = answer()
    for event in THOUGHTS:
        found.take(0, event)
    assert [block["type"] for block in found.blocks()] == ["thinking", "redacted_thinking", "text"]
    thoughts = found.thoughts()
    assert list(thoughts) == [first["id"], second["id"]]
    assert list(map(from_encrypted, thoughts.values())) == found.blocks()[:2]


@pytest.mark.parametrize(
    ("blocks", "stop_reason", "kept"),
    [
        ([text("a", "b")], "end_turn", [{"type": "text", "text": "ab"}]),
        ([text("\n\n"), text("a")], "end_turn", [{"type": "text", "text": "a"}]),
        (
            [thinking("t"), tool('{"a":1}')],
            "tool_use",
            [
                {"type": "thinking", "thinking": "t", "signature": "sig"},
                {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}},
            ],
        ),
        ([thinking("t", signature=""), text("a")], "end_turn", [{"type": "text", "text": "a"}]),
        # what was cut off is no call, and nobody has to answer it
        ([text("a"), tool('{"a"')], "max_tokens", [{"type": "text", "text": "a"}]),
        ([text("a"), tool()], "max_tokens", [{"type": "text", "text": "a"}]),
        ([tool("[]")], "tool_use", []),
        ([], "refusal", []),
    ],
)
def test_the_blocks_of_an_answer_can_go_upstream_again(blocks: Any, stop_reason: str, kept: Any):
    found = answer()
    for event in reply(*blocks, stop_reason=stop_reason):
        found.take(0, event)
    assert found.blocks() == kept


# ---- usage


@pytest.mark.parametrize(
    ("usage", "numbers"),
    [
        ({"input_tokens": 7, "output_tokens": 5}, (7, 0, 0, 5, 0, 12)),
        ({"input_tokens": 7}, (7, 0, 0, 0, 0, 7)),
        (
            {"input_tokens": 1, "cache_read_input_tokens": 10, "cache_creation_input_tokens": 100},
            (111, 10, 100, 0, 0, 111),
        ),
        ({"input_tokens": 1, "cache_read_input_tokens": None, "output_tokens": 2}, (1, 0, 0, 2, 0, 3)),
        (
            {"input_tokens": 1, "output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}},
            (1, 0, 0, 9, 4, 10),
        ),
    ],
)
def test_usage_is_upstreams_own_in_openais_words(usage: Any, numbers: tuple[int, ...]):
    found = to_usage(usage)
    assert found
    inputs, outputs = found["input_tokens_details"], found["output_tokens_details"]
    assert (
        found["input_tokens"],
        inputs["cached_tokens"],
        inputs["cache_write_tokens"],
        found["output_tokens"],
        outputs["reasoning_tokens"],
        found["total_tokens"],
    ) == numbers


def test_usage_that_nobody_reported_is_not_made_up():
    silent = [start(), {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, STOP]
    assert whole(silent)["usage"] is None
    assert whole([{"type": "message_start", "message": {}}, *silent[1:]])["usage"] is None


def test_what_the_end_reports_replaces_what_the_beginning_did():
    given = reply(text("a"), input_tokens=None, cache_read_input_tokens=4)
    usage = whole(given)["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (11, 5)

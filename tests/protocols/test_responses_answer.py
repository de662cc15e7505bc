import json
from collections.abc import Iterable
from typing import Any

import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from app.errors import CliTimeout, InvalidRequest, RateLimited, StreamBroken
from app.protocols.responses_answer import ResponsesAnswer, to_usage
from app.protocols.responses_request import from_request
from app.protocols.responses_thoughts import from_encrypted
from app.protocols.tool_names import ToolNames

Event = dict[str, Any]
MODEL = "claude-sonnet-5-5"
RESTART = {"type": "postern_restart"}
STOP = {"type": "message_stop"}
ECHO = from_request(b'{"model":"sonnet","input":"hi","metadata":{"a":"b"}}').echo
EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def start(model: str | None = MODEL, **usage: Any) -> Event:
    return {"type": "message_start", "message": {"id": "msg_1", "model": model, "content": [], "usage": usage}}


def opened(**block: Any) -> Event:
    return {"type": "content_block_start", "index": 0, "content_block": block}


def delta(kind: str, **members: Any) -> Event:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": f"{kind}_delta", **members}}


CLOSED = {"type": "content_block_stop", "index": 0}


def text(*said: str) -> list[Event]:
    return [opened(type="text", text=""), *(delta("text", text=one) for one in said), CLOSED]


def thinking(*said: str, signature: str = "sig") -> list[Event]:
    signed = [delta("signature", signature=signature)] if signature else []
    told = [delta("thinking", thinking=one) for one in said]
    return [opened(type="thinking", thinking="", signature=""), *told, *signed, CLOSED]


def tool(*pieces: str, name: str = "f", call_id: str = "toolu_1", **given: Any) -> list[Event]:
    told = [delta("input_json", partial_json=piece) for piece in pieces]
    return [opened(type="tool_use", id=call_id, name=name, input=given), *told, CLOSED]


def reply(*blocks: list[Event], stop_reason: str | None = "end_turn", **usage: Any) -> list[Event]:
    """Everything that upstream sends for one message."""
    ended = {"type": "message_delta", "delta": {"stop_reason": stop_reason}, "usage": {"output_tokens": 5, **usage}}
    said = [event for block in blocks for event in block]
    return [start(input_tokens=7, output_tokens=1), *said[:1], {"type": "ping"}, *said[1:], ended, STOP]


def answer(*, names: Iterable[str] = (), **options: Any) -> ResponsesAnswer:
    return ResponsesAnswer("abc", lambda: 1_700_000_000.5, "sonnet", ToolNames(names), ECHO, **options)


def whole(events: Iterable[Event], **options: Any) -> dict[str, Any]:
    """The whole response, checked by the official client's own types."""
    found = answer(**options)
    for event in events:
        found.take(0, event)
    Response.model_validate(found.whole(), strict=True)
    return found.whole()


def events(sent: bytes) -> list[Event]:
    """The events of a stream, checked by the official client's own types, and numbered without a gap."""
    found = []
    for frame in sent.split(b"\n\n")[:-1]:
        head, _, data = frame.partition(b"\n")
        event = json.loads(data.removeprefix(b"data: "))
        assert head == b"event: " + event["type"].encode()
        EVENTS.validate_python(event, strict=True)
        found.append(event)
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    return found


def streamed(given: Iterable[Event], **options: Any) -> list[Event]:
    stream = answer(**options)
    return events(b"".join(stream.encode(0, event) for event in given) + stream.end())


def reassembled(told: list[Event]) -> list[Any]:
    """The output from the events that add to it, none of which the official client may stumble over."""
    state: ResponseStreamState[None] = ResponseStreamState(input_tools=[], text_format=openai.omit)
    output: list[Any] = []
    for event in told:
        state.handle_event(EVENTS.validate_python(event))
        item = output[event["output_index"]] if event.get("output_index", len(output)) < len(output) else {}
        match event["type"].removeprefix("response."):
            case "output_item.added":
                output.append(event["item"])
            case "content_part.added":
                item["content"].append(event["part"])
            case "reasoning_summary_part.added":
                item["summary"].append(event["part"])
            case "output_text.delta":
                item["content"][event["content_index"]]["text"] += event["delta"]
            case "reasoning_summary_text.delta":
                item["summary"][event["summary_index"]]["text"] += event["delta"]
            case "function_call_arguments.delta":
                item["arguments"] += event["delta"]
    return output


def told(found: list[Event]) -> list[Any]:
    """Each event's name, and what is new in it."""
    new = ("delta", "text", "arguments")
    names = (event["type"].removeprefix("response.") for event in found)
    return [
        (name, event[key]) if (key := next((key for key in new if key in event), None)) else name
        for name, event in zip(names, found, strict=True)
    ]


# ---- streams


def test_a_text_is_told_in_openais_events():
    found = streamed(reply(text("Hel", "lo")))
    assert told(found) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        ("output_text.delta", "Hel"),
        ("output_text.delta", "lo"),
        ("output_text.done", "Hello"),
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert {event["item_id"] for event in found if "item_id" in event} == {"msg_abc0000"}
    assert found[0]["response"]["output"] == []
    assert found[0]["response"]["status"] == "in_progress"
    assert found[2]["item"] == {
        "id": "msg_abc0000",
        "type": "message",
        "status": "in_progress",
        "role": "assistant",
        "content": [],
    }
    assert found[-2]["item"] == found[-1]["response"]["output"][0]


def test_a_call_is_told_in_openais_events():
    found = streamed(reply(tool('{"a"', ": 1}"), stop_reason="tool_use"))
    assert told(found)[2:] == [
        "output_item.added",
        ("function_call_arguments.delta", '{"a"'),
        ("function_call_arguments.delta", ": 1}"),
        ("function_call_arguments.done", '{"a": 1}'),
        "output_item.done",
        "completed",
    ]
    assert found[2]["item"] == {
        "id": "fc_abc0000",
        "type": "function_call",
        "status": "in_progress",
        "call_id": "toolu_1",
        "name": "f",
        "arguments": "",
    }


def test_thinking_is_told_as_a_summary_to_those_who_ask_for_one():
    given = reply(thinking("h", "m"), text("a"))
    assert told(streamed(given, shows_thinking=True))[2:9] == [
        "output_item.added",
        "reasoning_summary_part.added",
        ("reasoning_summary_text.delta", "h"),
        ("reasoning_summary_text.delta", "m"),
        ("reasoning_summary_text.done", "hm"),
        "reasoning_summary_part.done",
        "output_item.done",
    ]
    assert told(streamed(given))[2:5] == ["output_item.added", "output_item.done", "output_item.added"]


def test_a_call_without_arguments_has_empty_ones():
    for block in (tool(), tool("")):
        assert told(streamed(reply(block)))[3] == ("function_call_arguments.delta", "{}")
    assert told(streamed(reply(tool(a=1))))[4] == ("function_call_arguments.done", '{"a":1}')


def test_every_block_has_its_place():
    given = reply(thinking("t"), text("a"), tool(call_id="1"), tool(call_id="2"), stop_reason="tool_use")
    found = streamed(given)
    places = [(e["output_index"], e["item"]["id"]) for e in found if e["type"] == "response.output_item.done"]
    assert places == [(0, "rs_abc0000"), (1, "msg_abc0001"), (2, "fc_abc0002"), (3, "fc_abc0003")]
    assert [item["id"] for item in found[-1]["response"]["output"]] == [name for _, name in places]


def test_the_model_is_the_one_that_answers():
    assert {e["response"]["model"] for e in streamed(reply(text("a"))) if "response" in e} == {MODEL}
    nameless = [start(None), *text("a"), *reply()[1:]]
    assert streamed(nameless)[-1]["response"]["model"] == "sonnet"


@pytest.mark.parametrize("said", ["", " ", "\n\n", "a\0b", "\u2028", "data: x\n\nevent: y\n\n", "é😀", '"delta":""'])
def test_a_text_is_streamed_as_it_came(said: str):
    found = streamed(reply(text(said, "x", said)))
    deltas = [event["delta"] for event in found if event["type"] == "response.output_text.delta"]
    assert deltas == [one for one in (said, "x", said) if one]


def test_an_empty_text_is_no_item():
    found = streamed(reply(text(""), thinking("t"), text()))
    assert [item["type"] for item in found[-1]["response"]["output"]] == ["reasoning"]


def test_unknown_blocks_and_events_are_passed_over():
    strange = [
        delta("text", text="of no block"),
        opened(type="server_tool_use", id="srv", name="web_search", input={}),
        delta("input_json", partial_json="{}"),
        CLOSED,
        {"type": "tomorrows_event"},
        opened(type="text", text=""),
        delta("citations", citation={}),
        delta("text"),
    ]
    found = streamed([start(), *strange, *reply(text("a"))[1:]])
    assert [item["content"][0]["text"] for item in found[-1]["response"]["output"]] == ["a"]


def test_an_event_that_tells_nothing_makes_no_bytes():
    stream = answer()
    stream.encode(0, start())
    quiet = [{"type": "ping"}, *thinking("hm"), {"type": "content_block_stop", "index": 0}, STOP]
    assert b"".join(stream.encode(0, event) for event in quiet) == b""


def test_what_the_cli_closes_of_a_message_that_broke_off_is_not_told():
    """It ends with a message_delta without a reason, and then upstream begins again."""
    broken = [start(), *thinking("hm"), {"type": "message_delta", "delta": {"stop_reason": None}}]
    again = [{"type": "postern_restart"}, *reply(text("so"))]
    found = whole([*broken, *again])
    assert [item["type"] for item in found["output"]] == ["message"]
    assert told(streamed([*broken, *again]))


TEXTS = st.text(max_size=6)
BLOCKS = st.one_of(
    st.lists(TEXTS, max_size=3).map(lambda said: text(*said)),
    st.lists(TEXTS, max_size=3).map(lambda said: thinking(*said)),
    st.tuples(TEXTS, TEXTS).map(lambda pieces: thinking(*pieces, signature="")),
    st.sampled_from([tool(), tool('{"a"', ':"é"}'), tool(name="odd"), [opened(type="redacted_thinking", data="x")]]),
)
REASONS = st.sampled_from(["end_turn", "stop_sequence", "tool_use", "max_tokens", "refusal", "tomorrows"])


@settings(deadline=None, max_examples=100)
@given(st.lists(BLOCKS, max_size=5), REASONS, st.booleans())
def test_a_stream_put_together_is_the_whole_response(blocks: Any, stop_reason: str | None, shows_thinking: bool):
    numbered = []
    for number, block in enumerate(blocks):
        first, *rest = block
        content = {**first["content_block"]}
        content |= {"id": f"toolu_{number}"} if content["type"] == "tool_use" else {}
        numbered.append([opened(**content), *rest])
    given = reply(*numbered, stop_reason=stop_reason)
    expected = whole(given, shows_thinking=shows_thinking)
    found = streamed(given, shows_thinking=shows_thinking)
    assert found[-1]["response"] == expected
    done = [event["item"] for event in found if event["type"] == "response.output_item.done"]
    assert done == expected["output"]
    for item, end in zip(reassembled(found), expected["output"], strict=True):
        for name in ("id", "type", "call_id", "name", "content", "arguments", "summary"):
            assert item.get(name) == end.get(name)


# ---- how an answer ends


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


# ---- upstream begins again


@pytest.mark.parametrize("begun", [[], [opened(type="text", text=""), delta("text", text="")], thinking("hm")])
def test_a_restart_before_anything_was_told_is_not_told(begun: list[Event]):
    found = streamed([start("claude-old"), *begun, RESTART, *reply(text("a"))])
    names = told(found)
    assert names.count("created") == 1
    assert found[-1]["response"]["model"] == MODEL
    assert [item["id"] for item in found[-1]["response"]["output"]] == ["msg_abc0000"]


# threat 18: text is never told twice
@pytest.mark.parametrize("begun", [text("a"), tool("{"), thinking("hm"), [*thinking(), *text()]])
def test_a_restart_after_something_was_told_breaks_the_stream(begun: list[Event]):
    stream = answer(shows_thinking=True)
    for event in [start(), *begun]:
        stream.encode(0, event)
    with pytest.raises(StreamBroken):
        stream.encode(0, RESTART)


def test_a_whole_response_holds_the_last_beginning_only():
    found = whole([start("claude-old", input_tokens=50), *text("Hel"), *text("x"), RESTART, *reply(text("Hello"))])
    assert [item["content"][0]["text"] for item in found["output"]] == ["Hello"]
    assert (found["model"], found["usage"]["input_tokens"]) == (MODEL, 7)


# ---- whole responses


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

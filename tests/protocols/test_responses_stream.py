from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import StreamBroken
from tests.protocols.events import MODEL, RESTART, STOP, Event, start
from tests.protocols.responses_answers import (
    CLOSED,
    answer,
    delta,
    opened,
    reassembled,
    reply,
    streamed,
    text,
    thinking,
    told,
    tool,
    whole,
)


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

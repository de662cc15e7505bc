import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import errors
from app.errors import StreamBroken
from app.protocols.anthropic_answer import AnthropicAnswer, to_error
from app.protocols.tool_names import ToolNames

Event = dict[str, Any]
RESTART = {"type": "postern_restart"}
PING = {"type": "ping"}
STOP = {"type": "message_stop"}
LONG = "look_" + "x" * 100
NAMES = ToolNames(["look", LONG])
SHORT = NAMES.to_upstream(LONG)


def start(message_id: str = "msg_1", **usage: Any) -> Event:
    message = {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-5-5",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    return {"type": "message_start", "message": message}


def opens(index: int, **block: Any) -> Event:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, kind: str, **members: Any) -> Event:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **members}}


def closes(index: int) -> Event:
    return {"type": "content_block_stop", "index": index}


def text(said: str, index: int = 0) -> Event:
    return delta(index, "text_delta", text=said)


def ends(stop_reason: str | None = "end_turn", stop_sequence: str | None = None, **usage: Any) -> Event:
    return {
        "type": "message_delta",
        "delta": {"stop_reason": stop_reason, "stop_sequence": stop_sequence},
        "usage": usage,
    }


def reply(*said: str) -> list[Event]:
    """Everything that upstream sends for one message of text."""
    return [
        start(input_tokens=7, output_tokens=1),
        opens(0, type="text", text=""),
        PING,
        *map(text, said),
        closes(0),
        ends(output_tokens=5),
        STOP,
    ]


def answer() -> AnthropicAnswer:
    return AnthropicAnswer(NAMES, "req_1")


def streamed(events: Iterable[Event]) -> list[Event]:
    stream = answer()
    return parsed(b"".join(stream.encode(0, event) for event in events) + stream.end())


def parsed(sent: bytes) -> list[Event]:
    """The events of a stream, each named by its type."""
    found = []
    for frame in sent.decode().split("\n\n")[:-1]:
        name, data = frame.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        found.append(event)
    return found


def gathered(events: Iterable[Event]) -> dict[str, Any]:
    whole = answer()
    for event in events:
        whole.take(0, event)
    return whole.whole()


# ---- streams


def test_a_stream_is_upstreams_own_without_its_pings():
    events = reply("Hel", "lo")
    assert streamed(events) == [event for event in events if event != PING]


def test_an_event_is_told_when_it_comes_but_for_blocks_that_are_empty_yet():
    stream = answer()
    sent = [len(parsed(stream.encode(0, event))) for event in reply("Hel", "lo")]
    assert sent == [1, 0, 0, 2, 1, 1, 1, 1]


@pytest.mark.parametrize("said", [" ", "\n\n", "a\0b", "\u2028", "data: x\n\n", "é😀", '"}]}'])
def test_a_text_is_streamed_as_it_came(said: str):
    stream = answer()
    sent = b"".join(stream.encode(0, event) for event in [opens(0, type="text", text=""), text(said)])
    assert parsed(sent)[1] == text(said)
    assert sent.count(b"\n\n") == 2


BLOCKS = [
    opens(0, type="thinking", thinking="", signature=""),
    delta(0, "thinking_delta", thinking="h"),
    delta(0, "thinking_delta", thinking="m"),
    delta(0, "signature_delta", signature="abc="),
    closes(0),
    opens(1, type="redacted_thinking", data="xyz"),
    closes(1),
    opens(2, type="text", text="", citations=None),
    delta(2, "citations_delta", citation={"type": "char_location", "cited_text": "a"}),
    text("so", 2),
    delta(2, "citations_delta", citation={"type": "char_location", "cited_text": "b"}),
    closes(2),
    opens(3, type="tool_use", id="t-1", name="look", input={}),
    delta(3, "input_json_delta", partial_json=""),
    delta(3, "input_json_delta", partial_json='{"a": [1, "'),
    delta(3, "input_json_delta", partial_json='é"]}'),
    closes(3),
    opens(4, type="tool_use", id="t-2", name="look", input={}),
    closes(4),
]


def test_thinking_citations_and_calls_are_streamed_as_they_came():
    events = [start(), *BLOCKS, ends("tool_use", output_tokens=9), STOP]
    assert streamed(events) == events


@pytest.mark.parametrize(
    ("upstream", "told"), [(SHORT, LONG), ("look", "look"), ("invented", "invented")], ids=["long", "short", "unknown"]
)
def test_a_call_names_the_clients_tool(upstream: str, told: str):
    events = [start(), opens(0, type="tool_use", id="t", name=upstream, input={}), closes(0), ends("tool_use"), STOP]
    assert streamed(events)[1]["content_block"]["name"] == told
    assert gathered(events)["content"] == [{"type": "tool_use", "id": "t", "name": told, "input": {}}]
    assert events[1]["content_block"]["name"] == upstream


def test_what_is_unknown_is_let_through():
    unknown = [
        {"type": "tomorrows_event", "x": 1},
        opens(0, type="tomorrows_block", x=[1]),
        delta(0, "tomorrows_delta", x=1),
        {"type": "content_block_delta", "index": 7, "delta": {"type": "text_delta", "text": "of no block"}},
        closes(0),
    ]
    assert streamed([start(), *unknown, ends(), STOP]) == [start(), *unknown, ends(), STOP]
    assert gathered([start(), *unknown, ends(), STOP])["content"] == [{"type": "tomorrows_block", "x": [1]}]


def test_the_clis_end_of_an_answer_that_broke_is_not_told():  # threat 18
    begun = [start(), opens(0, type="text", text=""), text("Hel"), closes(0)]
    assert streamed([*begun, ends(None, output_tokens=1)]) == begun
    assert streamed([*begun, ends(None), ends(), STOP]) == [*begun, ends(), STOP]


def test_silence_is_broken_by_a_ping():
    assert parsed(AnthropicAnswer.keep_alive) == [PING]


def test_a_stream_that_fails_ends_with_the_error():
    error = errors.CliCrashed("It broke.")
    assert parsed(answer().failed(error)) == [to_error(error, "req_1")]


# ---- upstream begins again

NOTHING_YET: list[list[Event]] = [
    [],
    [opens(0, type="text", text="")],
    [opens(0, type="text", text=""), PING, text("")],
    [opens(0, type="text", text=""), closes(0)],
    [opens(0, type="thinking", thinking="", signature=""), delta(0, "thinking_delta", thinking="")],
    [opens(0, type="tool_use", id="t", name="look", input={}), delta(0, "input_json_delta", partial_json="")],
    [opens(0, type="redacted_thinking", data="x"), closes(0)],
]


@pytest.mark.parametrize("before", NOTHING_YET)
def test_a_restart_before_any_content_is_not_told(before: list[Event]):
    first, *rest = [event for event in reply("Hello") if event != PING]
    assert streamed([first, *before, RESTART, start("msg_2"), *rest]) == [first, *rest]


@pytest.mark.parametrize(
    "told",
    [
        text("Hel"),
        delta(0, "thinking_delta", thinking="h"),
        delta(0, "signature_delta", signature="abc="),
        delta(0, "input_json_delta", partial_json='{"'),
        ends(),
    ],
    ids=json.dumps,
)
def test_a_restart_after_content_breaks_the_stream(told: Event):  # threat 18
    stream = answer()
    sent = [stream.encode(0, event) for event in (start(), opens(0, type="text", text=""), told)]
    with pytest.raises(StreamBroken):
        stream.encode(0, RESTART)
    assert parsed(b"".join(sent))[-1] == told


def test_an_empty_answer_is_told_whole():
    events = [start(), opens(0, type="text", text=""), closes(0), ends(output_tokens=1), STOP]
    assert streamed(events) == events


def test_a_whole_message_holds_the_last_beginning_only():
    assert gathered([start("msg_0", input_tokens=50), *BLOCKS, RESTART, *reply("Hello")]) == gathered(reply("Hello"))


# ---- whole messages


def test_a_whole_message_is_the_same_told_at_once():
    assert gathered(reply("Hel", "lo")) == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-5-5",
        "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 7, "output_tokens": 5},
    }


def test_every_kind_of_block_is_whole():
    assert gathered([start(), *BLOCKS, ends("tool_use"), STOP])["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "abc="},
        {"type": "redacted_thinking", "data": "xyz"},
        {
            "type": "text",
            "text": "so",
            "citations": [{"type": "char_location", "cited_text": "a"}, {"type": "char_location", "cited_text": "b"}],
        },
        {"type": "tool_use", "id": "t-1", "name": "look", "input": {"a": [1, "é"]}},
        {"type": "tool_use", "id": "t-2", "name": "look", "input": {}},
    ]


def test_arguments_that_were_cut_off_are_none():
    events = [
        opens(0, type="tool_use", id="t", name="look", input={}),
        delta(0, "input_json_delta", partial_json='{"a'),
    ]
    assert gathered([start(), *events, ends("max_tokens"), STOP])["content"][0]["input"] == {}


def test_arguments_that_are_nested_too_deeply_are_a_failure_and_not_left_out():
    events = [
        opens(0, type="tool_use", id="t", name="look", input={}),
        delta(0, "input_json_delta", partial_json='{"a":' + "[" * 5000 + "]" * 5000 + "}"),
    ]
    with pytest.raises(StreamBroken, match="nested too deeply"):
        gathered([start(), *events, ends("tool_use"), STOP])


@pytest.mark.parametrize(
    ("reason", "sequence"),
    [("end_turn", None), ("stop_sequence", "END"), ("max_tokens", None), ("refusal", None), ("tomorrows", None)],
)
def test_the_reason_to_stop_is_upstreams(reason: str, sequence: str | None):
    whole = gathered([start(), ends(reason, sequence), STOP])
    assert (whole["content"], whole["stop_reason"], whole["stop_sequence"]) == ([], reason, sequence)


def test_usage_is_what_upstream_said_last_of_each_number():
    begun = {"input_tokens": 7, "output_tokens": 1, "cache_read_input_tokens": 3, "service_tier": "standard"}
    ended = {"input_tokens": None, "output_tokens": 9, "cache_read_input_tokens": 4, "server_tool_use": None}
    assert gathered([start(**begun), ends(**ended), STOP])["usage"] == {
        "input_tokens": 7,
        "output_tokens": 9,
        "cache_read_input_tokens": 4,
        "service_tier": "standard",
    }


@pytest.mark.parametrize("usage", [None, {}])
def test_a_beginning_without_usage_is_let_through(usage: Any):
    begun = {"type": "message_start", "message": {"id": "m", "usage": usage}}
    assert gathered([begun, ends(output_tokens=2), STOP])["usage"] == {"output_tokens": 2}
    assert gathered([begun, {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, STOP])["usage"] == {}


def test_details_of_a_refusal_are_kept():
    details = {"type": "refusal", "category": None, "explanation": None}
    refusal = {"type": "message_delta", "delta": {"stop_reason": "refusal", "stop_details": details}, "usage": {}}
    assert gathered([start(), refusal, STOP])["stop_details"] == details


# ---- a stream, put together by the rules that clients go by, is the whole

PIECES = st.lists(st.text(max_size=4), max_size=4)
JSON = st.recursive(st.none() | st.booleans() | st.text(max_size=4), lambda inner: st.lists(inner, max_size=2))


def block_events(index: int, kind: str, pieces: list[str], arguments: Any) -> list[Event]:
    match kind:
        case "text":
            return [opens(index, type="text", text=""), *(text(piece, index) for piece in pieces), closes(index)]
        case "thinking":
            deltas = [delta(index, "thinking_delta", thinking=piece) for piece in pieces]
            signed = delta(index, "signature_delta", signature="s")
            return [opens(index, type="thinking", thinking="", signature=""), *deltas, signed, closes(index)]
    source = json.dumps({"a": arguments})
    deltas = [delta(index, "input_json_delta", partial_json=source[at : at + 3]) for at in range(0, len(source), 3)]
    return [opens(index, type="tool_use", id=f"t{index}", name=SHORT, input={}), *deltas, closes(index)]


def put_together(events: list[Event]) -> dict[str, Any]:
    message: dict[str, Any] = {}
    for event in events:
        match event["type"]:
            case "message_start":
                message = event["message"]
            case "content_block_start":
                message["content"].append(event["content_block"])
            case "content_block_delta":
                add(message["content"][event["index"]], event["delta"])
            case "message_delta":
                message |= event["delta"] | {"usage": message["usage"] | event["usage"]}
    for block in message["content"]:
        if source := block.pop("partial_json", None):
            block["input"] = json.loads(source)
    return message


def add(block: dict[str, Any], change: dict[str, Any]) -> None:
    for name in change.keys() - {"type"}:
        block[name] = block.get(name, "") + change[name]


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.tuples(st.sampled_from(["text", "thinking", "tool_use"]), PIECES, JSON), max_size=3),
    st.sampled_from(NOTHING_YET),
)
def test_a_stream_put_together_is_the_whole(blocks: list[tuple[str, list[str], Any]], before: list[Event]):
    content = [event for index, block in enumerate(blocks) for event in block_events(index, *block)]
    events = [start(input_tokens=7), *before, RESTART, start(input_tokens=7), *content, ends(output_tokens=3), STOP]
    assert put_together(streamed(events)) == gathered(events)

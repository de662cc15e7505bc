"""Answers of POST /v1/responses, checked by the official client's own types."""

import json
from collections.abc import Iterable
from typing import Any

import openai
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from app.protocols.responses_answer import ResponsesAnswer
from app.protocols.responses_request import from_request
from app.protocols.tool_names import ToolNames
from tests.protocols.events import STOP, Event, start

ECHO = from_request(b'{"model":"sonnet","input":"hi","metadata":{"a":"b"}}').echo
EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


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

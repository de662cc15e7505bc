import json
from typing import Any

import pytest
from openai.types.responses import ResponseItem
from pydantic import TypeAdapter

from app.errors import InvalidRequest
from app.protocols.responses_kept import to_deleted, to_input, to_kept, to_page
from app.protocols.responses_request import ResponsesCall, from_request

ITEM: TypeAdapter[Any] = TypeAdapter(ResponseItem)


def call(input: Any) -> ResponsesCall:
    return from_request(json.dumps({"model": "m", "input": input}).encode())


def test_what_is_kept_can_be_gone_on_from():
    said = [{"type": "text", "text": "b"}]
    kept = to_kept(call("a"), {"id": "resp_abc", "output": [{"id": "msg_1"}]}, said, {"rs_1": "x"})
    assert kept == {
        "response": {"id": "resp_abc", "output": [{"id": "msg_1"}]},
        "input": to_input(call("a").items, "abc"),
        "system": [],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "a"}]},
            {"role": "assistant", "content": said},
        ],
        "known": ["msg_abci0000", "msg_1"],
        "thoughts": {"rs_1": "x"},
    }
    body = json.dumps({"model": "m", "input": "c", "previous_response_id": "resp_abc"}).encode()
    messages = from_request(body, {"resp_abc": kept}.get).prompt.messages
    assert messages == [*kept["messages"], {"role": "user", "content": [{"type": "text", "text": "c"}]}]


def test_an_answer_that_said_nothing_leaves_the_question_standing():
    kept = to_kept(call("a"), {"id": "resp_abc", "output": []}, [], {})
    assert [turn["role"] for turn in kept["messages"]] == ["user"]
    body = json.dumps({"model": "m", "input": "c", "previous_response_id": "resp_abc"}).encode()
    (turn,) = from_request(body, {"resp_abc": kept}.get).prompt.messages
    assert [block["text"] for block in turn["content"]] == ["a", "c"]


LISTED: list[tuple[Any, Any]] = [
    (
        {"role": "user", "content": "a"},
        {
            "id": "msg_abci0000",
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_text", "text": "a"}],
        },
    ),
    (
        {"role": "developer", "content": [{"type": "input_text", "text": "a"}], "id": "msg_mine"},
        {
            "id": "msg_mine",
            "type": "message",
            "status": "completed",
            "role": "developer",
            "content": [{"type": "input_text", "text": "a"}],
        },
    ),
    (
        {"role": "user", "content": [{"type": "input_image", "image_url": "https://x"}]},
        {
            "id": "msg_abci0000",
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_image", "image_url": "https://x", "detail": "auto"}],
        },
    ),
    (
        {"role": "assistant", "content": "b", "type": "message", "status": "incomplete"},
        {
            "id": "msg_abci0000",
            "type": "message",
            "status": "incomplete",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "b", "annotations": [], "logprobs": []}],
        },
    ),
    (
        {"role": "assistant", "content": [{"type": "output_text", "text": "b", "parsed": {"b": 1}}]},
        {
            "id": "msg_abci0000",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "b", "annotations": [], "logprobs": []}],
        },
    ),
    (
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "", "parsed_arguments": {"a": 1}},
        {
            "id": "fc_abci0000",
            "type": "function_call",
            "status": "completed",
            "call_id": "c",
            "name": "f",
            "arguments": "",
        },
    ),
    (
        {"type": "function_call_output", "call_id": "c", "output": "5"},
        {
            "id": "fco_abci0000",
            "type": "function_call_output",
            "status": "completed",
            "call_id": "c",
            "output": "5",
        },
    ),
    (
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_image", "image_url": "https://x"}]},
        {
            "id": "fco_abci0000",
            "type": "function_call_output",
            "status": "completed",
            "call_id": "c",
            "output": [{"type": "input_image", "image_url": "https://x", "detail": "auto"}],
        },
    ),
    (
        {"type": "reasoning", "encrypted_content": "x"},
        {"id": "rs_abci0000", "type": "reasoning", "summary": [], "encrypted_content": "x"},
    ),
]
AROUND: dict[str, list[Any]] = {
    "function_call": [{"type": "function_call_output", "call_id": "c", "output": ""}],
    "function_call_output": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": ""}],
}


@pytest.mark.parametrize(("item", "listed"), LISTED)
def test_items_are_listed_in_the_form_of_openais(item: Any, listed: Any):
    around = AROUND.get(item.get("type"), [])
    before, after = ([], around) if item.get("type") == "function_call" else (around, [])
    items = call([*before, item, *after, {"role": "user", "content": "go on"}]).items
    (found,) = to_input(items[len(before) : len(before) + 1], "abc")
    assert found == listed
    ITEM.validate_python(found, strict=True)


def test_a_text_is_listed_as_a_message():
    (found,) = to_input(call("hi").items, "abc")
    assert (found["role"], found["content"]) == ("user", [{"type": "input_text", "text": "hi"}])


ITEMS = [{"id": f"msg_{number}"} for number in range(25)]


@pytest.mark.parametrize(
    ("query", "first", "last", "count", "has_more"),
    [
        ({}, "msg_24", "msg_5", 20, True),
        ({"order": "desc", "limit": "25"}, "msg_24", "msg_0", 25, False),
        ({"order": "asc"}, "msg_0", "msg_19", 20, True),
        ({"order": "asc", "after": "msg_19"}, "msg_20", "msg_24", 5, False),
        ({"after": "msg_24", "limit": "1"}, "msg_23", "msg_23", 1, True),
        ({"limit": "100", "include": "x"}, "msg_24", "msg_0", 25, False),
        ({"after": "msg_0"}, None, None, 0, False),
    ],
)
def test_a_list_comes_in_pages(query: Any, first: str | None, last: str | None, count: int, has_more: bool):
    page = to_page(ITEMS, query)
    assert (page["object"], len(page["data"]), page["has_more"]) == ("list", count, has_more)
    assert (page["first_id"], page["last_id"]) == (first, last)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "9" * 5000}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "٣"}, "limit"),
        ({"limit": ""}, "limit"),
        ({"order": "up"}, "order"),
        ({"after": "msg_99"}, "after"),
    ],
)
def test_a_page_that_is_none_is_refused(query: Any, param: str):
    with pytest.raises(InvalidRequest) as raised:
        to_page(ITEMS, query)
    assert raised.value.param == param


def test_what_is_deleted_is_told_by_its_name():
    assert to_deleted("resp_1") == {"id": "resp_1", "object": "response", "deleted": True}

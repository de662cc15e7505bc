from typing import Any

import pytest

from tests.protocols.chat import HELLO, as_bytes, call, refused, text


def turns(*said: tuple[str, Any]) -> list[dict[str, Any]]:
    return [{"role": role, "content": content} for role, content in said]


S, D, U, A = "system", "developer", "user", "assistant"


@pytest.mark.parametrize(
    ("messages", "system", "conversation"),
    [
        (turns((U, "hi")), [], [(U, ["hi"])]),
        (turns((S, "be"), (U, "hi")), ["be"], [(U, ["hi"])]),
        (turns((D, "be"), (U, "hi")), ["be"], [(U, ["hi"])]),
        # gathered at the head, in their order, wherever they stand
        (
            turns((S, "1"), (U, "a"), (D, "2"), (A, "b"), (S, "3"), (U, "c"), (D, "4")),
            ["1", "2", "3", "4"],
            [(U, ["a"]), (A, ["b"]), (U, ["c"])],
        ),
        (turns((S, text("1", "2")), (U, "hi")), ["1\n2"], [(U, ["hi"])]),
        (turns((S, ""), (D, " \n"), (S, []), (U, "hi")), [], [(U, ["hi"])]),
        (turns((S, " be\n"), (U, "hi")), [" be\n"], [(U, ["hi"])]),
        # neighbours of one role are one message
        (turns((U, "a"), (U, "b")), [], [(U, ["a", "b"])]),
        (turns((U, "a"), (S, "s"), (U, "b")), ["s"], [(U, ["a", "b"])]),
        (turns((U, "a"), (A, "b"), (A, "c"), (U, "d")), [], [(U, ["a"]), (A, ["b", "c"]), (U, ["d"])]),
        # blank answers say nothing
        (turns((U, "a"), (A, ""), (U, "b")), [], [(U, ["a", "b"])]),
        (turns((U, "a"), (A, None), (U, "b")), [], [(U, ["a", "b"])]),
        (turns((U, "a"), (A, []), (A, "b"), (A, " "), (U, "c")), [], [(U, ["a"]), (A, ["b"]), (U, ["c"])]),
        (turns((A, "b"), (U, "c")), [], [(A, ["b"]), (U, ["c"])]),
        (turns((U, text("a", " ", "b"))), [], [(U, ["a", "b"])]),
    ],
)
def test_messages_keep_their_roles_and_order(messages: Any, system: list[str], conversation: list[Any]):
    prompt = call(messages).prompt
    assert prompt.system == system
    assert prompt.messages == [{"role": role, "content": text(*said)} for role, said in conversation]


def test_an_answer_can_be_sent_back_as_it_came():
    answer = {"role": "assistant", "content": "b", "refusal": None, "annotations": [], "audio": None}
    answer |= {"function_call": None, "tool_calls": None, "name": None}
    prompt = call([*HELLO, answer, *HELLO]).prompt
    assert prompt.messages[1] == {"role": "assistant", "content": text("b")}


@pytest.mark.parametrize(
    "answer", [{"content": None, "refusal": "No."}, {"content": [{"type": "refusal", "refusal": "No."}]}]
)
def test_a_refusal_is_told_as_what_was_said(answer: dict[str, Any]):
    prompt = call([*HELLO, {"role": "assistant", **answer}, *HELLO]).prompt
    assert prompt.messages[1]["content"] == text("No.")


def test_a_name_is_taken_and_has_no_use():
    assert call([{"role": "user", "content": "hi", "name": "Ann"}]) == call()


@pytest.mark.parametrize("detail", ["auto", "low", "high", None])
def test_images_stand_among_the_text(detail: str | None):
    picture = {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": detail}}
    (message,) = call(turns((U, [*text("a"), picture, *text("b")]))).prompt.messages
    source = {"type": "url", "url": "https://x/y.png"}
    assert message["content"] == [*text("a"), {"type": "image", "source": source}, *text("b")]


PART = {"type": "text", "text": "x"}


@pytest.mark.parametrize(
    ("messages", "param", "code"),
    [
        (turns((S, "be")), "messages", "invalid_value"),
        (turns((U, "a"), (A, "b")), "messages", "invalid_value"),
        (turns((A, "b")), "messages", "invalid_value"),
        (turns((A, "")), "messages", "invalid_value"),
        (turns((U, "")), "messages[0].content", "invalid_value"),
        (turns((U, "a"), (A, "b"), (U, " \n")), "messages[2].content", "invalid_value"),
        (turns((U, "a"), (U, " \n")), "messages[1].content", "invalid_value"),
        (turns((U, [])), "messages[0].content", "invalid_value"),
        (turns((U, text("", " "))), "messages[0].content", "invalid_value"),
        (turns((U, None)), "messages[0].content", "invalid_value"),
        (turns((U, 5)), "messages[0].content", "invalid_value"),
        (turns((U, ["a"])), "messages[0].content[0]", "invalid_value"),
        (turns((S, None), (U, "a")), "messages[0].content", "invalid_value"),
        (turns(("", "a")), "messages[0].role", "invalid_value"),
        (turns(("User", "a")), "messages[0].role", "invalid_value"),
        (turns(("unknown field `x`", "a")), "messages[0].role", "invalid_value"),
        ([{"content": "a"}], "messages[0].role", "missing_parameter"),
        ([{"role": None, "content": "a"}], "messages[0].role", "invalid_value"),
        ([{"role": "user"}], "messages[0].content", "missing_parameter"),
        ([None], "messages[0]", "invalid_value"),
        ([{"role": "user", "content": "a", "cache_control": {}}], "messages[0].cache_control", "unknown_parameter"),
        ([{"role": "user", "content": "a", "tool_calls": []}], "messages[0].tool_calls", "unknown_parameter"),
        (turns((U, [PART, {"type": "text"}])), "messages[0].content[1].text", "missing_parameter"),
        (turns((U, [PART | {"text": None}])), "messages[0].content[0].text", "invalid_value"),
        (turns((U, [PART | {"cache_control": {}}])), "messages[0].content[0].cache_control", "unknown_parameter"),
        (turns((U, [{"text": "x"}])), "messages[0].content[0].type", "missing_parameter"),
        (turns((U, [{"type": "video"}])), "messages[0].content[0].type", "invalid_value"),
        (turns((U, [{"type": "refusal", "refusal": "x"}])), "messages[0].content[0].type", "invalid_value"),
        (turns((S, [{"type": "image_url"}]), (U, "a")), "messages[0].content[0].type", "invalid_value"),
        (turns((U, [{"type": "image_url"}])), "messages[0].content[0].image_url", "missing_parameter"),
        (
            turns((U, [{"type": "image_url", "image_url": "https://x"}])),
            "messages[0].content[0].image_url",
            "invalid_value",
        ),
        (
            turns((U, [{"type": "image_url", "image_url": {"url": "https://x", "detail": "max"}}])),
            "messages[0].content[0].image_url.detail",
            "invalid_value",
        ),
        (
            turns((U, "a"), (U, [PART, {"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}])),
            "messages[1].content[1].image_url.url",
            "invalid_value",
        ),
        (
            turns((U, [{"type": "file", "file": {"file_id": "f"}}])),
            "messages[0].content[0].file.file_id",
            "unsupported_parameter",
        ),
        (
            turns((U, [{"type": "input_audio", "input_audio": {}}])),
            "messages[0].content[0]",
            "unsupported_parameter",
        ),
        ([*HELLO, {"role": "assistant", "audio": {"id": "a"}}, *HELLO], "messages[1].audio", "unsupported_parameter"),
        (
            [*HELLO, {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}}, *HELLO],
            "messages[1].function_call",
            "unsupported_parameter",
        ),
    ],
)
def test_a_wrong_message_is_refused_by_its_place(messages: Any, param: str, code: str):
    error = refused(as_bytes(messages))
    assert (error.param, error.code) == (param, code)

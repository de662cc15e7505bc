import json
import time
from typing import Any

import pytest

from app.errors import InvalidRequest
from app.protocols.anthropic import from_request
from tests.protocols.messages import (
    FOUND,
    IMAGE,
    MARK,
    NOTE,
    PDF,
    PNG,
    asked,
    assistant,
    refused,
    result,
    text,
    use,
    user,
)
from tests.protocols.pictures import PICTURES, encoded, png

# ---- what arrives as it came


@pytest.mark.parametrize(
    "block",
    [
        text("hi"),
        text("  keep my\n\nspaces  "),
        text("\u200b"),
        text("a\0b"),
        *(
            {"type": "image", "source": {"type": "base64", "media_type": kind, "data": encoded(PICTURES[kind]())}}
            for kind in PICTURES
        ),
        {"type": "image", "source": {"type": "url", "url": "https://example.com/é.png"}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}},
        {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}, "title": "a.pdf"},
        NOTE | {"title": "b", "context": "of today", "citations": {"enabled": True}},
        {"type": "document", "source": {"type": "content", "content": "plain"}},
        {"type": "document", "source": {"type": "content", "content": [text("x"), IMAGE]}},
        FOUND | {"citations": {"enabled": False}},
    ],
    ids=lambda block: json.dumps(block)[:60],
)
def test_a_users_block_stays_as_it_is(block: dict[str, Any]):
    assert asked(user(block)) == [user(block)]


@pytest.mark.parametrize(
    "block",
    [
        text("b"),
        {"type": "thinking", "thinking": "hm", "signature": "abc="},
        {"type": "thinking", "thinking": "", "signature": "abc="},
        {"type": "redacted_thinking", "data": "xyz"},
    ],
)
def test_an_assistants_block_stays_as_it_is(block: dict[str, Any]):
    assert asked(user(text("a")), assistant(block), user(text("c")))[1] == assistant(block)


ARGUMENTS = {"a": 1, "b": [None, 1.5, {"c": "é"}], "cache_control": {"type": "ephemeral"}, "citations": None}


def test_calls_and_results_stay_as_they_are():
    call, answer = use("t-1", input=ARGUMENTS), result("t-1", text("r"), IMAGE, NOTE, FOUND, is_error=True)
    messages = [user(text("a")), assistant(text("b"), call), user(answer, text("c"))]
    assert asked(*messages) == messages


@pytest.mark.parametrize("content", ["", " \n", None, []])
def test_a_tool_may_say_nothing(content: Any):
    messages = [user(text("a")), assistant(use("t-1")), user({**result("t-1"), "content": content})]
    assert asked(*messages)[2] == user(result("t-1"))


def test_a_result_without_content_has_an_empty_one():
    answer = {"type": "tool_result", "tool_use_id": "t-1"}
    assert asked(user(text("a")), assistant(use("t-1")), user(answer))[2] == user(result("t-1"))


def test_texts_become_blocks():
    said = {"type": "tool_result", "tool_use_id": "t-1", "content": " r "}
    messages = [{"role": "user", "content": "a"}, assistant(use("t-1")), user(said)]
    assert asked(*messages) == [user(text("a")), assistant(use("t-1")), user(result("t-1", text(" r ")))]


# What clients add who send an answer back as it came, and what says nothing.
@pytest.mark.parametrize(
    ("sent", "block"),
    [
        (text("b") | {"citations": None}, text("b")),
        (text("b") | {"citations": []}, text("b")),
        (text("b") | {"citations": [{"type": "char_location", "cited_text": "a"}]}, text("b")),
        (use("t-1", caller={"type": "direct"}), use("t-1")),
        (use("t-1", caller=None, toolset_name=None), use("t-1")),
    ],
)
def test_an_answer_can_be_sent_back_as_it_came(sent: dict[str, Any], block: dict[str, Any]):
    answers = [result("t-1")] if block["type"] == "tool_use" else []
    assert asked(user(text("a")), assistant(sent), user(*answers, text("c")))[1] == assistant(block)


@pytest.mark.parametrize("is_error", [False, None])
def test_is_error_is_told_only_when_it_is_so(is_error: bool | None):
    answer = result("t-1") | {"is_error": is_error}
    assert asked(user(text("a")), assistant(use("t-1")), user(answer))[2] == user(result("t-1"))


@pytest.mark.parametrize("mark", [MARK, MARK | {"ttl": "5m"}, None])
def test_cache_control_is_taken_everywhere_and_goes_nowhere(mark: Any):
    def marked(block: dict[str, Any]) -> dict[str, Any]:
        return block | {"cache_control": mark}

    inner = {"type": "document", "source": {"type": "content", "content": [marked(text("x")), marked(IMAGE)]}}
    answer = marked(result("t-1", marked(text("r")), marked(FOUND | {"content": [marked(text("a"))]}), marked(inner)))
    messages = [
        user(marked(text("a")), marked(IMAGE), marked(NOTE), marked(inner)),
        assistant(marked(text("b")), marked(use("t-1", input=ARGUMENTS))),
        user(answer),
    ]
    plain = {"type": "document", "source": {"type": "content", "content": [text("x"), IMAGE]}}
    assert asked(*messages) == [
        user(text("a"), IMAGE, NOTE, plain),
        assistant(text("b"), use("t-1", input=ARGUMENTS)),
        user(result("t-1", text("r"), FOUND, plain)),
    ]


def test_neighbours_of_one_role_are_one_message():
    a, b, c, d, e = map(text, "abcde")
    assert asked(user(a), {"role": "user", "content": "b"}, assistant(c), assistant(d), user(e)) == [
        user(a, b),
        assistant(c, d),
        user(e),
    ]


def test_results_of_several_calls_may_come_in_any_order_and_in_several_messages():
    messages = [user(text("a")), assistant(use("1"), use("2")), user(result("2")), user(result("1"), text("b"))]
    assert asked(*messages)[2] == user(result("2"), result("1"), text("b"))


# ---- what is refused, and by what name


@pytest.mark.parametrize(
    ("content", "param"),
    [
        ("", "messages[0].content"),
        (" \n", "messages[0].content"),
        ([], "messages[0].content"),
        (None, "messages[0].content"),
        ([text("a"), text("")], "messages[0].content[1].text"),
        ([text("\u00a0\n")], "messages[0].content[0].text"),
        ([{"type": "text"}], "messages[0].content[0].text"),
        (["a"], "messages[0].content[0]"),
        ([{"type": "video"}], "messages[0].content[0].type"),
        ([{"text": "a"}], "messages[0].content[0].type"),
        ([use("t-1")], "messages[0].content[0].type"),
        ([{"type": "thinking", "thinking": "a", "signature": "b"}], "messages[0].content[0].type"),
        ([FOUND | {"content": [text("")]}], "messages[0].content[0].content[0].text"),
        ([text("a") | {"cache_control": {"type": "x"}}], "messages[0].content[0].cache_control.type"),
    ],
)
def test_content_that_says_nothing_or_is_none_is_refused(content: Any, param: str):
    error = refused({"role": "user", "content": content})
    assert error.param == param
    assert param in str(error)


@pytest.mark.parametrize("block", [IMAGE, NOTE, FOUND, result("t-1"), {"type": "server_tool_use"}])
def test_an_assistant_says_only_what_an_assistant_can(block: dict[str, Any]):
    assert refused(user(text("a")), assistant(block), user(text("b"))).param == "messages[1].content[0].type"


@pytest.mark.parametrize(
    "broken",
    [
        {"id": ""},
        {"id": "a b"},
        {"id": 5},
        {"name": ""},
        {"input": "{}"},
        {"input": None},
        {"caller": {"type": "code_execution_20250825", "tool_id": "x"}},
        {"toolset_name": "browser"},
    ],
)
def test_a_malformed_call_is_refused(broken: dict[str, Any]):
    error = refused(user(text("a")), assistant(use("t-1") | broken), user(result("t-1")))
    assert error.param.startswith("messages[1].content[0].")


IMAGES: list[tuple[dict[str, Any], str, str]] = [
    ({"type": "base64", "media_type": "image/svg+xml", "data": PNG}, ".media_type", "use one of image/jpeg"),
    ({"type": "base64", "media_type": "image/png", "data": ""}, ".data", "is empty"),
    ({"type": "base64", "media_type": "image/png", "data": "iVBO=Rw0"}, ".data", "not valid base64"),
    ({"type": "base64", "media_type": "image/png", "data": f"{PNG[:4]}\n{PNG[4:]}"}, ".data", "not valid base64"),
    ({"type": "base64", "media_type": "image/png", "data": "é"}, ".data", "not valid base64"),
    ({"type": "base64", "media_type": "image/gif", "data": PNG}, "", "no image of type image/gif"),
    ({"type": "base64", "media_type": "image/png", "data": encoded(png(8001))}, "", "8001 x 1 pixels"),
    ({"type": "url", "url": "http://example.com/a.png"}, ".url", "must be an https: URL"),
    ({"type": "url", "url": "file:///etc/passwd"}, ".url", "must be an https: URL"),
    ({"type": "file", "file_id": "file_1"}, ".file_id", "send the file itself"),
    ({"type": "text", "media_type": "text/plain", "data": "x"}, ".type", "invalid value"),
]


@pytest.mark.parametrize(("source", "at", "said"), IMAGES)
def test_a_bad_image_is_refused_and_named_wherever_it_stands(source: dict[str, Any], at: str, said: str):
    image = {"type": "image", "source": source}
    within = {"type": "document", "source": {"type": "content", "content": [text("x"), image]}}
    for messages, where in [
        ([user(text("a"), image)], "messages[0].content[1].source"),
        ([user(within)], "messages[0].content[0].source.content[1].source"),
        ([user(text("a")), assistant(use("1")), user(result("1", image))], "messages[2].content[0].content[0].source"),
    ]:
        error = refused(*messages)
        assert error.param == where + at
        assert said in str(error)
        assert where + at in str(error)


@pytest.mark.parametrize(
    ("source", "at", "said"),
    [
        ({"type": "base64", "media_type": "text/plain", "data": "QUJD"}, ".media_type", "use application/pdf"),
        ({"type": "base64", "media_type": "application/pdf", "data": "?"}, ".data", "not valid base64"),
        ({"type": "base64", "media_type": "application/pdf", "data": ""}, ".data", "is empty"),
        ({"type": "text", "media_type": "text/html", "data": "x"}, ".media_type", "text/html"),
        ({"type": "url", "url": "ftp://x/a.pdf"}, ".url", "must be an https: URL"),
        ({"type": "file", "file_id": "file_1"}, ".file_id", "send the file itself"),
        ({"type": "content", "content": [NOTE]}, ".content[0].type", "invalid value"),
    ],
)
def test_a_bad_document_is_refused_and_named(source: dict[str, Any], at: str, said: str):
    error = refused(user({"type": "document", "source": source}))
    assert error.param == f"messages[0].content[0].source{at}"
    assert said in str(error)


# threat 66
@pytest.mark.parametrize("levels", [250, 900, 985, 990, 995, 5000])
def test_arguments_that_are_nested_too_deeply_are_refused(levels: int):
    body = {"model": "m", "max_tokens": 5, "messages": [user(text("a")), assistant(use("1", input={"a": "DEEP"}))]}
    with pytest.raises(InvalidRequest, match="nested too deeply"):
        from_request(json.dumps(body).replace('"DEEP"', "[" * levels + "]" * levels).encode())


# threat 11
@pytest.mark.parametrize(
    "messages",
    [
        [user(text("a") | {"x": 1})],
        [user(IMAGE | {"transformations": {}})],
        [user({"type": "image", "source": IMAGE["source"] | {"x": 1}})],
        [user(NOTE | {"x": 1})],
        [user(NOTE | {"citations": {"enabled": True, "x": 1}})],
        [user(FOUND | {"x": 1})],
        [user(text("a")), assistant(text("b") | {"x": 1}), user(text("c"))],
        [user(text("a")), assistant(use("1") | {"x": 1}), user(result("1"))],
        [user(text("a")), assistant(use("1")), user(result("1") | {"x": 1})],
        [user(text("a")), assistant({"type": "redacted_thinking", "data": "a", "x": 1}), user(text("c"))],
        [user(text("a")), assistant({"type": "thinking", "thinking": "", "signature": "", "x": 1}), user(text("c"))],
    ],
)
def test_an_unknown_member_of_a_block_is_refused(messages: list[Any]):
    assert refused(*messages).code == "unknown_parameter"


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([user(text("a")), assistant(text("b"))], "the last one must be the user's"),
        ([assistant(text("b"))], "the last one must be the user's"),
        ([{"role": "system", "content": "be"}], "the last one must be the user's"),
        ([user(text("a")), assistant(use("1"))], "the last one must be the user's"),
        ([user(result("1"))], "'1' has no tool_use in the message before it"),
        ([user(result(""))], "'' has no tool_use in the message before it"),
        ([user(text("a")), assistant(text("b")), user(result("1"))], "'1' has no tool_use in the message before it"),
        ([user(text("a")), assistant(use("1")), user(result("2"))], "'2' has no tool_use in the message before it"),
        ([user(text("a")), assistant(use("1")), user(text("b"))], "'1' has no tool_result in the message after it"),
        (
            [user(text("a")), assistant(use("1"), use("2")), user(result("1"))],
            "'2' has no tool_result in the message after it",
        ),
        (
            [user(text("a")), assistant(use("1")), user(text("x")), assistant(text("b")), user(result("1"))],
            "'1' has no tool_result in the message after it",
        ),
        ([user(text("a")), assistant(use("1")), user(result("1"), result("1"))], "more than one tool_result"),
        ([user(text("a")), assistant(use("1"), use("1")), user(result("1"))], "'1' comes twice"),
        (
            [user(text("a")), assistant(use("1")), user(result("1")), assistant(use("1")), user(result("1"))],
            "'1' comes twice",
        ),
        ([user(text("a")), assistant(use("1")), user(text("b"), result("1"))], "come before all others"),
        ([user(text("a")), assistant(use("1")), user(text("b")), user(result("1"))], "come before all others"),
    ],
)
def test_a_conversation_that_cannot_go_on_is_refused(messages: list[Any], said: str):
    error = refused(*messages)
    assert (error.param, error.code) == ("messages", "invalid_value")
    assert said in str(error)
    assert str(error).startswith("messages: ")


# threat 67
def test_many_calls_are_checked_in_no_time():
    calls = [use(f"t{number}") for number in range(9_000)]
    messages = [user(text("a")), assistant(*calls), user(*(result(call["id"]) for call in reversed(calls)))]
    begun = time.process_time()
    assert len(asked(*messages)[2]["content"]) == 9_000
    assert time.process_time() - begun < 2

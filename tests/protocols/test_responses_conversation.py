import json
from typing import Any

import pytest

from app.errors import InvalidRequest
from app.protocols.responses_request import from_request
from app.protocols.responses_thoughts import to_encrypted
from tests.protocols.pictures import encoded, png

PDF = encoded(b"%PDF-1.4\n")
NOTE = encoded(b"a note")
PICTURE = encoded(png())
U, A = "user", "assistant"


def conversation(items: Any) -> list[tuple[str, list[Any]]]:
    """(role, blocks); a text is shown as itself."""
    messages = from_request(json.dumps({"model": "m", "input": items}).encode()).prompt.messages
    return [(turn["role"], [b["text"] if b["type"] == "text" else b for b in turn["content"]]) for turn in messages]


def refused(items: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as raised:
        conversation(items)
    return raised.value


def said(role: str, content: Any, **members: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **members}


def texts(kind: str, *said: str) -> list[dict[str, str]]:
    return [{"type": kind, "text": one} for one in said]


def call(call_id: str, name: str = "f", arguments: str = '{"a": 1}', **members: Any) -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments, **members}


def output(call_id: str, output: Any = "5", **members: Any) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": output, **members}


def thought(text: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": text, "signature": f"s-{text}"}


def reasoning(block: dict[str, Any] | None, **members: Any) -> dict[str, Any]:
    encrypted = {"encrypted_content": to_encrypted(block)} if block else {}
    return {"type": "reasoning", "id": "rs_1", "summary": [], **encrypted, **members}


def use(call_id: str, name: str = "f", **given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": name, "input": given or {"a": 1}}


def result(call_id: str, *content: Any) -> dict[str, Any]:
    blocks = [{"type": "text", "text": one} if isinstance(one, str) else one for one in content]
    return {"type": "tool_result", "tool_use_id": call_id, "content": blocks}


def test_a_text_is_a_users_message():
    assert conversation("hi") == [(U, ["hi"])]


@pytest.mark.parametrize(
    ("items", "turns"),
    [
        ([said(U, "a")], [(U, ["a"])]),
        ([said(U, texts("input_text", "a", " ", "b"))], [(U, ["a", "b"])]),
        (
            [said(U, "a", type="message"), said(A, "b", type="message"), said(U, "c")],
            [(U, ["a"]), (A, ["b"]), (U, ["c"])],
        ),
        # neighbours of one role are one message
        ([said(U, "a"), said(U, "b")], [(U, ["a", "b"])]),
        ([said(U, "a"), said("system", "s"), said(U, "b")], [(U, ["a", "b"])]),
        ([said(U, "a"), said(A, "b"), said(A, "c"), said(U, "d")], [(U, ["a"]), (A, ["b", "c"]), (U, ["d"])]),
        # blank answers say nothing
        ([said(U, "a"), said(A, ""), said(U, "b")], [(U, ["a", "b"])]),
        ([said(U, "a"), said(A, []), said(U, "b")], [(U, ["a", "b"])]),
        ([said(A, "b"), said(U, "c")], [(A, ["b"]), (U, ["c"])]),
        # an answer as it came
        (
            [
                said(U, "a"),
                said(
                    A,
                    [{"type": "output_text", "text": "b", "annotations": [], "logprobs": [], "parsed": {"b": 1}}],
                    type="message",
                    id="msg_1",
                    status="completed",
                    phase=None,
                ),
                said(U, "c"),
            ],
            [(U, ["a"]), (A, ["b"]), (U, ["c"])],
        ),
        (
            [said(U, "a"), said(A, [{"type": "refusal", "refusal": "No."}, *texts("input_text", "b")]), said(U, "c")],
            [(U, ["a"]), (A, ["No.", "b"]), (U, ["c"])],
        ),
    ],
)
def test_messages_keep_their_roles_and_order(items: Any, turns: Any):
    assert conversation(items) == turns


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (
            {"type": "input_image", "image_url": f"data:image/png;base64,{PICTURE}", "detail": "auto"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}},
        ),
        (
            {"type": "input_image", "image_url": "https://x/y.png", "detail": "original", "file_id": None},
            {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
        ),
        (
            {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"},
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
                "title": "a.pdf",
            },
        ),
        (
            {"type": "input_file", "file_data": PDF},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}},
        ),
        (
            {"type": "input_file", "filename": "b.txt", "file_data": f"data:text/plain;base64,{NOTE}", "detail": "low"},
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "a note"},
                "title": "b.txt",
            },
        ),
        (
            {"type": "input_file", "file_url": "https://x/y.pdf", "filename": "y.pdf"},
            {"type": "document", "source": {"type": "url", "url": "https://x/y.pdf"}, "title": "y.pdf"},
        ),
        (
            {"type": "input_text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit"}},
            "x",
        ),
    ],
)
def test_pictures_and_files_stand_among_the_text(part: dict[str, Any], block: Any):
    around = texts("input_text", "a", "b")
    assert conversation([said(U, [around[0], part, around[1]])]) == [(U, ["a", block, "b"])]


# ---- tools


@pytest.mark.parametrize(
    ("items", "turns"),
    [
        ([said(U, "a"), call("c1"), output("c1")], [(U, ["a"]), (A, [use("c1")]), (U, [result("c1", "5")])]),
        # several at once, answered in any order
        (
            [said(U, "a"), call("c1"), call("c2", "g"), output("c2", "2"), output("c1", "1")],
            [(U, ["a"]), (A, [use("c1"), use("c2", "g")]), (U, [result("c1", "1"), result("c2", "2")])],
        ),
        # or one after the other
        (
            [said(U, "a"), call("c1"), output("c1"), call("c2"), output("c2")],
            [(U, ["a"]), (A, [use("c1")]), (U, [result("c1", "5")]), (A, [use("c2")]), (U, [result("c2", "5")])],
        ),
        # what the user says besides comes after the outputs
        (
            [said(U, "a"), said(A, "b"), call("c1"), said(U, "and?"), output("c1")],
            [(U, ["a"]), (A, ["b", use("c1")]), (U, [result("c1", "5"), "and?"])],
        ),
        # as it came in an earlier response
        (
            [
                said(U, "a"),
                call(
                    "toolu_1",
                    id="fc_1",
                    status="completed",
                    namespace=None,
                    parsed_arguments=None,
                    caller={"type": "direct"},
                ),
                output("toolu_1", id="fco_1", status="completed", name=None),
            ],
            [(U, ["a"]), (A, [use("toolu_1")]), (U, [result("toolu_1", "5")])],
        ),
        (
            [said(U, "a"), call("c1", arguments=" "), output("c1", "")],
            [(U, ["a"]), (A, [{**use("c1"), "input": {}}]), (U, [result("c1")])],
        ),
        (
            [
                said(U, "a"),
                call("c1"),
                output("c1", [*texts("input_text", "look"), {"type": "input_image", "image_url": "https://x"}]),
            ],
            [
                (U, ["a"]),
                (A, [use("c1")]),
                (U, [result("c1", "look", {"type": "image", "source": {"type": "url", "url": "https://x"}})]),
            ],
        ),
    ],
)
def test_calls_and_their_outputs_become_neighbours(items: Any, turns: Any):
    assert conversation(items) == turns


def test_ids_that_upstream_would_not_take_are_replaced_on_both_sides():
    long_ago = [call("call|1"), output("call|1"), call("0"), output("0"), call("0"), output("0")]
    blocks = [block for _, blocks in conversation([said(U, "a"), *long_ago]) for block in blocks[:1]][1:]
    ids = [block.get("id") or block["tool_use_id"] for block in blocks]
    assert ids[0::2] == ids[1::2]
    assert len(set(ids)) == 3
    assert "0" in ids
    assert "call|1" not in ids


# ---- reasoning


@pytest.mark.parametrize(
    ("items", "turns"),
    [
        (
            [said(U, "a"), reasoning(thought("t")), said(A, "b"), said(U, "c")],
            [(U, ["a"]), (A, [thought("t"), "b"]), (U, ["c"])],
        ),
        (
            [said(U, "a"), reasoning(thought("t")), call("c1"), output("c1")],
            [(U, ["a"]), (A, [thought("t"), use("c1")]), (U, [result("c1", "5")])],
        ),
        # several thoughts in one turn stay where they were
        (
            [said(U, "a"), reasoning(thought("t")), said(A, "b"), reasoning(thought("u")), call("c1"), output("c1")],
            [(U, ["a"]), (A, [thought("t"), "b", thought("u"), use("c1")]), (U, [result("c1", "5")])],
        ),
        (
            [
                said(U, "a"),
                reasoning({"type": "redacted_thinking", "data": "xyz"}),
                said(A, "b"),
                said(U, "c"),
            ],
            [(U, ["a"]), (A, [{"type": "redacted_thinking", "data": "xyz"}, "b"]), (U, ["c"])],
        ),
        # of somebody else's, or without its signature
        (
            [
                said(U, "a"),
                reasoning(None, encrypted_content="gAAAAABo"),
                reasoning(None, summary=[{"type": "summary_text", "text": "hm"}], content=None, status=None),
                said(A, "b"),
                said(U, "c"),
            ],
            [(U, ["a"]), (A, ["b"]), (U, ["c"])],
        ),
        # thoughts that led to nothing
        ([said(U, "a"), reasoning(thought("t")), said(U, "b")], [(U, ["a", "b"])]),
        (
            [said(U, "a"), said(A, "b"), reasoning(thought("t")), said(U, "c")],
            [(U, ["a"]), (A, ["b"]), (U, ["c"])],
        ),
    ],
)
def test_thinking_goes_back_to_the_turn_that_it_belongs_to(items: Any, turns: Any):
    assert conversation(items) == turns


@pytest.mark.parametrize(
    ("items", "param", "code"),
    [
        ([said(U, "a"), said(A, "b")], "input", "invalid_value"),
        ([said("system", "s")], "input", "invalid_value"),
        ([said(U, "a"), call("c1")], "input", "invalid_value"),
        ([said(U, "")], "input[0].content", "invalid_value"),
        ([said(U, "a"), said(A, "b"), said(U, " \n")], "input[2].content", "invalid_value"),
        ([said(U, "a"), output("c1")], "input[1]", "invalid_value"),
        ([said(U, "a"), call("c1"), call("c2"), output("c2")], "input[1]", "invalid_value"),
        ([said(U, "a"), call("c1"), said(U, "b")], "input[1]", "invalid_value"),
        ([said(U, "a"), call("c1"), output("c1"), output("c1")], "input[3]", "invalid_value"),
        ([said(U, "a"), call("c1"), output("c1"), said(A, "b"), output("c1")], "input[4]", "invalid_value"),
        ([said(U, "a"), call("c1"), call("c1"), output("c1")], "input[1]", "invalid_value"),
        ([said(U, "a"), call("c1", arguments="{")], "input[1].arguments", "invalid_value"),
        ([said(U, "a"), call("c1", arguments="[]")], "input[1].arguments", "invalid_value"),
        ([said(U, "a"), call("")], "input[1].call_id", "invalid_value"),
        ([call("c1", namespace="n")], "input[0].namespace", "invalid_value"),
        ([output("c1", caller={"type": "program", "caller_id": "p"})], "input[0].caller.type", "invalid_value"),
        ([output("c1", None)], "input[0].output", "invalid_value"),
        ([{"type": "function_call", "call_id": "c", "name": "f"}], "input[0].arguments", "missing_parameter"),
        ([said("king", "a")], "input[0].role", "invalid_value"),
        ([{"type": "message", "content": "a"}], "input[0].role", "missing_parameter"),
        ([said(U, None)], "input[0].content", "invalid_value"),
        ([said(U, "a", name="x")], "input[0].name", "unknown_parameter"),
        ([said(U, texts("output_text", "a"))], "input[0].content[0].type", "invalid_value"),
        ([said("system", [{"type": "input_image"}])], "input[0].content[0].type", "invalid_value"),
        ([said(U, "a"), {"type": "web_search_call", "id": "ws_1"}], "input[1].type", "unsupported_parameter"),
        ([{"type": "item_reference"}], "input[0].id", "missing_parameter"),
        ([{}], "input[0].id", "missing_parameter"),
        ([said(U, [{"type": "input_image"}])], "input[0].content[0].image_url", "invalid_value"),
        (
            [said(U, [{"type": "input_image", "image_url": "file:///x"}])],
            "input[0].content[0].image_url",
            "invalid_value",
        ),
        (
            [said(U, [{"type": "input_image", "file_id": "f"}])],
            "input[0].content[0].file_id",
            "unsupported_parameter",
        ),
        ([said(U, [{"type": "input_file", "file_id": "f"}])], "input[0].content[0].file_id", "unsupported_parameter"),
        ([said(U, [{"type": "input_file"}])], "input[0].content[0].file_data", "invalid_value"),
        ([said(U, [{"type": "input_file", "file_url": "http://x"}])], "input[0].content[0].file_url", "invalid_value"),
        (
            [said(U, [{"type": "input_file", "file_url": "https://x", "file_data": PDF}])],
            "input[0].content[0].file_url",
            "invalid_value",
        ),
        (
            [said(U, "a"), call("c1"), output("c1", [{"type": "input_image", "image_url": "x"}])],
            "input[2].output[0].image_url",
            "invalid_value",
        ),
    ],
)
def test_a_wrong_item_is_refused_by_its_place(items: Any, param: str, code: str):
    error = refused(items)
    assert (error.param, error.code) == (param, code)

"""A client's tools as those of an MCP server. With the real CLI: test_tools_cli.py."""

from typing import Any

import pytest

from app.claude import tools
from app.claude.events import ControlRequestLine
from app.claude.tools import LONGEST_RESULT, Call, ToolServer, is_carried

Json = dict[str, Any]
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}


def asked(method: str, number: int | None = 7, **params: Any) -> ControlRequestLine:
    message = {"jsonrpc": "2.0", "method": method, "params": params} | ({} if number is None else {"id": number})
    return ControlRequestLine("r1", {"subtype": "mcp_message", "server_name": "client", "message": message})


def answer_to(server: ToolServer, line: ControlRequestLine) -> Json:
    said = server.hear(line)
    assert said
    assert (said["type"], said["response"]["request_id"]) == ("control_response", "r1")
    return said["response"]["response"]["mcp_response"]


def text(said: str) -> Json:
    return {"type": "text", "text": said}


def result(*content: Json, **more: Any) -> Json:
    return {"type": "tool_result", "tool_use_id": "t1", "content": list(content), **more}


def test_it_introduces_itself_in_the_version_that_is_asked_for():
    found = answer_to(ToolServer(), asked("initialize", protocolVersion="2025-11-25"))["result"]
    assert found["protocolVersion"] == "2025-11-25"
    assert found["capabilities"] == {"tools": {"listChanged": True}}


def test_it_lists_what_is_offered_by_name():
    server = ToolServer()
    assert answer_to(server, asked("tools/list"))["result"] == {"tools": []}
    server.offer(
        [{"name": "look", "description": "Looks.", "input_schema": {"type": "object", "properties": {"a": {}}}}]
    )
    (tool,) = answer_to(server, asked("tools/list"))["result"]["tools"]
    assert tool == {"name": "look", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}


@pytest.mark.parametrize("method", ["notifications/initialized", "ping", "tomorrows/method"])
def test_whatever_else_is_asked_is_answered(method: str):
    assert answer_to(ToolServer(), asked(method, None)) == {"jsonrpc": "2.0", "id": 0, "result": {}}


def test_a_call_waits_for_its_result():
    server = ToolServer()
    meta = {"claudecode/toolUseId": "t1"}
    assert server.hear(asked("tools/call", 9, name="look", arguments={}, _meta=meta)) is None
    assert server.calls == {"t1": Call("r1", 9)}
    said = tools.result(server.calls["t1"], result(text("rain"), IMAGE))
    assert said["response"]["request_id"] == "r1"
    assert said["response"]["response"]["mcp_response"] == {
        "jsonrpc": "2.0",
        "id": 9,
        "result": {"content": [text("rain"), {"type": "image", "data": "AAAA", "mimeType": "image/png"}]},
    }
    broken = tools.result(Call("r2", 1), result(text("no"), is_error=True))
    assert broken["response"]["response"]["mcp_response"]["result"] == {"content": [text("no")], "isError": True}


@pytest.mark.parametrize(
    "request_", [{"subtype": "can_use_tool"}, {"subtype": "mcp_message"}, {"subtype": "mcp_message", "message": 5}]
)
def test_what_is_no_message_is_refused(request_: Json):
    said = ToolServer().hear(ControlRequestLine("r1", request_))
    assert said
    assert said["response"]["subtype"] == "error"


@pytest.mark.parametrize(
    ("block", "carried"),
    [
        (result(text("rain")), True),
        (result(text("rain"), text("sun")), True),
        (result(IMAGE), True),
        (result(text("It broke."), is_error=True), True),
        (result(text("x" * (LONGEST_RESULT - 100))), True),
        (result(text("x" * LONGEST_RESULT)), False),
        (result(*[text("x")] * (LONGEST_RESULT // 31)), True),
        (result(*[text("x")] * (LONGEST_RESULT // 29)), False),
        (result(), False),
        (result(text("")), False),
        (result(text(" \n")), False),
        (result(text("a"), text("")), False),
        (result(text("a"), text("b"), is_error=True), False),
        (result(IMAGE, is_error=True), False),
        (result(is_error=True), False),
        (result({"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}}), False),
        (result({"type": "document", "source": {}}), False),
    ],
)
def test_only_what_the_cli_does_not_reword_goes_on_in_the_process(block: Json, carried: bool):
    assert is_carried(block) is carried

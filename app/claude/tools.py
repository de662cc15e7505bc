"""A client's tools, as those of an MCP server that the gateway is to the CLI.

The model sees the client's own definitions: they go into the body of the upstream request. The server only makes the
CLI hand each call over and wait. Shapes: docs/claude-cli.md, https://modelcontextprotocol.io/specification (tools).
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from app.claude.command import TOOL_SERVER
from app.claude.conversation import Block, JsonLine, control_request
from app.claude.events import ControlRequestLine
from app.claude.line_json import is_long

# The CLI writes a longer result to a file and tells the model of that instead (40,000 characters were carried as they
# are, 120,000 were not).
LONGEST_RESULT = 30_000


@dataclass(frozen=True)
class Call:
    """What waits for a result: the control request, and the request of MCP within it."""

    request_id: str
    message_id: Any


class ToolServer:
    """What the CLI asks it is answered at once, but for calls: these wait in `calls`, by the id of their tool_use."""

    def __init__(self) -> None:
        self.calls: dict[str, Call] = {}
        self.listed = 0  # how often the CLI has asked for the list
        self.called = False  # ever
        self._tools: list[JsonLine] = []

    def offer(self, tools: Iterable[Mapping[str, Any]]) -> None:
        # Read-only tools of one answer are called side by side, the others one after the other.
        self._tools = [
            {"name": tool["name"], "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}
            for tool in tools
        ]

    def hear(self, line: ControlRequestLine) -> JsonLine | None:
        """The answer, or None while there is none. The CLI waits for one to each request."""
        message = line.request.get("message")
        if line.request.get("subtype") != "mcp_message" or not isinstance(message, dict):
            return _refusal(line.request_id)
        match message.get("method"):
            case "tools/call":
                self.called = True
                use = message["params"].get("_meta", {}).get("claudecode/toolUseId", "")
                self.calls[use] = Call(line.request_id, message.get("id"))
                return None
            case "tools/list":
                self.listed += 1
                return _answer(line.request_id, message, {"tools": self._tools})
            case "initialize":
                return _answer(line.request_id, message, _introduction(message["params"]["protocolVersion"]))
        return _answer(line.request_id, message, {})


def changed(request_id: str) -> JsonLine:
    """Makes a process that has listed the tools before list them again."""
    notice = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
    return control_request(request_id, "mcp_message", server_name=TOOL_SERVER, message=notice)


def result(call: Call, block: Block) -> JsonLine:
    """Of a tool_result block that `is_carried`."""
    content = [_to_mcp(part) for part in block["content"]]
    whole = {"content": content} | ({"isError": True} if block.get("is_error") else {})
    return _response(call.request_id, {"jsonrpc": "2.0", "id": call.message_id, "result": whole})


def is_carried(block: Block) -> bool:
    """Whether this tool_result reaches the model as it is: texts and images do, but for what the CLI would reword."""
    content = block["content"]
    if block.get("is_error") and [part["type"] for part in content] != ["text"]:
        return False  # they would be joined to one text
    if not content or not all(map(_is_plain, content)):
        return False
    # Its JSON takes a moment, which is spared where it must be too long. Ten times: is_long counts 16 for each value,
    # and the JSON of one may be as short as 3 characters.
    return not is_long(content, 10 * LONGEST_RESULT) and len(json.dumps(content, ensure_ascii=False)) <= LONGEST_RESULT


def _is_plain(part: Block) -> bool:
    if part["type"] == "text":
        return bool(part["text"].strip())
    return bool(part["type"] == "image" and part["source"]["type"] == "base64")


def _to_mcp(part: Block) -> Block:
    if part["type"] == "text":
        return {"type": "text", "text": part["text"]}
    return {"type": "image", "data": part["source"]["data"], "mimeType": part["source"]["media_type"]}


def _introduction(version: str) -> JsonLine:
    server = {"name": TOOL_SERVER, "version": "1"}
    return {"protocolVersion": version, "capabilities": {"tools": {"listChanged": True}}, "serverInfo": server}


def _answer(request_id: str, message: Mapping[str, Any], found: JsonLine) -> JsonLine:
    return _response(request_id, {"jsonrpc": "2.0", "id": message.get("id", 0), "result": found})


def _response(request_id: str, message: JsonLine) -> JsonLine:
    response = {"subtype": "success", "request_id": request_id, "response": {"mcp_response": message}}
    return {"type": "control_response", "response": response}


def _refusal(request_id: str) -> JsonLine:
    response = {"subtype": "error", "request_id": request_id, "error": "not supported here"}
    return {"type": "control_response", "response": response}

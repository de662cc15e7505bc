"""The items of an input to a system prompt and a conversation. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.errors import InvalidRequest
from app.protocols.decode import Unfolding
from app.protocols.openai_content import document, image_source, refuse_file_id
from app.protocols.responses_items import (
    AssistantMessage,
    DeveloperMessage,
    FunctionCall,
    FunctionCallOutput,
    InputFile,
    InputImage,
    InputText,
    Item,
    OutputText,
    Part,
    ReasoningItem,
    Refusal,
    SystemMessage,
    UserMessage,
)
from app.protocols.responses_thoughts import from_encrypted
from app.protocols.tool_ids import ToolIds
from app.protocols.turns import Block, Turns

_PDF = "JVBERi0"  # how a PDF begins, in base64


def to_system(items: Iterable[Item]) -> list[str]:
    """Claude has one system prompt, at the head: system and developer messages are gathered there, in their order."""
    contents = (item.content for item in items if isinstance(item, (SystemMessage, DeveloperMessage)))
    texts = (content if isinstance(content, str) else "\n".join(part.text for part in content) for content in contents)
    return [text for text in texts if text.strip()]


def to_messages(items: Sequence[Item], before: Sequence[Mapping[str, Any]], unfolding: Unfolding) -> list[Block]:
    """`before`: the conversation that goes on, with what references still mean. Raises InvalidRequest."""
    turns, calls = Turns("input", before), _Calls(before, unfolding)
    for index, item in enumerate(items):
        where = f"input[{index}]"
        role = "user" if isinstance(item, UserMessage | FunctionCallOutput) else "assistant"
        blocks = _of_item(item, calls, where)
        if not blocks and isinstance(item, UserMessage) and index == len(items) - 1:
            raise _refusal(f"{where}.content", "it is empty")
        turns.add(role, blocks, where)
    return turns.messages()


class _Calls:
    """The calls of a conversation, under ids that go upstream."""

    def __init__(self, before: Iterable[Mapping[str, Any]], unfolding: Unfolding):
        self._ids = ToolIds()
        self._latest: dict[str, str] = {}
        self._unfolding = unfolding
        for turn in before:
            for block in turn["content"]:
                if block["type"] == "tool_use":
                    self._latest[block["id"]] = self._ids.to_upstream(block["id"])

    def call(self, item: FunctionCall, where: str) -> Block:
        name = self._latest[item.call_id] = self._ids.to_upstream(item.call_id)
        text = item.arguments
        given = self._unfolding.object(text, f"{where}.arguments") if text.strip() else {}
        return {"type": "tool_use", "id": name, "name": item.name, "input": given}

    def result(self, item: FunctionCallOutput, where: str) -> Block:
        name, content = self._latest.get(item.call_id, item.call_id), to_blocks(item.output, f"{where}.output")
        return {"type": "tool_result", "tool_use_id": name, "content": content}


def _of_item(item: Item, calls: _Calls, where: str) -> list[Block]:
    match item:
        case UserMessage() | AssistantMessage():
            return to_blocks(item.content, f"{where}.content")
        case FunctionCall():
            return [calls.call(item, where)]
        case FunctionCallOutput():
            return [calls.result(item, where)]
        case ReasoningItem(encrypted_content=encrypted):
            thought = from_encrypted(encrypted)
            return [thought] if thought else []
    return []  # what a reference means stands in the conversation already, and the system prompt beside it


def to_blocks(content: str | Sequence[Part], where: str) -> list[Block]:
    """Blank texts give no block."""
    parts: Iterable[Part] = [InputText(text=content)] if isinstance(content, str) else content
    blocks = (_to_block(part, f"{where}[{index}]") for index, part in enumerate(parts))
    return [block for block in blocks if block is not None]


def _to_block(part: Part, where: str) -> Block | None:
    match part:
        case InputText(text=text) | OutputText(text=text) | Refusal(refusal=text):
            return {"type": "text", "text": text} if text.strip() else None
        case InputImage():
            refuse_file_id(part.file_id, f"{where}.file_id")
            return {"type": "image", "source": image_source(part.image_url or "", f"{where}.image_url")}
        case InputFile():
            return _file(part, where)


def _file(part: InputFile, where: str) -> Block:
    refuse_file_id(part.file_id, f"{where}.file_id")
    if part.file_url is None:
        data = part.file_data or ""
        data = f"data:application/pdf;base64,{data}" if data.startswith(_PDF) else data
        return document(data, part.filename, f"{where}.file_data")
    if part.file_data is not None:
        raise _refusal(f"{where}.file_url", "send either file_data or file_url")
    if not part.file_url.startswith("https://"):
        raise _refusal(f"{where}.file_url", "it must be an https: URL")
    titled = {"title": part.filename} if part.filename else {}
    return {"type": "document", "source": {"type": "url", "url": part.file_url}, **titled}


def _refusal(where: str, problem: str) -> InvalidRequest:
    return InvalidRequest(f"{where}: {problem}.", param=where, code="invalid_value")

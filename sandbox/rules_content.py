import base64
import binascii
from collections.abc import Callable, Iterator
from typing import Any

from sandbox.prompt import Block, Body
from sandbox.signatures import is_ours

IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
# Measured on the base64 text, as the real API does.
MAX_IMAGE = 5 * 1024 * 1024
BLOCK_TYPES = (
    "text",
    "image",
    "document",
    "tool_use",
    "tool_result",
    "thinking",
    "redacted_thinking",
    "search_result",
    "container_upload",
    "server_tool_use",
    "mcp_tool_use",
    "compaction",
)
EMPTY = "all messages must have non-empty content except for the optional final assistant message"
ROLES = ("user", "assistant", "system")


def roles(body: Body) -> Iterator[str]:
    if not body["messages"]:
        yield "messages: at least one message is required"
    for n, message in enumerate(body["messages"]):
        if message.get("role") not in ROLES:
            yield f"messages.{n}.role: Input should be 'user' or 'assistant'"
        else:
            yield from message_fields(n, message)
    if body["messages"] and body["messages"][0]["role"] != "user":
        yield 'messages: first message must use the "user" role'


def message_fields(n: int, message: dict[str, Any]) -> Iterator[str]:
    # The CLI sends the system role in the midst of a conversation, under a beta header, also without content.
    allowed = {"role", "content", "output_config"} if message["role"] == "system" else {"role", "content"}
    for name in message:
        if name not in allowed:
            yield f"messages.{n}.{name}: Extra inputs are not permitted"
    if "content" not in message:
        yield f"messages.{n}.content: Field required"
    elif not isinstance(message["content"], str | list):
        yield f"messages.{n}.content: Input should be a valid list"


def contents(body: Body) -> Iterator[str]:
    yield from texts("system", body.get("system"))
    last = len(body["messages"]) - 1
    for n, message in enumerate(body["messages"]):
        content, role = message["content"], message["role"]
        if not content and role != "system" and not (n == last and role == "assistant"):
            yield f"messages.{n}: {EMPTY}"
        if content:
            yield from texts("messages", content)
            yield from blocks(f"messages.{n}.content", content)


def texts(where: str, content: Any) -> Iterator[str]:
    if isinstance(content, str):
        if not content.strip():
            yield f"{where}: text content blocks must contain non-whitespace text"
        return
    for block in content or []:
        if block.get("type") == "text":
            yield from text_block(where, block.get("text"))


def text_block(where: str, text: Any) -> Iterator[str]:
    if not isinstance(text, str):
        yield f"{where}: text: Input should be a valid string"
    elif not text:
        yield f"{where}: text content blocks must be non-empty"
    elif not text.strip():
        yield f"{where}: text content blocks must contain non-whitespace text"


def blocks(where: str, content: Any) -> Iterator[str]:
    if isinstance(content, str):
        return
    for n, block in enumerate(content):
        place = f"{where}.{n}"
        kind = block.get("type")
        if not isinstance(kind, str) or not (kind in BLOCK_TYPES or kind.endswith("_tool_result")):
            expected = ", ".join(f"'{name}'" for name in BLOCK_TYPES)
            yield (
                f"{place}: Input tag '{kind}' found using 'type' does not match any of the expected tags: {expected}"
            )
        elif kind in BLOCK_RULES:
            yield from BLOCK_RULES[kind](f"{place}.{kind}", block)


def attachment(where: str, block: Block) -> Iterator[str]:
    source = block.get("source")
    if not isinstance(source, dict):
        yield f"{where}.source: Field required"
    elif source.get("type") not in ("base64", "url", "file", "text", "content"):
        yield f"{where}.source: Input tag '{source.get('type')}' does not match any of the expected tags"
    elif source["type"] == "base64":
        types = IMAGE_TYPES if block["type"] == "image" else ("application/pdf",)
        yield from base64_source(f"{where}.source.base64", source, types)
    elif source["type"] == "text" and not isinstance(source.get("data"), str):
        yield f"{where}.source.text.data: Input should be a valid string"
    elif source["type"] == "url" and not str(source.get("url")).startswith("https://"):
        yield f"{where}.source.url.url: Only HTTPS URLs are supported."


def base64_source(where: str, source: dict[str, Any], types: tuple[str, ...]) -> Iterator[str]:
    media_type, data = source.get("media_type"), source.get("data")
    if media_type not in types:
        yield f"{where}.media_type: Input should be {one_of(types)}"
    elif not isinstance(data, str) or not data:
        yield f"{where}.data: Field required"
    elif len(data) > MAX_IMAGE and types is IMAGE_TYPES:
        yield f"{where}: image exceeds 5 MB maximum: {len(data)} bytes > {MAX_IMAGE} bytes"
    else:
        yield from base64_data(f"{where}.data", data, media_type)


def base64_data(where: str, data: str, media_type: str) -> Iterator[str]:
    try:
        head = base64.b64decode(data, validate=True)[:16]
    except (binascii.Error, ValueError):
        yield f"{where}: invalid base64 data"
        return
    seen = type_of(head)
    if seen is None:
        yield "Could not process image" if media_type in IMAGE_TYPES else "The PDF specified was not valid."
    elif seen != media_type:
        yield f"{where}: Image does not match the provided media type {media_type}"


def type_of(head: bytes) -> str | None:
    if head[:4] == b"RIFF":
        return "image/webp" if head[8:12] == b"WEBP" else None
    return next((name for magic, name in MAGICS.items() if head.startswith(magic)), None)


MAGICS = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"GIF8": "image/gif",
    b"%PDF-": "application/pdf",
}


def one_of(names: tuple[str, ...]) -> str:
    *most, last = (f"'{name}'" for name in names)
    return f"{', '.join(most)} or {last}" if most else last


def thinking_block(where: str, block: Block) -> Iterator[str]:
    place = where.removesuffix(".thinking")
    if not isinstance(block.get("signature"), str):
        yield f"{where}.signature: Field required"
    elif not is_ours(block["signature"], str(block.get("thinking"))):
        yield f"{place}: Invalid `signature` in `thinking` block"


def text_type(where: str, block: Block) -> Iterator[str]:
    if not isinstance(block.get("text"), str):
        yield f"{where}.text: Input should be a valid string"


def tool_result_block(where: str, block: Block) -> Iterator[str]:
    if not isinstance(block.get("tool_use_id"), str):
        yield f"{where}.tool_use_id: Field required"
    if isinstance(block.get("content"), dict):
        yield f"{where}.content: Input should be a valid list"
    elif block.get("content"):
        yield from blocks(f"{where}.content", block["content"])


def tool_use_block(where: str, block: Block) -> Iterator[str]:
    if not isinstance(block.get("input"), dict):
        yield f"{where}.input: Input should be a valid dictionary"
    if not block.get("name"):
        yield f"{where}.name: String should have at least 1 character"


BLOCK_RULES: dict[str, Callable[[str, Block], Iterator[str]]] = {
    "text": text_type,
    "image": attachment,
    "document": attachment,
    "thinking": thinking_block,
    "tool_result": tool_result_block,
    "tool_use": tool_use_block,
}


def trailing_whitespace(body: Body) -> Iterator[str]:
    last = body["messages"][-1]
    if last["role"] != "assistant" or not last["content"]:
        return
    text = last["content"] if isinstance(last["content"], str) else last["content"][-1].get("text", "")
    if text != text.rstrip():
        yield "messages: final assistant content cannot end with trailing whitespace"


CONTENT_RULES = (roles, contents, trailing_whitespace)

"""Readings of a Messages API body that passed the rules."""

from collections.abc import Iterator
from typing import Any

Body = dict[str, Any]
Block = dict[str, Any]


def blocks_of(content: Any) -> list[Block]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [block for block in content or [] if isinstance(block, dict)]


def last_user_blocks(body: Body) -> list[Block]:
    for message in reversed(body["messages"]):
        if message.get("role") == "user":
            return blocks_of(message.get("content"))
    return []


def texts_of(blocks: list[Block]) -> Iterator[str]:
    for block in blocks:
        if block.get("type") == "text":
            yield block.get("text") or ""
        elif block.get("type") == "tool_result":
            yield from texts_of(blocks_of(block.get("content")))


def last_user_text(body: Body) -> str:
    return "\n".join(texts_of(last_user_blocks(body)))


def system_text(body: Body) -> str:
    return "\n".join(texts_of(blocks_of(body.get("system"))))


def attachments(body: Body) -> list[Block]:
    return [block for block in last_user_blocks(body) if block.get("type") in ("image", "document")]


def thinks(body: Body) -> bool:
    return (body.get("thinking") or {}).get("type") in ("enabled", "adaptive")


def tool_names(body: Body) -> list[str]:
    return [tool.get("name", "") for tool in body.get("tools") or []]

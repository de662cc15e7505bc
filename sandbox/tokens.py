"""Counts that add up: not Anthropic's tokenizer, but the same number for the same prompt, every time."""

import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.prompt import Block, Body, blocks_of

CHARACTERS_PER_TOKEN = 4
TOKENS_PER_ATTACHMENT = 1_600
# With a login the CLI puts a line into the system prompt that differs in every request: no part of what is cached.
BILLING = "x-anthropic-billing-header:"
MAX_PREFIXES = 20_000
LIFETIMES = {"5m": 300.0, "1h": 3600.0}


def count_text(text: str) -> int:
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def count_block(block: Block) -> int:
    source = block.get("source")
    if isinstance(source, dict):
        return count_text(source.get("data", "")) if source.get("type") == "text" else TOKENS_PER_ATTACHMENT
    if block.get("type") == "text":
        return count_text(block.get("text") or "")
    if block.get("type") == "tool_result":
        return sum(map(count_block, blocks_of(block.get("content"))))
    return count_text(json.dumps(block, ensure_ascii=False))


def pieces(body: Body) -> Iterator[tuple[str, Block]]:
    """The prompt in the order in which Anthropic caches it: tools, system, messages."""
    for tool in body.get("tools") or []:
        yield "tool", tool
    for block in blocks_of(body.get("system")):
        if not str(block.get("text")).startswith(BILLING):
            yield "system", block
    for message in body["messages"]:
        for block in blocks_of(message.get("content")):
            yield message.get("role", ""), block


def count_prompt(body: Body) -> int:
    return sum(count_block(block) for _, block in pieces(body))


@dataclass(frozen=True)
class Boundary:
    """The end of one block: the tokens up to here, the prefix's name, and its cache lifetime if it is marked."""

    tokens: int
    prefix: str
    ttl: str | None


def boundaries(body: Body) -> list[Boundary]:
    digest = hashlib.sha256(str(body.get("model")).encode())
    tokens, found = 0, []
    for role, block in pieces(body):
        unmarked = {name: value for name, value in block.items() if name != "cache_control"}
        digest.update(role.encode() + json.dumps(unmarked, sort_keys=True).encode())
        tokens += count_block(block)
        marker = block.get("cache_control")
        found.append(Boundary(tokens, digest.hexdigest(), (marker.get("ttl") or "5m") if marker else None))
    if body.get("cache_control") and found:
        found[-1] = Boundary(found[-1].tokens, found[-1].prefix, body["cache_control"].get("ttl") or "5m")
    return found


class PromptCache:
    def __init__(self) -> None:
        self.prefixes: OrderedDict[str, float] = OrderedDict()

    def usage(self, body: Body) -> dict[str, Any]:
        ends = boundaries(body)
        marked = [index for index, end in enumerate(ends) if end.ttl]
        last = marked[-1] if marked else -1
        read = max((end.tokens for end in ends[: last + 1] if self.is_alive(end.prefix)), default=0)
        written = (ends[last].tokens - read) if marked else 0
        self.remember([ends[index] for index in marked])
        total = ends[-1].tokens if ends else 0
        return usage(total - read - written, written, read, ends[last].ttl if marked else None)

    def is_alive(self, prefix: str) -> bool:
        return self.prefixes.get(prefix, 0.0) > time.monotonic()

    def remember(self, ends: list[Boundary]) -> None:
        for end in ends:
            self.prefixes[end.prefix] = time.monotonic() + LIFETIMES.get(end.ttl or "5m", 300.0)
            self.prefixes.move_to_end(end.prefix)
        while len(self.prefixes) > MAX_PREFIXES:
            self.prefixes.popitem(last=False)


def usage(plain: int, written: int, read: int, ttl: str | None) -> dict[str, Any]:
    return {
        "input_tokens": plain,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": written if ttl != "1h" else 0,
            "ephemeral_1h_input_tokens": written if ttl == "1h" else 0,
        },
        "service_tier": "standard",
    }

"""Which conversation a process holds, so that the request which goes on with it finds it. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from app.claude.conversation import Block, Prompt
from app.claude.tools import is_carried

_encode = msgspec.json.Encoder(order="sorted").encode


def key_after(owner: str, model: str, prompt: Prompt, answer: Sequence[Block]) -> bytes:
    """Of the conversation that `prompt` and its answer make together. Only the same `owner` goes on with it."""
    return _key(owner, model, prompt, [*prompt.messages, {"role": "assistant", "content": answer}])


def key_before(owner: str, model: str, prompt: Prompt) -> bytes:
    """Of the conversation that `prompt` goes on with: all but its last message."""
    return _key(owner, model, prompt, prompt.messages[:-1])


def tool_results(prompt: Prompt) -> list[Block]:
    """What a process that waits for its tools' results can be given; empty when the prompt asks something else."""
    blocks: list[Block] = prompt.messages[-1]["content"]
    answers = all(block["type"] == "tool_result" and is_carried(block) for block in blocks)
    return blocks if answers else []


def _key(owner: str, model: str, prompt: Prompt, messages: Sequence[Mapping[str, Any]]) -> bytes:
    whole = [owner, model, prompt.system, prompt.tools, list(map(_plain, messages))]
    return hashlib.sha256(_encode(whole)).digest()


def _plain(message: Mapping[str, Any]) -> Any:
    """An answer comes back with its texts joined, the blank ones left out, and often without its thinking."""
    if message["role"] != "assistant":
        return message
    blocks = message["content"]
    text = "".join(block["text"] for block in blocks if block["type"] == "text" and block["text"].strip())
    calls = [(block["id"], block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"]
    return text, calls

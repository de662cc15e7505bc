"""Which conversation a process holds, so that the request which goes on with it finds it."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from app.claude.conversation import Block, Prompt
from app.claude.line_json import has_long_text
from app.claude.tools import is_carried
from app.pace import STEP_BYTES, give_way

_MESSAGES_IN_A_ROW = 256
_encode = msgspec.json.Encoder(order="sorted").encode


class Keys:
    """Of the conversation that a request goes on with, and of the one that it makes together with its answer.

    Only the same `owner` goes on with it (threat 9). What its parameters are does not matter.
    """

    def __init__(self, owner: str, model: str, prompt: Prompt):
        *earlier, self._last = prompt.messages
        self._hash = hashlib.sha256(_encode([owner, model, prompt.system, prompt.tools]))
        for number, message in enumerate(earlier, 1):
            _add(self._hash, _plain(message))
            if number % _MESSAGES_IN_A_ROW == 0:
                give_way()
        self.before = self._hash.digest()

    def after(self, answer: Sequence[Block]) -> bytes:
        whole = self._hash.copy()
        for message in (self._last, {"role": "assistant", "content": answer}):
            _add(whole, _plain(message))
        return whole.digest()


def _add(whole: "hashlib._Hash", value: Any) -> None:
    """In steps, where there is a long text within."""
    if isinstance(value, str) and len(value) > STEP_BYTES:
        whole.update(_encode(["text", len(value)]))
        for start in range(0, len(value), STEP_BYTES):
            whole.update(value[start : start + STEP_BYTES].encode("utf-8", "surrogatepass"))
            give_way()
    elif isinstance(value, Mapping) and has_long_text(value):
        whole.update(_encode(["members", len(value)]))
        for name in sorted(value):
            whole.update(_encode(name))
            _add(whole, value[name])
    elif isinstance(value, list | tuple) and has_long_text(value):
        whole.update(_encode(["values", len(value)]))
        for inner in value:
            _add(whole, inner)
    else:
        whole.update(_encode(value))


def may_go_on(prompt: Prompt) -> bool:
    """Whether a process that holds all but the last message could be given that one as it is."""
    if len(prompt.messages) == 1:
        return False
    blocks = prompt.messages[-1]["content"]
    results = [block for block in blocks if block["type"] == "tool_result"]
    return not results or (len(results) == len(blocks) and all(map(is_carried, results)))


def brings_results(prompt: Prompt) -> bool:
    return bool(prompt.messages[-1]["content"][0]["type"] == "tool_result")


def _plain(message: Mapping[str, Any]) -> Any:
    """An answer comes back with its texts joined, the blank ones left out, and often without its thinking."""
    if message["role"] != "assistant":
        return message
    blocks = message["content"]
    text = "".join(block["text"] for block in blocks if block["type"] == "text" and block["text"].strip())
    calls = [(block["id"], block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"]
    return text, calls

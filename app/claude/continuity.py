"""Which conversation a process holds, so that the request which goes on with it finds it."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import msgspec

from app.claude.conversation import Block, Prompt
from app.claude.line_json import LONG, is_long
from app.claude.tools import is_carried
from app.pace import STEP_BYTES, give_way

_encoder = msgspec.json.Encoder(order="sorted")
# What a part takes besides its bytes, as bytes.
_PART_BYTES = 1000


class Keys:
    """Of the conversation that a request goes on with, and of the one that it makes together with its answer.

    Only the same `owner` goes on with it (threat 9). What its parameters are does not matter.
    """

    def __init__(self, owner: str, model: str, prompt: Prompt):
        *earlier, self._last = prompt.messages
        self._hash = hashlib.sha256()
        _add(self._hash, [[owner, model, prompt.system, prompt.tools], *map(_plain, earlier)])
        self.before = self._hash.digest()

    def after(self, answer: Sequence[Block]) -> bytes:
        whole = self._hash.copy()
        _add(whole, [_plain(self._last), _plain({"role": "assistant", "content": answer})])
        return whole.digest()


def _add(whole: "hashlib._Hash", values: list[Any]) -> None:
    """The same in the end, whether the values come together or one by one."""
    if not is_long(values, STEP_BYTES):
        whole.update(_encoder.encode_lines(values))
        return
    size = 0
    for part in chain.from_iterable(_parts(value, STEP_BYTES) for value in values):
        whole.update(part)
        size += len(part) + _PART_BYTES
        if size > STEP_BYTES:
            give_way()
            size = 0


def _parts(value: Any, at_once: int) -> Iterable[bytes]:
    """A line of JSON, or for what is longer, steps: they begin with a zero byte, which no JSON does."""
    return _steps(value) if is_long(value, at_once) else (_encoder.encode_lines([value]),)


def _steps(value: Any) -> Iterator[bytes]:
    if isinstance(value, str):
        yield b"\0text %d " % len(value)
        for start in range(0, len(value), STEP_BYTES):
            yield value[start : start + STEP_BYTES].encode("utf-8", "surrogatepass")
    elif isinstance(value, dict):
        yield b"\0members %d " % len(value)
        for name in sorted(value):
            yield _encoder.encode(name)
            yield from _parts(value[name], LONG)
    else:
        yield b"\0values %d " % len(value)
        for inner in value:
            yield from _parts(inner, LONG)


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
        return message["content"]
    texts, calls = [], []
    for block in message["content"]:
        if block["type"] == "text":
            if not block["text"].isspace():
                texts.append(block["text"])
        elif block["type"] == "tool_use":
            calls.append((block["id"], block["name"], block["input"]))
    return "".join(texts), calls

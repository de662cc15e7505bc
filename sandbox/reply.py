"""What the sandbox will say to one request: decided whole, before the first byte is sent."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from sandbox import answers
from sandbox.errors import new_id
from sandbox.prompt import Body, last_user_text, thinks, tool_names
from sandbox.scripts import Script, split_marker
from sandbox.signatures import signature_of
from sandbox.tokens import CHARACTERS_PER_TOKEN, count_text

# Like a model's: a few characters to a few words, and never a megabyte because the text has no blanks.
WORD = re.compile(r"\s*\S{1,24}|\s+$")
JSON_PIECE = 12


@dataclass
class Block:
    kind: str
    deltas: list[str]
    name: str = ""
    input: Any = None
    signature: str = ""
    id: str = field(default_factory=lambda: new_id("toolu"))

    @property
    def text(self) -> str:
        return "".join(self.deltas)


@dataclass
class Reply:
    id: str
    model: str
    blocks: list[Block]
    stop_reason: str
    stop_sequence: str | None = None
    stop_details: dict[str, Any] | None = None

    @property
    def output_tokens(self) -> int:
        return sum(count_text(block.text) for block in self.blocks)


def words_of(text: str) -> list[str]:
    return WORD.findall(text)


def grouped(words: list[str]) -> list[str]:
    """Deltas of one to three words, the same ones for the same words."""
    deltas, at = [], 0
    while at < len(words):
        size = 1 + (len(words[at]) + at) % 3
        deltas.append("".join(words[at : at + size]))
        at += size
    return deltas


def scripted_deltas(script: Script, body: Body) -> list[str] | None:
    if script.chunks is not None:
        return script.chunks
    if script.words is not None:
        return [f" w{n}" if n else "w0" for n in range(script.words)]
    if script.answer is not None:
        return grouped(words_of(script.answer))
    if script.echo:
        return grouped(words_of(split_marker(last_user_text(body))[0]))
    return None


def answer_parts(script: Script, body: Body) -> tuple[list[str], list[dict[str, Any]]]:
    """The text's deltas and the tools to call; a demo answer has one or the other."""
    deltas, calls = scripted_deltas(script, body), script.tool_use
    if deltas is None and calls is None:
        calls = answers.demo_tool_use(body)
        deltas = [] if calls else grouped(words_of(answers.demo_answer(body)))
    return [delta for delta in deltas or [] if delta], calls or []


def thinking_block(thinking: str, body: Body) -> Block:
    shown = "" if body["thinking"].get("display") == "omitted" else thinking
    return Block("thinking", grouped(words_of(shown)), signature=signature_of(shown))


def full_name(name: str, offered: list[str]) -> str:
    """A script names the client's tool; the CLI may have offered it as `mcp__client__NAME`."""
    return next((other for other in offered if other == name or other.endswith(f"__{name}")), name)


def tool_block(call: dict[str, Any], body: Body) -> Block:
    source = json.dumps(call.get("input", {}))
    deltas = [source[at : at + JSON_PIECE] for at in range(0, len(source), JSON_PIECE)]
    return Block("tool_use", deltas, name=full_name(call["name"], tool_names(body)), input=call.get("input", {}))


def compose(script: Script, body: Body) -> Reply:
    deltas, calls = answer_parts(script, body)
    blocks = [thinking_block(script.thinking, body)] if script.thinking is not None and thinks(body) else []
    blocks += [Block("text", deltas)] if deltas else []
    blocks += [tool_block(call, body) for call in calls]
    reply = Reply(new_id("msg"), body["model"], blocks, "tool_use" if calls else "end_turn")
    stop_at_sequence(reply, body.get("stop_sequences") or [])
    stop_at_limit(reply, body["max_tokens"])
    if script.stop:
        reply.stop_reason, reply.stop_sequence = script.stop, None
    if reply.stop_reason == "refusal":
        reply.stop_details = {"type": "refusal", "category": None, "explanation": None}
    return reply


def stop_at_sequence(reply: Reply, sequences: list[str]) -> None:
    for index, block in enumerate(reply.blocks):
        if block.kind != "text":
            continue
        text = block.text
        hits = [(text.find(sequence), sequence) for sequence in sequences if sequence in text]
        if hits:
            position, reply.stop_sequence = min(hits)
            reply.stop_reason = "stop_sequence"
            cut(reply, index, position)
            return


def stop_at_limit(reply: Reply, max_tokens: int) -> None:
    left = max_tokens
    for index, block in enumerate(reply.blocks):
        used = count_text(block.text)
        if used > left:
            reply.stop_reason, reply.stop_sequence = "max_tokens", None
            cut(reply, index, left * CHARACTERS_PER_TOKEN)
            return
        left -= used


def cut(reply: Reply, index: int, length: int) -> None:
    block = reply.blocks[index]
    block.deltas = shortened(block.deltas, length)
    del reply.blocks[index + bool(block.deltas) :]


def shortened(deltas: list[str], length: int) -> list[str]:
    kept = []
    for delta in deltas:
        if length <= 0:
            break
        kept.append(delta[:length])
        length -= len(delta)
    return kept

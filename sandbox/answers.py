"""Demo answers: written by hand, chosen by words of the prompt, and open about it."""

import json
import re
from collections import Counter
from typing import Any

from sandbox.demo_texts import ABOUT, CODE, COMPARISON, DEFAULT, POEM, STEPS
from sandbox.examples import example
from sandbox.prompt import Block, Body, attachments, blocks_of, last_user_blocks, texts_of
from sandbox.scripts import split_marker

# The first that shares a word with the prompt is the answer.
TOPICS = {
    "python code function script bug program class regex test javascript sql": CODE,
    "table compare comparison difference versus vs pros cons options": COMPARISON,
    "poem haiku verse rhyme song story": POEM,
    "how steps plan explain install guide recipe teach": STEPS,
    "who hello hi help sandbox postern": ABOUT,
}
MAX_QUOTE = 80


def question(body: Body) -> str:
    """The user's own words, without the reminders that the CLI puts beside them."""
    own = [text for text in texts_of(last_user_blocks(body)) if not text.lstrip().startswith("<system-reminder>")]
    return split_marker("\n".join(own))[0]


def demo_answer(body: Body) -> str:
    schema = ((body.get("output_config") or {}).get("format") or {}).get("schema")
    if schema:
        return json.dumps(example(schema))
    asked = question(body)
    parts = [seen_attachments(body), tool_report(body) or topic(asked), seen(body)]
    return "\n\n".join(part for part in parts if part)


def topic(asked: str) -> str:
    words = set(re.findall(r"[a-z]+", asked.lower()))
    return next((text for keys, text in TOPICS.items() if words & set(keys.split())), DEFAULT)


def seen(body: Body) -> str:
    roles = Counter(str(message.get("role")) for message in body["messages"])
    counted = ", ".join(f"{count} from {role}" for role, count in roles.items())
    return (
        "---\n"
        f"*Written by the Postern sandbox, not by a model. Asked for: `{body['model']}`. "
        f"Messages: {counted}. {seen_system(body)}*"
    )


def seen_system(body: Body) -> str:
    texts = [text for text in texts_of(blocks_of(body.get("system"))) if text.strip()]
    if not texts:
        return "No system prompt."
    characters = sum(map(len, texts))
    return f"System prompt: {characters:,} characters, the last part begins “{quoted(texts[-1])}”"


def quoted(text: str) -> str:
    line = " ".join(text.replace("*", "").replace("`", "'").split())
    return line if len(line) <= MAX_QUOTE else f"{line[:MAX_QUOTE].rstrip()}…"


def seen_attachments(body: Body) -> str:
    return "\n".join(f"I see {described(block)}." for block in attachments(body))


def described(block: Block) -> str:
    source: dict[str, Any] = block.get("source") or {}
    name = "an image" if block["type"] == "image" else "a document"
    if source.get("type") == "base64":
        data = source.get("data", "")
        size = len(data) * 3 // 4 - data[-2:].count("=")
        return f"{name} ({source.get('media_type')}, {size} bytes)"
    if source.get("type") == "url":
        return f"{name} (at {source.get('url')}, not fetched)"
    return f"{name} ({source.get('type', 'no source')})"


def tool_report(body: Body) -> str:
    results = [block for block in last_user_blocks(body) if block.get("type") == "tool_result"]
    lines = [f"- {'an error: ' if block.get('is_error') else ''}{result_text(block)}" for block in results]
    return "Thank you, the tool answered:\n\n" + "\n".join(lines) if lines else ""


def result_text(block: Block) -> str:
    return " ".join("\n".join(texts_of(blocks_of(block.get("content")))).split()) or "(nothing)"


def demo_tool_use(body: Body) -> list[dict[str, Any]]:
    """A call when the request forces one, or when the prompt names a tool; never right after a result."""
    offered = [tool for tool in body.get("tools") or [] if tool.get("input_schema")]
    if any(block.get("type") == "tool_result" for block in last_user_blocks(body)):
        return []
    choice = body.get("tool_choice") or {}
    if choice.get("type") == "tool":
        offered = [tool for tool in offered if tool["name"] == choice.get("name")]
    elif choice.get("type") == "none":
        return []
    elif choice.get("type") != "any":
        asked = question(body)
        offered = [tool for tool in offered if is_named(tool["name"], asked)]
    return [{"name": tool["name"], "input": example(tool["input_schema"])} for tool in offered[:1]]


def is_named(tool: str, asked: str) -> bool:
    """By the client's name for it, which is the part behind `mcp__server__`; a plain word is no name."""
    name = tool.rsplit("__", 1)[-1] if tool.startswith("mcp__") else tool
    return "_" in name and re.search(rf"\b{re.escape(name)}\b", asked) is not None

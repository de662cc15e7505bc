import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sandbox.prompt import Body, blocks_of

TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
DATED_TYPE = re.compile(r"\w+_\d{8}|mcp_toolset")
TOOL_ID = re.compile(r"[a-zA-Z0-9_-]+")


def tools(body: Body) -> Iterator[str]:
    given = body.get("tools") or []
    for n, tool in enumerate(given):
        # A tool with another type (bash_20250124, web_search_20250305) brings a schema of its own.
        kind = str(tool.get("type", "custom"))
        if kind == "custom":
            yield from custom_tool(f"tools.{n}.custom", tool)
        elif not DATED_TYPE.fullmatch(kind):
            yield f"tools.{n}: Input tag '{kind}' found using 'type' does not match any of the expected tags"
    names = [str(tool.get("name")) for tool in given]
    if len(set(names)) < len(names):
        yield "tools: Tool names must be unique."


def custom_tool(where: str, tool: dict[str, Any]) -> Iterator[str]:
    name, schema = tool.get("name"), tool.get("input_schema")
    if not isinstance(name, str) or not TOOL_NAME.fullmatch(name):
        yield f"{where}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
    if not isinstance(schema, dict):
        yield f"{where}.input_schema: Field required"
    elif "type" not in schema:
        yield f"{where}.input_schema.type: Field required"
    elif schema["type"] != "object":
        yield f"{where}.input_schema.type: Input should be 'object'"


def tool_choice(body: Body) -> Iterator[str]:
    choice = body.get("tool_choice")
    if choice is None:
        return
    kind = choice.get("type")
    if kind not in ("auto", "any", "tool", "none"):
        yield (
            f"tool_choice: Input tag '{kind}' found using 'type' does not match any of the expected tags: "
            "'auto', 'any', 'tool', 'none'"
        )
        return
    names = [tool.get("name") for tool in body.get("tools") or []]
    if kind != "none" and not names:
        yield "tool_choice may only be specified while providing tools"
    if kind == "tool" and choice.get("name") not in names:
        yield f"Tool '{choice.get('name')}' not found in provided tools"


@dataclass
class Turn:
    """Neighbouring messages of one role: the API joins them before it pairs tools with results."""

    first: int
    role: str
    blocks: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def ids(self, kind: str, name: str) -> list[str]:
        return [str(block.get(name)) for _, block in self.blocks if block.get("type") == kind]


def turns(body: Body) -> list[Turn]:
    found: list[Turn] = []
    for n, message in enumerate(body["messages"]):
        if message["role"] == "system":
            continue
        if not found or found[-1].role != message["role"]:
            found.append(Turn(n, message["role"]))
        places = enumerate(blocks_of(message["content"]))
        found[-1].blocks += [(f"messages.{n}.content.{place}", block) for place, block in places]
    return found


def tool_ids(body: Body) -> Iterator[str]:
    seen: set[str] = set()
    for turn in turns(body):
        for where, block in turn.blocks:
            if block.get("type") != "tool_use":
                continue
            given = str(block.get("id"))
            if not TOOL_ID.fullmatch(given):
                yield f"{where}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"
            if given in seen:
                yield "messages: `tool_use` ids must be unique"
            seen.add(given)


def tool_pairs(body: Body) -> Iterator[str]:
    found = turns(body)
    for before, turn in zip([None, *found], found, strict=False):
        yield from orphan_results(before, turn)
    for turn, after in zip(found, [*found[1:], None], strict=True):
        yield from orphan_calls(turn, after)


def orphan_results(before: Turn | None, turn: Turn) -> Iterator[str]:
    called = before.ids("tool_use", "id") if before else []
    for where, block in turn.blocks:
        if block.get("type") == "tool_result" and block.get("tool_use_id") not in called:
            yield (
                f"{where}: unexpected `tool_use_id` found in `tool_result` blocks: {block.get('tool_use_id')}. Each "
                "`tool_result` block must have a corresponding `tool_use` block in the previous message."
            )


def orphan_calls(turn: Turn, after: Turn | None) -> Iterator[str]:
    answered = after.ids("tool_result", "tool_use_id") if after else []
    missing = [given for given in turn.ids("tool_use", "id") if given not in answered]
    if missing:
        yield (
            f"messages.{turn.first}: `tool_use` ids were found without `tool_result` blocks immediately after: "
            f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the next "
            "message."
        )


TOOL_RULES = (tools, tool_choice, tool_ids, tool_pairs)

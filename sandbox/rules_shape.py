from collections.abc import Iterator
from typing import Any

from sandbox.prompt import Body

ANY = object
# Of each field of a body: what it may be.
FIELDS: dict[str, Any] = {
    "cache_control": dict,
    "container": ANY,
    "context_management": dict,
    "diagnostics": dict,
    "inference_geo": str,
    "max_tokens": ANY,
    "mcp_servers": list,
    "messages": list,
    "metadata": dict,
    "model": str,
    "output_config": dict,
    "output_format": dict,
    "service_tier": str,
    "speed": str,
    "stop_sequences": list,
    "stream": bool,
    "system": str | list,
    "temperature": ANY,
    "thinking": dict,
    "tool_choice": dict,
    "tools": list,
    "top_k": ANY,
    "top_p": ANY,
}
NAMES = {dict: "dictionary", list: "list", str: "string", bool: "boolean"}


def problem(where: str, expected: Any) -> str:
    return f"{where}: Input should be a valid {NAMES.get(expected, 'list')}"


def unknown_fields(body: Body) -> Iterator[str]:
    for name in body:
        if name not in FIELDS:
            yield f"{name}: Extra inputs are not permitted"


def required_fields(body: Body) -> Iterator[str]:
    for name in ("model", "messages"):
        if body.get(name) is None:
            yield f"{name}: Field required"


def field_types(body: Body) -> Iterator[str]:
    for name, given in body.items():
        if given is not None and not isinstance(given, FIELDS[name]):
            yield problem(name, FIELDS[name])


def item_types(body: Body) -> Iterator[str]:
    for name in ("tools", "messages", "mcp_servers"):
        yield from items(name, body.get(name))
    yield from items("system", body.get("system"))
    for n, message in enumerate(body["messages"]):
        content = message.get("content")
        yield from items(f"messages.{n}.content", content)
        yield from nested_items(f"messages.{n}.content", content)


def items(where: str, given: Any) -> Iterator[str]:
    for n, item in enumerate(given if isinstance(given, list) else []):
        if not isinstance(item, dict):
            yield problem(f"{where}.{n}", dict)
        elif not isinstance(item.get("cache_control"), dict | None):
            yield problem(f"{where}.{n}.cache_control", dict)


def nested_items(where: str, content: Any) -> Iterator[str]:
    """What a tool_result, or a document of type content, holds in its turn."""
    for n, block in enumerate(content if isinstance(content, list) else []):
        inner = block.get("content")
        if inner is not None and not isinstance(inner, str | list | dict):
            yield problem(f"{where}.{n}.content", list)
        yield from items(f"{where}.{n}.content", inner)
        yield from nested_items(f"{where}.{n}.content", inner)


SHAPE_RULES = (unknown_fields, required_fields, field_types, item_types)

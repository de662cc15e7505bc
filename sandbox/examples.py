"""A small value for a JSON schema: what a demo answer puts into a tool's input or a structured output."""

from typing import Any

MAX_DEPTH = 8
BY_FORMAT = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "email": "sandbox@example.org",
    "uri": "https://example.org/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def example(schema: Any, root: Any = None, depth: int = 0) -> Any:
    root = schema if root is None else root
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        return None
    if "$ref" in schema:
        return example(referenced(schema["$ref"], root), root, depth + 1)
    for name in ("const", "default"):
        if name in schema:
            return schema[name]
    if schema.get("enum"):
        return schema["enum"][0]
    for name in ("anyOf", "oneOf", "allOf"):
        if schema.get(name):
            return example(schema[name][0], root, depth + 1)
    return typed_example(schema, root, depth)


def referenced(reference: str, root: Any) -> Any:
    found = root
    for part in reference.removeprefix("#/").split("/"):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def typed_example(schema: dict[str, Any], root: Any, depth: int) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = str(next(iter(kind), "null") if isinstance(kind, list) else kind)
    if kind == "object":
        return {name: example(value, root, depth + 1) for name, value in (schema.get("properties") or {}).items()}
    if kind == "array":
        return [example(schema.get("items", {}), root, depth + 1)] * max(1, schema.get("minItems", 1))
    if kind == "string":
        return BY_FORMAT.get(str(schema.get("format")), "sandbox")
    return {"integer": number(schema), "number": number(schema), "boolean": True}.get(kind)


def number(schema: dict[str, Any]) -> Any:
    return max(schema.get("minimum", 1), min(schema.get("maximum", 1), 1))

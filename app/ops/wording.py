"""JSON Schemas in words. Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]

_TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "object",
    "array": "list",
    "null": "null",
}
_LIMITS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "minItems": "{} or more",
    "maxItems": "at most {} of them",
    "minLength": "{} characters or more",
    "maxLength": "at most {} characters",
    "minProperties": "{} members or more",
    "maxProperties": "at most {} members",
    "pattern": "like {}",
}


@dataclass(frozen=True)
class Word:
    """Plain, or a value as it stands in JSON, or the name of a schema, whose whole name, `schema`, leads to it."""

    text: str
    kind: str = ""  # "", "value", "schema"
    schema: str = ""


_OR = Word(" or ")


def words(schema: Json) -> list[Word]:
    """What a value may be: `list of ` `TextPart` ` or ` `null`."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return [Word(name.rpartition(".")[2], "schema", name)]
    if "anyOf" in schema:
        return _joined([words(option) for option in schema["anyOf"]])
    if "enum" in schema:
        return _joined([[Word(json.dumps(value), "value")] for value in schema["enum"]])
    if "contentSchema" in schema:
        return words(schema["contentSchema"])
    kinds = schema.get("type", "anything")
    return _joined([_of_type(kind, schema) for kind in ([kinds] if isinstance(kinds, str) else kinds)])


def of_events(schema: Json) -> list[Word]:
    """What the events of a stream hold."""
    return [Word("events of "), *words(schema["properties"]["data"])]


def _of_type(kind: str, schema: Json) -> list[Word]:
    if kind == "array" and "items" in schema:
        return [Word("list of "), *words(schema["items"])]
    if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return [Word("object of "), *words(schema["additionalProperties"])]
    return [Word(_TYPES.get(kind, kind))]


def _joined(options: list[list[Word]]) -> list[Word]:
    """An option is told once."""
    told: list[list[Word]] = []
    for option in options:
        if option not in told:
            told.append(option)
    return [word for option in told for word in (_OR, *option)][1:]


def given(schema: Json) -> Json:
    """Without the null that only stands for "left out"."""
    if schema.get("default", ...) is not None or "anyOf" not in schema:
        return schema
    return {**schema, "anyOf": [option for option in schema["anyOf"] if option != {"type": "null"}]}


def notes(schema: Json) -> list[str]:
    """The limits of a value, and what it is when it is left out."""
    found = [text for part in _parts(schema) for text in _limits(part)]
    if schema.get("default") is not None:
        found.append(f"`{json.dumps(schema['default'])}` if left out")
    return list(dict.fromkeys(found))


def _parts(schema: Json) -> Iterator[Json]:
    yield schema
    for option in schema.get("anyOf", ()):
        yield from _parts(option)


def _limits(schema: Json) -> Iterator[str]:
    for name, text in _LIMITS.items():
        if name in schema:
            limit = schema[name]
            yield text.format(f"`{limit}`" if name == "pattern" else f"{limit:,.10g}")

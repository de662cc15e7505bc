"""A client's JSON Schema to the subset that Anthropic's structured outputs take. Pure.

https://docs.anthropic.com/en/docs/build-with-claude/structured-outputs. A keyword that is not in that subset is refused
by its place: an answer that breaks a rule which the client believes in force is worse than none.
"""

import re
from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any, TypeAlias

from app.errors import InvalidRequest

Schema = dict[str, Any]

_MOST_LEVELS = 64
_MOST_BRANCHES = 100
_LONGEST_SHOWN = 300
_LONGEST_STEP = 100
# They say nothing of what an answer may be.
_LEFT_OUT = {"$schema", "$id", "$comment", "examples", "deprecated", "readOnly", "writeOnly", "discriminator"}
# What zod writes of every integer: where the numbers of JavaScript are exact. Nobody meant a bound by it.
_NO_BOUNDS = {"minimum": -(2**53 - 1), "maximum": 2**53 - 1}
_TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")
_FORMATS = ("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid")
# Look-around, a reference back, the edge of a word.
_PATTERN_TOO_RICH = re.compile(r"\(\?<?[=!]|(?<!\\)(?:\\\\)*\\[1-9bB]")


def _is_list_of(value: Any, taken: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and all(taken(item) for item in value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_no_bound(keyword: str, value: Any) -> bool:
    return keyword in _NO_BOUNDS and value == _NO_BOUNDS[keyword]


def _is_type(value: Any) -> bool:
    return value in _TYPES


def _is_scalar(value: Any) -> bool:
    return not isinstance(value, dict | list)


# Keyword that is passed on as it stands -> (is the value taken?, what it must be)
_VALUES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "type": (lambda value: _is_type(value) or (value != [] and _is_list_of(value, _is_type)), ", ".join(_TYPES)),
    "title": (_is_text, "a text"),
    "description": (_is_text, "a text"),
    "default": (lambda value: True, ""),
    "const": (_is_scalar, "a text, a number, a boolean or null"),
    "enum": (
        lambda value: value != [] and _is_list_of(value, _is_scalar),
        "a list of texts, numbers, booleans or null",
    ),
    "required": (lambda value: _is_list_of(value, _is_text), "a list of names"),
    "additionalProperties": (lambda value: value is False, "false: an answer has no other than the named properties"),
    "minItems": (lambda value: not isinstance(value, bool) and value in (0, 1), "0 or 1"),
    "format": (lambda value: value in _FORMATS, f"one of {', '.join(_FORMATS)}"),
    "pattern": (
        lambda value: _is_text(value) and not _PATTERN_TOO_RICH.search(value),
        r"a regular expression without look-around, references back, \b and \B",
    ),
}


def to_format(schema: object, where: str) -> dict[str, Any]:
    """`output_config.format`. `where` names the schema in errors. Raises InvalidRequest that names the keyword."""
    return {"type": "json_schema", "schema": to_schema(schema, where)}


def to_schema(schema: object, where: str) -> Schema:
    return _Translation(schema, where).schema(schema, where, 0)


class _Translation:
    def __init__(self, root: object, where: str):
        self._root = root
        self._where = where
        self._followed: dict[str, bool] = {}  # a reference -> all that it leads to was seen
        self._apart: dict[tuple[Any, Any], bool] = {}  # two references -> no value fits both
        self._values: dict[int, tuple[Schema, set[tuple[bool, Any]]]] = {}

    def schema(self, given: object, where: str, level: int) -> Schema:
        if not isinstance(given, dict):
            raise _refusal(where, "must be a JSON Schema: an object.")
        if level > _MOST_LEVELS:
            raise _refusal(where, "is nested too deeply.")
        found: Schema = {}
        for keyword, value in _unwrapped(given).items():
            if keyword not in _LEFT_OUT and not _is_no_bound(keyword, value):
                name, translated = self._keyword(keyword, value, _at(where, keyword), level + 1)
                found[name] = translated
        if is_object(found):
            found.setdefault("additionalProperties", False)
        return found

    def _keyword(self, keyword: str, value: Any, where: str, level: int) -> tuple[str, Any]:
        match keyword:
            case "properties" | "$defs" | "definitions":
                return keyword, self._by_name(value, where, level)
            case "items":
                return keyword, self.schema(value, where, level)
            case "anyOf" | "allOf":
                return keyword, self._branches(keyword, value, where, level)
            case "oneOf":
                return "anyOf", self._branches(keyword, value, where, level)
            case "$ref":
                return keyword, self._reference(value, where, level)
        if keyword not in _VALUES:
            raise _refusal(where, "is not taken by Claude's structured outputs; leave it out, and check the answer.")
        is_taken, must_be = _VALUES[keyword]
        if not is_taken(value):
            raise _refusal(where, f"must be {must_be}.")
        return keyword, value

    def _by_name(self, value: Any, where: str, level: int) -> Schema:
        if not isinstance(value, dict):
            raise _refusal(where, "must be an object of schemas.")
        return {name: self.schema(inner, _at(where, name), level) for name, inner in value.items()}

    def _branches(self, keyword: str, value: Any, where: str, level: int) -> list[Schema]:
        if not isinstance(value, list) or not 1 <= len(value) <= _MOST_BRANCHES:
            raise _refusal(where, f"must be a list of 1 to {_MOST_BRANCHES} schemas.")
        branches = [self.schema(inner, f"{where}[{index}]", level) for index, inner in enumerate(value)]
        # Each object is closed, so no answer could satisfy two of them.
        if keyword == "allOf" and any("$ref" in branch or is_object(branch) for branch in branches):
            raise _refusal(where, "must not hold objects or references; join them to one schema.")
        if keyword == "oneOf" and not all(self._exclude(*pair) for pair in combinations(branches, 2)):
            raise _refusal(where, "is not taken where a value may fit two of its schemas; use anyOf.")
        return branches

    def _reference(self, value: Any, where: str, level: int) -> Any:
        target = self._found(value)
        if target is None:
            raise _refusal(where, "must lead to a schema of the same document, such as #/$defs/Name.")
        if self._followed.get(value) is False:
            raise _refusal(where, "makes the schema recursive, which is not taken.")
        if value not in self._followed:
            self._followed[value] = False
            self.schema(target, self._where + value[1:].replace("/", "."), level)
            self._followed[value] = True
        return value

    def _found(self, reference: Any) -> Schema | None:
        if not isinstance(reference, str) or not reference.startswith(("#/$defs/", "#/definitions/")):
            return None
        found: Any = self._root
        for step in reference.split("/")[1:]:
            found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else None

    def _exclude(self, one: Schema, other: Schema) -> bool:
        """References to the same two schemas may stand in many places, and these may be large (threat 67)."""
        if "$ref" not in one or "$ref" not in other:
            return _exclude(self._target(one), self._target(other), self._fixed)
        pair = one["$ref"], other["$ref"]
        if pair not in self._apart:
            self._apart[pair] = _exclude(self._target(one), self._target(other), self._fixed)
        return self._apart[pair]

    def _fixed(self, schema: Schema) -> set[tuple[bool, Any]]:
        """Made once for each schema, which is held as well: an id is another's when its object is gone."""
        if id(schema) not in self._values:
            self._values[id(schema)] = schema, _fixed(schema)
        return self._values[id(schema)][1]

    def _target(self, schema: Schema) -> Schema:
        return (self._found(schema["$ref"]) if "$ref" in schema else None) or schema


def _unwrapped(schema: Schema) -> Schema:
    """An allOf of one schema is that schema: some generators write a reference and its description so."""
    alone = schema.get("allOf")
    if not isinstance(alone, list) or len(alone) != 1 or not isinstance(alone[0], dict):
        return schema
    rest = {name: value for name, value in schema.items() if name != "allOf"}
    told_twice = rest.keys() & alone[0].keys() - {"title", "description"}
    return schema if told_twice else {**alone[0], **rest}


def is_object(schema: Mapping[str, Any]) -> bool:
    return "object" in _types(schema) if "type" in schema else "properties" in schema


Fixed: TypeAlias = Callable[[Schema], set[tuple[bool, Any]]]


def _exclude(one: Schema, other: Schema, fixed: Fixed) -> bool:
    """No value fits both, told by their types, their fixed values, or by a property that each fixes otherwise."""
    if "type" in one and "type" in other and not _wide_types(one) & _wide_types(other):
        return True
    if _fixed_apart(one, other, fixed):
        return True
    shared = _demanded(one) & _demanded(other)
    return any(_fixed_apart(one["properties"][name], other["properties"][name], fixed) for name in shared)


def _types(schema: Mapping[str, Any]) -> list[Any]:
    given = schema.get("type")
    return given if isinstance(given, list) else [given]


def _wide_types(schema: Schema) -> set[str]:
    return {"number" if kind == "integer" else str(kind) for kind in _types(schema)}


def _demanded(schema: Schema) -> set[str]:
    """Properties that every value of the schema has."""
    if _types(schema) != ["object"] or not isinstance(schema.get("properties"), dict):
        return set()
    names = schema.get("required")
    known = schema["properties"]
    return {name for name in names if isinstance(known.get(name), dict)} if isinstance(names, list) else set()


def _fixed_apart(one: Schema, other: Schema, fixed: Fixed) -> bool:
    mine, theirs = fixed(one), fixed(other)
    return bool(mine) and bool(theirs) and mine.isdisjoint(theirs)


def _fixed(schema: Schema) -> set[tuple[bool, Any]]:
    """The only values that fit. To Python true is 1, to JSON it is not."""
    values = [schema["const"]] if "const" in schema else schema.get("enum", [])
    return {(isinstance(value, bool), value) for value in values} if _is_list_of(values, _is_scalar) else set()


def _at(where: str, step: str) -> str:
    return f"{where}.{step[:_LONGEST_STEP]}"


def _refusal(where: str, problem: str) -> InvalidRequest:
    where = where if len(where) <= _LONGEST_SHOWN else where[:_LONGEST_SHOWN] + "…"
    return InvalidRequest(f"{where} {problem}", param=where, code="unsupported_schema")

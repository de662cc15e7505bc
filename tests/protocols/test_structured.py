import json
import time
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum
from itertools import pairwise
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from app.errors import InvalidRequest
from app.protocols.structured import to_format, to_schema
from sandbox.rules import closed_objects

WHERE = "response_format.json_schema.schema"
TEXT = {"type": "string"}


def closed(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def refused(schema: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as raised:
        to_schema(schema, WHERE)
    assert raised.value.code == "unsupported_schema"
    assert str(raised.value).startswith(raised.value.param)
    return raised.value


TAKEN: list[Any] = [
    TEXT,
    {},
    {"type": ["string", "null"]},
    {"type": "integer", "title": "Age", "description": "In years", "default": 5},
    {"enum": ["a", 1, 1.5, True, None]},
    {"const": "a"},
    {"type": "array", "items": TEXT, "minItems": 0},
    {"type": "array", "items": TEXT, "minItems": 1},
    {"type": "string", "format": "date-time"},
    {"type": "string", "pattern": r"^[A-Z]{2,3}(-\d+)?\\b$"},
    {"anyOf": [TEXT, {"type": "null"}]},
    {"allOf": [TEXT, {"type": "string", "pattern": "^a"}]},
    closed(a=TEXT) | {"required": ["a"]},
    {"$defs": {"A": closed(a=TEXT)}, **closed(one={"$ref": "#/$defs/A"}, two={"$ref": "#/$defs/A"})},
    {"definitions": {"a/b~": TEXT}, **closed(a={"$ref": "#/definitions/a~1b~0"})},
    # names of properties are no keywords
    closed(minimum=TEXT, **{"$ref": TEXT, "oneOf": TEXT, "additionalProperties": TEXT}),
]


@pytest.mark.parametrize("schema", TAKEN, ids=lambda schema: json.dumps(schema)[:40])
def test_what_is_taken_goes_on_as_it_is(schema: Any):
    assert to_format(schema, WHERE) == {"type": "json_schema", "schema": schema}


@pytest.mark.parametrize(
    ("schema", "translated"),
    [
        # objects are closed, at every level
        ({"type": "object"}, {"type": "object", "additionalProperties": False}),
        ({"properties": {"a": TEXT}}, {"properties": {"a": TEXT}, "additionalProperties": False}),
        ({"type": ["object", "null"]}, {"type": ["object", "null"], "additionalProperties": False}),
        (
            {"type": "array", "items": {"anyOf": [{"type": "object", "properties": {"a": {"type": "object"}}}]}},
            {"type": "array", "items": {"anyOf": [closed(a={"type": "object", "additionalProperties": False})]}},
        ),
        (
            {"$defs": {"A": {"type": "object"}}, "$ref": "#/$defs/A"},
            {"$defs": {"A": {"type": "object", "additionalProperties": False}}, "$ref": "#/$defs/A"},
        ),
        # what says nothing about the answer is left out
        ({"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "x", "$comment": "c", **TEXT}, TEXT),
        ({"examples": ["a"], "deprecated": True, "readOnly": True, "writeOnly": False, **TEXT}, TEXT),
        # as zod writes an integer
        ({"type": "integer", "minimum": -9007199254740991, "maximum": 9007199254740991}, {"type": "integer"}),
        ({"const": None, "default": None}, {"const": None, "default": None}),
        # an allOf of one
        ({"allOf": [TEXT], "description": "d"}, {"description": "d", **TEXT}),
        (
            {"$defs": {"A": TEXT}, **closed(a={"allOf": [{"$ref": "#/$defs/A"}], "default": "x"})},
            {"$defs": {"A": TEXT}, **closed(a={"$ref": "#/$defs/A", "default": "x"})},
        ),
        # a oneOf that an anyOf can say
        ({"oneOf": [TEXT, {"type": "null"}]}, {"anyOf": [TEXT, {"type": "null"}]}),
        ({"oneOf": [{"const": 1}, {"enum": [2, True]}]}, {"anyOf": [{"const": 1}, {"enum": [2, True]}]}),
        (
            {"oneOf": [closed(k={"const": "a"}) | {"required": ["k"]}, closed(k={"const": "b"}) | {"required": ["k"]}]},
            {"anyOf": [closed(k={"const": "a"}) | {"required": ["k"]}, closed(k={"const": "b"}) | {"required": ["k"]}]},
        ),
    ],
)
def test_what_upstream_wants_otherwise_is_said_otherwise(schema: Any, translated: Any):
    before = json.dumps(schema)
    assert to_schema(schema, WHERE) == translated
    assert json.dumps(schema) == before


UNSUPPORTED: list[tuple[str, Any]] = [
    ("minimum", 0),
    ("maximum", 5),
    ("exclusiveMinimum", 0),
    ("exclusiveMaximum", 5),
    ("multipleOf", 2),
    ("minLength", 1),
    ("maxLength", 5),
    ("minItems", 2),
    ("minItems", True),
    ("maxItems", 5),
    ("uniqueItems", True),
    ("prefixItems", [TEXT]),
    ("contains", TEXT),
    ("patternProperties", {"^a": TEXT}),
    ("propertyNames", TEXT),
    ("minProperties", 1),
    ("maxProperties", 1),
    ("dependentRequired", {"a": ["b"]}),
    ("dependentSchemas", {"a": TEXT}),
    ("unevaluatedProperties", False),
    ("not", TEXT),
    ("if", TEXT),
    ("then", TEXT),
    ("else", TEXT),
    ("nullable", True),
    ("tomorrows", 1),
    ("additionalProperties", True),
    ("additionalProperties", {}),
    ("additionalProperties", TEXT),
    ("oneOf", [TEXT, TEXT]),
    ("oneOf", [{"type": "integer"}, {"type": "number"}]),
    ("oneOf", [{"const": 1}, {"const": 1.0}]),
    ("oneOf", [closed(k={"const": "a"}), closed(k={"const": "b"})]),  # neither need be there
    ("oneOf", []),
    ("oneOf", [{"const": n} for n in range(101)]),
    ("anyOf", TEXT),
    ("allOf", [closed(a=TEXT), closed(b=TEXT)]),
    ("enum", [{"a": 1}]),
    ("enum", [["a"]]),
    ("enum", []),
    ("enum", "a"),
    ("const", {"a": 1}),
    ("type", "text"),
    ("type", []),
    ("type", ["string", "text"]),
    ("type", {}),
    ("required", "a"),
    ("required", [1]),
    ("title", 5),
    ("properties", [TEXT]),
    ("items", True),
    ("items", [TEXT]),
    ("format", "binary"),
    ("format", ["date"]),
    ("pattern", "(?=a)"),
    ("pattern", "(?<!a)b"),
    ("pattern", r"(a)\1"),
    ("pattern", r"\bword"),
    ("pattern", 5),
    ("$ref", "#"),
    ("$ref", "other.json"),
    ("$ref", "https://example.com/schema.json"),
    ("$ref", "#/$defs/Missing"),
    ("$ref", "#/properties/a"),
    ("$ref", 5),
]


@pytest.mark.parametrize(("keyword", "value"), UNSUPPORTED, ids=lambda value: json.dumps(value)[:30])
def test_an_unsupported_keyword_is_refused_by_its_place(keyword: str, value: Any):
    assert refused({keyword: value}).param == f"{WHERE}.{keyword}"
    inner = {"type": "array", "items": {"anyOf": [{"type": "null"}, {keyword: value}]}}
    assert refused(closed(a=inner)).param == f"{WHERE}.properties.a.items.anyOf[1].{keyword}"


@pytest.mark.parametrize("schema", [None, True, [], "object", 5])
def test_a_schema_that_is_no_object_is_refused(schema: Any):
    assert refused(schema).param == WHERE
    assert refused(closed(a=schema)).param == f"{WHERE}.properties.a"


NODE = closed(next={"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]})


@pytest.mark.parametrize(
    "schema",
    [
        {"$defs": {"Node": NODE}, "$ref": "#/$defs/Node"},
        {"$defs": {"Node": NODE}},
        {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}},
        {"$defs": {"A": {"type": "array", "items": {"$ref": "#/$defs/A"}}}},
    ],
)
def test_a_recursive_schema_is_refused(schema: Any):
    error = refused(schema)
    assert error.param.endswith(".$ref")
    assert "recursive" in str(error)


def test_what_a_reference_leads_to_is_named_by_its_own_place():
    schema = {**closed(a={"$ref": "#/$defs/A"}), "$defs": {"A": {"type": "integer", "minimum": 5}}}
    assert refused(schema).param == f"{WHERE}.$defs.A.minimum"


# threat 66
def test_a_deep_schema_is_refused():
    schema: Any = TEXT
    for _ in range(100):
        schema = {"type": "array", "items": schema}
    assert "nested too deeply" in str(refused(schema))
    assert len(refused(schema).param) < 400


# threat 66: what is reached by many ways is looked at once
def test_references_that_double_at_each_step_are_quick():
    names = [f"D{number}" for number in range(60)]
    definitions = {
        name: closed(a={"$ref": f"#/$defs/{after}"}, b={"$ref": f"#/$defs/{after}"}) for name, after in pairwise(names)
    }
    schema = {"$defs": dict(reversed(definitions.items())) | {"D59": TEXT}, "$ref": "#/$defs/D0"}
    assert to_schema(schema, WHERE)["$ref"] == "#/$defs/D0"


# ---- what clients really send


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Circle(BaseModel):
    kind: Literal["circle"]
    radius: float


class Square(BaseModel):
    kind: Literal["square"]
    side: float = Field(description="In metres")


class Drawing(BaseModel):
    """A drawing."""

    title: str
    color: Color | None = None
    shapes: list[Circle | Square]
    first: Circle | Square = Field(discriminator="kind")


def test_a_pydantic_model_is_taken():
    schema = to_schema(Drawing.model_json_schema(), WHERE)
    assert list(closed_objects(schema)) == []
    assert schema["properties"]["first"]["anyOf"] == [{"$ref": "#/$defs/Circle"}, {"$ref": "#/$defs/Square"}]
    assert schema["$defs"]["Color"]["enum"] == ["red", "blue"]


SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
KEYWORDS = st.sampled_from(sorted({keyword for keyword, _ in UNSUPPORTED} | {"$defs", "definitions", "default"}))
VALUES = st.sampled_from([value for _, value in UNSUPPORTED] + TAKEN) | SCALARS
SCHEMAS = st.recursive(
    st.dictionaries(KEYWORDS, VALUES, max_size=3),
    lambda inner: st.fixed_dictionaries(
        {"type": st.just("object")},
        optional={
            "properties": st.dictionaries(st.text(max_size=3), inner, max_size=2),
            "$defs": st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
            "items": inner | st.fixed_dictionaries({"$ref": st.sampled_from(["#/$defs/a", "#/$defs/b"])}),
            "oneOf": st.lists(inner, max_size=3),
            "allOf": st.lists(inner, max_size=2),
        },
    ),
    max_leaves=6,
)


@settings(deadline=None, max_examples=200)
@given(SCHEMAS)
def test_any_schema_is_translated_to_what_upstream_takes_or_refused(schema: Any):
    with suppress(InvalidRequest):
        found = to_schema(schema, WHERE)
        assert list(closed_objects(found)) == []
        assert to_schema(found, WHERE) == found
        assert not {"minimum", "oneOf", "not", "maxLength"} & set(keywords(found))


def keywords(schema: dict[str, Any]) -> Iterator[str]:
    yield from schema
    for name in ("properties", "$defs", "definitions"):
        for inner in schema.get(name, {}).values():
            yield from keywords(inner)
    for inner in [
        *schema.get("anyOf", []),
        *schema.get("allOf", []),
        *([schema["items"]] if "items" in schema else []),
    ]:
        yield from keywords(inner)


def test_large_alternatives_in_many_places_take_no_time():  # threat 67
    defs = {name: {"enum": [f"{name}{number}" for number in range(20_000)]} for name in "ab"}
    choice = {"oneOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}]}
    one = {"oneOf": [{"const": "c"}, {"$ref": "#/$defs/a"}]}
    properties = {f"p{number}": choice if number % 2 else one for number in range(4000)}
    begun = time.process_time()
    to_format({"type": "object", "properties": properties, "$defs": defs}, "schema")
    assert time.process_time() - begun < 3

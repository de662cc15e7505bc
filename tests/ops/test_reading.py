"""The document of the API in words."""

from typing import Any

import pytest

from app.ops import reading
from app.ops.wording import given, notes, words

REF = {"$ref": "#/components/schemas/TextPart"}


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({}, "anything"),
        ({"type": "string"}, "text"),
        ({"type": ["object", "null"]}, "object or null"),
        ({"enum": ["low", 1, None]}, '"low" or 1 or null'),
        ({"enum": [["text"]]}, '["text"]'),
        (REF, "TextPart"),
        ({"type": "array", "items": {"anyOf": [REF, {"type": "string"}]}}, "list of TextPart or text"),
        ({"type": "array"}, "list"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, "object of whole number"),
        ({"type": "object", "additionalProperties": False}, "object"),
        ({"anyOf": [{"type": "number"}, {"type": "number"}]}, "number"),
        ({"type": "string", "contentSchema": REF}, "TextPart"),
    ],
)
def test_a_schema_in_words(schema: dict[str, Any], text: str):
    assert "".join(word.text for word in words(schema)) == text


def test_a_long_name_of_a_schema_is_shown_short():
    (word,) = words({"$ref": "#/components/schemas/openai_models.TextPart"})
    assert (word.text, word.schema) == ("TextPart", "openai_models.TextPart")


def test_names_of_schemas_and_values_are_told_apart():
    assert [word.kind for word in words({"anyOf": [REF, {"enum": ["x"]}]})] == ["schema", "", "value"]


def test_null_is_not_told_where_it_only_means_left_out():
    member = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert given(member | {"default": None})["anyOf"] == [{"type": "string"}]
    assert given(member) == member
    assert given(member | {"default": ""}) == member | {"default": ""}


def test_limits_and_defaults_in_words():
    number = {"type": "number", "minimum": 0, "maximum": 7776000.0}
    assert notes({"anyOf": [number, {"type": "null"}], "default": None}) == ["at least 0", "at most 7,776,000"]
    assert notes({"type": "string", "pattern": "^a", "default": "x"}) == ["like `^a`", '`"x"` if left out']


def document(**operation: Any) -> dict[str, Any]:
    told = {"operationId": "x", "tags": ["T"], "summary": "", "security": [], "responses": {}, **operation}
    return {
        "info": {},
        "tags": [{"name": "T & U", "description": ""}, {"name": "T", "description": ""}],
        "paths": {"/a/{name}": {"post": told}},
        "components": {"schemas": {}},
    }


def curl(**operation: Any) -> list[str]:
    page = reading.page(document(**operation), "http://here")
    (shown,) = page["sections"][1].operations
    return [example.curl for example in shown.examples]


def test_what_is_ready_to_paste():
    body = {
        "content": {"application/json": {"schema": {}, "examples": {"a": {"summary": "A", "value": {"it": "it's"}}}}}
    }
    parameter = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
    assert curl(requestBody=body, parameters=[parameter | {"example": "b"}], security=[{"bearerAuth": []}]) == [
        "curl http://here/a/b \\\n"
        '  -H "Authorization: Bearer $POSTERN_KEY" \\\n'
        "  -H 'Content-Type: application/json' \\\n"
        """  -d '{"it": "it'"'"'s"}'"""
    ]
    assert curl(parameters=[parameter], security=[{"basicAuth": []}]) == [
        "curl http://here/a/NAME \\\n  -X POST \\\n  -u admin"
    ]


def test_places_on_the_page_have_names_that_an_address_can_hold():
    assert [section.id for section in reading.page(document(), "")["sections"]] == ["t-u", "t"]

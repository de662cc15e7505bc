"""Whether what the gateway answers is what its document says.

The schemas are read strictly: a word of JSON Schema that is not known here is a mistake, and so is a member of an
answer that its schema does not name.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

Json = Mapping[str, Any]

_ANNOTATIONS = {"title", "description", "default", "discriminator", "contentMediaType", "contentSchema"}
_TYPES = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
# Word -> for values of which type, and whether one fits.
_LIMITS = {
    "minimum": ("number", lambda value, limit: value >= limit),
    "maximum": ("number", lambda value, limit: value <= limit),
    "exclusiveMinimum": ("number", lambda value, limit: value > limit),
    "exclusiveMaximum": ("number", lambda value, limit: value < limit),
    "minLength": ("string", lambda value, limit: len(value) >= limit),
    "maxLength": ("string", lambda value, limit: len(value) <= limit),
    "pattern": ("string", lambda value, limit: re.search(limit, value) is not None),
    "minItems": ("array", lambda value, limit: len(value) >= limit),
    "maxItems": ("array", lambda value, limit: len(value) <= limit),
    "minProperties": ("object", lambda value, limit: len(value) >= limit),
    "maxProperties": ("object", lambda value, limit: len(value) <= limit),
    "propertyNames": ("object", lambda value, limit: all(len(name) <= limit["maxLength"] for name in value)),
}
_STRUCTURE = {"$ref", "anyOf", "enum", "type", "properties", "required", "additionalProperties", "items"}
WORDS = _ANNOTATIONS | _STRUCTURE | _LIMITS.keys()


class Document:
    def __init__(self, told: Json):
        self.told = told
        self._paths = [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), path) for path in told["paths"]]

    def operations(self) -> Iterator[tuple[str, str, Json]]:
        for path, methods in self.told["paths"].items():
            for method, operation in methods.items():
                yield method.upper(), path, operation

    def schemas(self) -> Iterator[Json]:
        yield from self.told["components"]["schemas"].values()
        for _, _, operation in self.operations():
            kinds = [*_content(operation.get("requestBody", {}))]
            kinds += [kind for answer in operation["responses"].values() for kind in _content(answer)]
            yield from (kind["schema"] for kind in kinds)
            yield from (parameter["schema"] for parameter in operation.get("parameters", ()))

    def resolve(self, ref: str) -> Json:
        assert ref.startswith("#/"), ref
        found: Any = self.told
        for step in ref[2:].split("/"):
            found = found[step]
        return found

    def operation(self, method: str, path: str) -> Json:
        fitting = [template for pattern, template in self._paths if pattern.fullmatch(path)]
        found = min(fitting, key=lambda template: template.count("{"))
        return self.told["paths"][found][method.lower()]

    # ---- answers

    def check(self, answer: httpx.Response) -> httpx.Response:
        """Fails unless the document has the answer: its status, its type, its content.

        Anthropic's messages are upstream's own, which may tell more than the document.
        """
        request = answer.request
        responses = self.operation(request.method, request.url.path)["responses"]
        where = f"{request.method} {request.url.path}: {answer.status_code}"
        assert str(answer.status_code) in responses, f"{where} is not in the document: {answer.text[:500]}"
        content = responses[str(answer.status_code)].get("content")
        if content is None:
            assert answer.content == b"", where
            return answer
        media = answer.headers["content-type"].partition(";")[0]
        assert media in content, f"{where} as {media}"
        for value, schema in _values(answer, media, content[media]["schema"]):
            found = list(self.problems(value, schema, closed=request.url.path != "/v1/messages"))
            assert not found, f"{where}: {found}\n{json.dumps(value)[:2000]}"
        return answer

    def problems(self, value: Any, schema: Json, at: str = "$", *, closed: bool = True) -> Iterator[str]:
        """`closed`: an object may have only the members that its schema names."""
        assert schema.keys() <= WORDS, schema.keys() - WORDS
        if "$ref" in schema:
            yield from self.problems(value, self.resolve(schema["$ref"]), at, closed=closed)
        options = [list(self.problems(value, option, at, closed=closed)) for option in schema.get("anyOf", ())]
        if options and all(options):
            yield f"{at}: none of {options}"
        yield from (f"{at}: {problem}" for problem in _plain_problems(value, schema))
        if isinstance(value, list):
            for index, item in enumerate(value):
                yield from self.problems(item, schema.get("items", {}), f"{at}[{index}]", closed=closed)
        if isinstance(value, dict):
            yield from self._object_problems(value, schema, at, closed)

    def _object_problems(self, value: Json, schema: Json, at: str, closed: bool) -> Iterator[str]:
        known = schema.get("properties", {})
        others = schema.get("additionalProperties", not (closed and known))
        yield from (f"{at}: {name} is missing" for name in schema.get("required", ()) if name not in value)
        for name, member in value.items():
            found = known.get(name, others)
            if found is False:
                yield f"{at}: {name} is not in the schema"
            elif found is not True:
                yield from self.problems(member, found, f"{at}.{name}", closed=closed)


def _plain_problems(value: Any, schema: Json) -> Iterator[str]:
    if "enum" in schema and not any(_same(value, each) for each in schema["enum"]):
        yield f"{value!r} is none of {schema['enum']}"
    if "type" in schema and not any(_TYPES[kind](value) for kind in _listed(schema["type"])):
        yield f"{value!r} is not of type {schema['type']}"
    for word, (kind, fits) in _LIMITS.items():
        if word in schema and _TYPES[kind](value) and not fits(value, schema[word]):
            yield f"{value!r} against {word} {schema[word]}"


def _values(answer: httpx.Response, media: str, schema: Json) -> Iterator[tuple[Any, Json]]:
    if media == "application/json":
        yield answer.json(), schema
        return
    assert media == "text/event-stream"
    told = schema["properties"]["data"]
    json_of, *last = told.get("anyOf", [told])
    data = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    assert data
    for line in data:
        if [line] not in [each["enum"] for each in last]:
            yield json.loads(line), json_of["contentSchema"]


def _content(told: Json) -> Iterator[Json]:
    yield from told.get("content", {}).values()


def _listed(kinds: str | list[str]) -> list[str]:
    return [kinds] if isinstance(kinds, str) else kinds


def _same(one: Any, other: Any) -> bool:
    """1 is not true in JSON."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)

"""The document of the API as a page reads it. Pure."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.ops.wording import Word, given, notes, of_events, words

Json = Mapping[str, Any]

_READ = {"text/event-stream": of_events}
_CREDENTIALS = {"bearerAuth": "key", "basicAuth": "password"}


@dataclass(frozen=True)
class Row:
    """A member of an object, or a parameter."""

    name: str
    required: bool
    type: list[Word]
    about: str
    notes: list[str]
    place: str = ""
    example: str = ""


@dataclass(frozen=True)
class Example:
    id: str
    name: str
    body: str
    curl: str


@dataclass(frozen=True)
class Answer:
    """`types`: media type -> what is in it."""

    status: int
    about: str
    types: dict[str, list[Word]]
    example: str


@dataclass(frozen=True)
class Operation:
    """`credential` is "key", "password" or "". `rows` are the members of the body."""

    id: str
    method: str
    path: str
    summary: str
    about: str
    credential: str
    parameters: list[Row]
    body: list[Word]
    rows: list[Row]
    examples: list[Example]
    answers: list[Answer]


@dataclass(frozen=True)
class Section:
    id: str
    name: str
    about: str
    operations: list[Operation] = field(default_factory=list)


@dataclass(frozen=True)
class Schema:
    name: str
    about: str
    type: list[Word]
    rows: list[Row]


def page(document: Json, base: str) -> dict[str, Any]:
    """What the template is given. `base` is the address that the paths of the document go on after."""
    schemas = document["components"]["schemas"]
    sections = {tag["name"]: Section(slug(tag["name"]), tag["name"], tag["description"]) for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            sections[told["tags"][0]].operations.append(_operation(method.upper(), path, told, schemas, base))
    return {
        "info": document["info"],
        "base": base,
        "sections": list(sections.values()),
        "schemas": [_schema(name, schema) for name, schema in schemas.items()],
    }


def slug(text: str) -> str:
    return re.sub(r"\W+", "-", text.lower()).strip("-")


def _operation(method: str, path: str, told: Json, schemas: Json, base: str) -> Operation:
    body = told.get("requestBody", {}).get("content", {}).get("application/json", {})
    schema = body.get("schema", {})
    parameters = [_parameter(parameter) for parameter in told.get("parameters", ())]
    credential = next((_CREDENTIALS[name] for scheme in told["security"] for name in scheme), "")
    ask = _Ask(method, base + _filled(path, parameters), credential)
    return Operation(
        id=told["operationId"],
        method=method,
        path=path,
        summary=told["summary"],
        about=told.get("description", ""),
        credential=credential,
        parameters=parameters,
        body=words(schema) if schema else [],
        rows=rows(_resolved(schema, schemas)),
        examples=list(_examples(told["operationId"], body.get("examples", {}), ask)),
        answers=[_answer(int(status), answer) for status, answer in told["responses"].items()],
    )


def _resolved(schema: Json, schemas: Json) -> Json:
    found: Json = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return found


def rows(schema: Json) -> list[Row]:
    required = schema.get("required", ())
    return [
        Row(name, name in required, words(given(member)), member.get("description", ""), notes(member))
        for name, member in schema.get("properties", {}).items()
    ]


def _parameter(told: Json) -> Row:
    schema = told["schema"]
    about, example = told.get("description", ""), told.get("example", "")
    return Row(told["name"], told["required"], words(schema), about, notes(schema), told["in"], example)


def _answer(status: int, told: Json) -> Answer:
    content = told.get("content", {})
    example = next((kind["example"] for kind in content.values() if "example" in kind), None)
    types = {media: _READ.get(media, words)(kind["schema"]) for media, kind in content.items()}
    return Answer(status, told["description"], types, "" if example is None else pretty(example))


def _schema(name: str, schema: Json) -> Schema:
    members = rows(schema)
    return Schema(name, schema.get("description", ""), [] if members else words(schema), members)


# ---- what is ready to paste


@dataclass(frozen=True)
class _Ask:
    method: str
    url: str
    credential: str


def _examples(operation: str, told: Json, ask: _Ask) -> Iterator[Example]:
    """One at least: what takes no body is asked as it is."""
    for name, example in told.items():
        value = example["value"]
        yield Example(f"{operation}-{name}", example["summary"], pretty(value), _curl(ask, value))
    if not told:
        yield Example(f"{operation}-ask", "", "", _curl(ask, None))


def _filled(path: str, parameters: list[Row]) -> str:
    for parameter in parameters:
        path = path.replace(f"{{{parameter.name}}}", parameter.example or parameter.name.upper())
    return path


def _curl(ask: _Ask, body: Any) -> str:
    lines = [f"curl {'-N ' if isinstance(body, dict) and body.get('stream') else ''}{shlex.quote(ask.url)}"]
    if ask.method != ("GET" if body is None else "POST"):
        lines.append(f"-X {ask.method}")
    if ask.credential:
        lines.append('-H "Authorization: Bearer $POSTERN_KEY"' if ask.credential == "key" else "-u admin")
    if body is not None:
        lines += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(json.dumps(body, ensure_ascii=False))}"]
    return " \\\n  ".join(lines)


def pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)

"""The OpenAPI 3.1 document of an application: its routes, what its views say of themselves, and who may call them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import Flask
from werkzeug.routing import Rule

from app.errors import (
    ConfirmationNeeded,
    Crowded,
    Forbidden,
    InvalidRequest,
    NotAdministrator,
    PosternError,
    StoreFailed,
    TooLarge,
    TooManyAttempts,
    TooSlow,
    Unauthorized,
)
from app.version import VERSION
from app.web.describe import Answer, Group, ListOf, Operation, Parameter, operation_of
from app.web.policy import Who, policy_of
from app.web.schemas import Schemas

Json = dict[str, Any]

SECURITY = {
    "bearerAuth": {"type": "http", "scheme": "bearer", "description": "An API key, as OpenAI's clients send it."},
    "apiKeyAuth": {
        "type": "apiKey",
        "in": "header",
        "name": "x-api-key",
        "description": "The same key, as Anthropic's clients send it. Two different keys in one request are refused.",
    },
    "basicAuth": {
        "type": "http",
        "scheme": "basic",
        "description": "The name `admin` and the administrator's password. For scripts: a browser is refused.",
    },
}
_ABOUT = (
    "A gateway to the official `claude` CLI. What a request holds is honoured or refused, and a member that is not in "
    "these schemas is an error. Nothing is dropped in silence but pairs of OpenAI's `metadata` that find no room "
    "upstream."
)
_SCHEMES: dict[Who, tuple[str, ...]] = {
    Who.ANYONE: (),
    Who.KEY: ("bearerAuth", "apiKeyAuth"),
    Who.ADMINISTRATOR: ("basicAuth",),
    Who.CONFIRMED: ("basicAuth",),
}
_GUARDS: dict[Who, tuple[type[PosternError], ...]] = {
    Who.ANYONE: (),
    Who.KEY: (InvalidRequest, Unauthorized, Crowded, StoreFailed),
    Who.ADMINISTRATOR: (InvalidRequest, NotAdministrator, Forbidden, TooManyAttempts, Crowded, StoreFailed),
    Who.CONFIRMED: (
        InvalidRequest,
        NotAdministrator,
        Forbidden,
        ConfirmationNeeded,
        TooManyAttempts,
        Crowded,
        StoreFailed,
    ),
}
_BODY_CODES = ("invalid_body", "invalid_json", "invalid_value", "missing_parameter", "unknown_parameter")
_STATUSES = {
    400: "The request cannot be served as it is. The message names the member.",
    401: "There is no credential, or it is not a valid one.",
    403: "The credential does not allow this.",
    404: "It is not there.",
    408: "The body did not come in time.",
    409: "Something else stands against it.",
    413: "The request is too large.",
    429: "Too much at once. `Retry-After` tells when to come back.",
    500: "The gateway made an error. Its log says more.",
    502: "Claude or the CLI failed.",
    503: "Not at the moment. With `Retry-After`, come back then.",
    504: "Nothing came for too long.",
}
_RETRY_AFTER = {"description": "Seconds.", "schema": {"type": "integer", "minimum": 0}}


@dataclass(frozen=True)
class Route:
    endpoint: str
    path: str
    method: str
    who: Who
    arguments: tuple[str, ...]
    operation: Operation


def document(app: Flask) -> Json:
    """Without `servers`, which depend on where the request came in."""
    routes = list(_routes(app))
    schemas = Schemas(kind for route in routes for kind in _types(route.operation))
    paths: Json = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method] = _operation(route, schemas)
        _explain(schemas, route.operation)
    groups = {route.operation.group.name: route.operation.group for route in routes}
    told = sorted(groups.values(), key=lambda group: group.place)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Postern",
            "version": VERSION,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [{"name": group.name, "description": group.about} for group in told],
        "paths": paths,
        "components": {"securitySchemes": SECURITY, "schemas": schemas.components},
    }


def _routes(app: Flask) -> Iterator[Route]:
    for rule in app.url_map.iter_rules():
        operation = operation_of(app.view_functions[rule.endpoint])
        policy = policy_of(app, rule.endpoint)
        if operation is None or policy is None:
            continue
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield Route(rule.endpoint, _path(rule), method.lower(), policy.who, _arguments(rule), operation)


def _path(rule: Rule) -> str:
    """`/v1/models/<path:name>` is `/v1/models/{name}` there."""
    return re.sub(r"<(?:[^<>]*:)?(\w+)>", r"{\1}", rule.rule)


def _arguments(rule: Rule) -> tuple[str, ...]:
    return tuple(re.findall(r"<(?:[^<>]*:)?(\w+)>", rule.rule))


def _types(operation: Operation) -> Iterator[Any]:
    yield operation.group.error
    for kind in operation.reads.values():
        yield from kind.types if isinstance(kind, ListOf) else (kind,)
    yield from (parameter.type for parameter in operation.parameters)
    for answer in operation.answers.values():
        yield from answer.events
    bodies = (operation.request, *(answer.body for answer in operation.answers.values()))
    yield from (body for body in bodies if body is not None)


def _operation(route: Route, schemas: Schemas) -> Json:
    said = route.operation
    told: Json = {
        "operationId": route.endpoint.replace(".", "_"),
        "tags": [said.group.name],
        "summary": said.summary,
        "security": [{scheme: []} for scheme in _SCHEMES[route.who]],
        "responses": {str(status): told for status, told in _responses(route, schemas).items()},
    }
    if said.about:
        told["description"] = said.about
    if parameters := _parameters(route, schemas):
        told["parameters"] = parameters
    if said.request is not None:
        needed = bool(schemas.resolved(said.request)["required"])
        told["requestBody"] = {"required": needed, "content": {"application/json": _body(said, schemas)}}
    return told


def _responses(route: Route, schemas: Schemas) -> dict[int, Json]:
    said = route.operation
    errors = {status: _error(status, codes, said.group, schemas) for status, codes in _errors(route).items()}
    answers = {status: _answer(answer, schemas) for status, answer in said.answers.items()}
    return dict(sorted((errors | answers).items()))


def _body(said: Operation, schemas: Schemas) -> Json:
    examples = {
        re.sub(r"\W+", "-", name).strip("-").lower(): {"summary": name, "value": value}
        for name, value in said.examples.items()
    }
    return {"schema": schemas[said.request], "examples": examples}


def _parameters(route: Route, schemas: Schemas) -> list[Json]:
    said = {parameter.name: parameter for parameter in route.operation.parameters}
    of_path = [
        _parameter(said.get(name) or Parameter(name, "", place="path"), {"type": "string"}) for name in route.arguments
    ]
    others = (parameter for parameter in said.values() if parameter.place != "path")
    return of_path + [_parameter(parameter, schemas[parameter.type]) for parameter in others]


def _parameter(said: Parameter, schema: Json) -> Json:
    told: Json = {"name": said.name, "in": said.place, "required": said.place == "path", "schema": schema}
    more = {"description": said.about, "example": said.example}
    return told | {name: text for name, text in more.items() if text}


def _answer(answer: Answer, schemas: Schemas) -> Json:
    told: Json = {"description": answer.about}
    content: Json = {}
    if answer.body is not None:
        content["application/json"] = {"schema": schemas[answer.body]}
        if answer.example is not None:
            content["application/json"]["example"] = answer.example
    if answer.events:
        content["text/event-stream"] = {"schema": _stream([schemas[kind] for kind in answer.events], answer.last)}
    return told | ({"content": content} if content else {})


def _stream(events: list[Json], last: str) -> Json:
    """Of one event. OpenAPI has a place for that from 3.2 on (`itemSchema`); before, its tools take this one for it."""
    data: Json = {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": events[0] if len(events) == 1 else {"anyOf": events},
    }
    return {
        "type": "object",
        "description": "One of the server-sent events.",
        "properties": {"event": {"type": "string"}, "data": {"anyOf": [data, {"enum": [last]}]} if last else data},
        "required": ["data"],
    }


def _errors(route: Route) -> dict[int, list[str]]:
    """Status -> the codes that come with it."""
    kinds: list[type[PosternError]] = [PosternError, *_GUARDS[route.who], *route.operation.errors]
    codes: dict[int, list[str]] = {}
    if route.operation.request is not None:
        kinds += [InvalidRequest, TooSlow, TooLarge]
        codes[400] = list(_BODY_CODES)
    if route.who is Who.KEY:
        codes.setdefault(400, []).append("two_api_keys")
    codes.setdefault(400, []).extend(route.operation.codes)
    for kind in kinds:
        codes.setdefault(kind.status, []).extend([kind.code] if kind.code else [])
    told = {kind.status for kind in kinds}
    return {status: sorted(set(found)) for status, found in sorted(codes.items()) if status in told}


def _error(status: int, codes: list[str], group: Group, schemas: Schemas) -> Json:
    listed = f" Codes: {', '.join(f'`{code}`' for code in codes)}." if codes and group.codes else ""
    told: Json = {
        "description": _STATUSES[status] + listed,
        "content": {"application/json": {"schema": schemas[group.error]}},
    }
    return told | ({"headers": {"Retry-After": _RETRY_AFTER}} if status in (429, 503) else {})


def _explain(schemas: Schemas, said: Operation) -> None:
    """What becomes of each member of the request, where the document has the member."""
    if said.request is None:
        return
    properties = schemas.resolved(said.request)["properties"]
    for member, kind in said.reads.items():
        properties[member] = _list(kind, schemas) if isinstance(kind, ListOf) else {**schemas[kind], "default": None}
    for member, text in said.members.items():
        properties[member]["description"] = text


def _list(kind: ListOf, schemas: Schemas) -> Json:
    found: Json = {"type": "array", "items": {"anyOf": [schemas[each] for each in kind.types]}}
    return {"anyOf": [{"type": "string"}, found]} if kind.or_text else found

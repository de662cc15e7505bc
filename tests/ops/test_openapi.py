"""The document of the API: all routes, with the types that decode them, and whole in itself."""

import json
import re
from pathlib import Path

import httpx
import msgspec
import pytest

from app import errors
from app.version import VERSION
from app.web.describe import operation_of
from app.web.openapi import document as document_of
from app.web.policy import Who, policy_of
from app.web.schemas import Schemas
from tests.support.admin import stubbed_gateway
from tests.support.described import application
from tests.support.gateway import MASTER_KEY, Gateway
from tests.support.openapi import WORDS, Document
from tests.support.sandbox import ROOT

TOLD = ("/v1", "/admin/api", "/health")
SCHEMES = {
    Who.ANYONE: set(),
    Who.KEY: {"bearerAuth", "apiKeyAuth"},
    Who.ADMINISTRATOR: {"basicAuth"},
    Who.CONFIRMED: {"basicAuth"},
}


APP = application()
VIEWS = {rule.endpoint: APP.view_functions[rule.endpoint] for rule in APP.url_map.iter_rules()}
DESCRIBED = {endpoint: said for endpoint, view in VIEWS.items() if (said := operation_of(view))}
WITH_BODY = {endpoint: said for endpoint, said in DESCRIBED.items() if said.request is not None}


# ---- all routes, and no other


def test_every_route_of_the_api_is_in_the_document_and_no_other(document: Document):
    routes = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in APP.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith(TOLD)
    }
    assert {(method, path) for method, path, _ in document.operations()} == routes


def test_the_document_that_is_served_is_that_of_the_application(document: Document):
    told = document_of(APP) | {"servers": [{"url": "/"}]}
    assert document.told == json.loads(msgspec.json.encode(told))


def test_the_parameters_of_a_path_are_told(document: Document):
    for _, path, operation in document.operations():
        told = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path" and each["required"]}
        assert told == set(re.findall(r"\{(\w+)\}", path)), path


def test_each_operation_tells_who_may_call_it(document: Document):
    for _, path, operation in document.operations():
        (endpoint,) = [each for each in DESCRIBED if each.replace(".", "_") == operation["operationId"]]
        schemes = {name for scheme in operation["security"] for name in scheme}
        policy = policy_of(APP, endpoint)
        assert policy is not None
        assert schemes == SCHEMES[policy.who], path


# ---- whole in itself


def test_the_document_names_itself(document: Document):
    assert document.told["openapi"].startswith("3.1")
    assert (document.told["info"]["title"], document.told["info"]["version"]) == ("Postern", VERSION)


def test_the_version_is_that_of_the_changelog():
    newest = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0]
    assert VERSION.endswith("-dev") if newest == "Unreleased" else newest == VERSION


def test_names_of_operations_and_groups_are_right(document: Document):
    operations = [operation for _, _, operation in document.operations()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    assert all(operation["summary"] and len(operation["tags"]) == 1 for operation in operations)
    tags = [tag["name"] for tag in document.told["tags"]]
    assert len(tags) == len(set(tags))
    assert {operation["tags"][0] for operation in operations} == set(tags)
    assert tags[0] == "Chat completions"


def test_every_schema_is_there_and_is_used(document: Document):
    refs = set(re.findall(r'"(#/[^"]+)"', json.dumps(document.told)))
    for ref in refs:
        document.resolve(ref)
    assert {f"#/components/schemas/{name}" for name in document.told["components"]["schemas"]} == refs


def test_schemas_have_no_word_that_the_tests_cannot_read(document: Document):
    def words(schema: object) -> set[str]:
        if isinstance(schema, list):
            return {word for each in schema for word in words(each)}
        if not isinstance(schema, dict):
            return set()
        found = set(schema) | {word for each in schema.get("properties", {}).values() for word in words(each)}
        below = [schema.get(name) for name in ("anyOf", "items", "additionalProperties", "contentSchema")]
        return found | {word for each in below for word in words(each)}

    assert {word for schema in document.schemas() for word in words(schema)} <= WORDS


def test_two_types_of_one_name_are_told_apart():
    spaces = [msgspec.defstruct("Same", [(name, int)], module=f"some.long.path.{name}") for name in ("one", "two")]
    schemas = Schemas([list[spaces[0]], spaces[1]])
    assert set(schemas.components) == {"one.Same", "two.Same"}


# ---- errors


def test_each_operation_lists_its_errors(document: Document):
    for method, path, operation in document.operations():
        statuses = {int(status) for status in operation["responses"]}
        assert 500 in statuses
        assert min(statuses) < 300
        if operation["security"]:
            assert {400, 401} <= statuses, path
        if "requestBody" in operation:
            assert {400, 413} <= statuses, path
        for status in statuses - {200, 201, 204}:
            schema = operation["responses"][str(status)]["content"]["application/json"]["schema"]
            assert "error" in document.resolve(schema["$ref"])["properties"] or path.startswith("/health"), method


def test_every_code_in_the_document_is_explained_in_the_docs(document: Document):
    texts = [answer["description"] for _, _, each in document.operations() for answer in each["responses"].values()]
    codes = {code for text in texts for code in re.findall(r"`(\w+)`", text.partition("Codes: ")[2])}
    assert {kind.code for kind in (errors.QueueFull, errors.NotAdministrator, errors.CliTimeout)} <= codes
    pages = "".join(page.read_text() for page in (ROOT / "docs").glob("*.md"))
    assert {code for code in codes if f"`{code}`" not in pages} == set()


# ---- bodies


@pytest.mark.parametrize("endpoint", WITH_BODY)
def test_every_body_has_examples_that_are_taken(document: Document, endpoint: str):
    said = WITH_BODY[endpoint]
    (operation,) = [each for _, _, each in document.operations() if each["operationId"] == endpoint.replace(".", "_")]
    body = operation["requestBody"]["content"]["application/json"]
    examples = [each["value"] for each in body["examples"].values()]
    assert len(examples) == len(said.examples) > 0
    for example in examples:
        msgspec.json.Decoder(said.request).decode(msgspec.json.encode(example))
        assert list(document.problems(example, body["schema"])) == []


@pytest.mark.parametrize("endpoint", [each for each in WITH_BODY if each.startswith("api.")])
def test_every_member_of_an_applications_body_is_explained(document: Document, endpoint: str):
    (operation,) = [each for _, _, each in document.operations() if each["operationId"] == endpoint.replace(".", "_")]
    schema = document.resolve(operation["requestBody"]["content"]["application/json"]["schema"]["$ref"])
    assert [name for name, member in schema["properties"].items() if "description" not in member] == []


def test_the_examples_of_answers_are_answers(document: Document):
    count = 0
    for _, path, operation in document.operations():
        for answer in operation["responses"].values():
            for kind in answer.get("content", {}).values():
                if "example" in kind:
                    count += 1
                    assert list(document.problems(kind["example"], kind["schema"])) == [], path
    assert count


def test_the_page_is_told_what_a_schema_means_by_refusing():
    """The reader of the tests finds what is wrong, and knows what it does not know."""
    document = Document({"paths": {}, "components": {"schemas": {"A": {"type": "object", "properties": {"a": {}}}}}})
    schema = {"$ref": "#/components/schemas/A"}
    assert list(document.problems({"b": 1}, schema)) == ["$: b is not in the schema"]
    assert list(document.problems({"b": 1}, schema, closed=False)) == []
    assert list(document.problems([1, "x"], {"items": {"type": "string"}})) == ["$[0]: 1 is not of type string"]
    assert len(list(document.problems(True, {"enum": [1]}))) == 1
    assert len(list(document.problems(True, {"anyOf": [{"type": "integer"}, {"type": "null"}]}))) == 1
    with pytest.raises(AssertionError):
        list(document.problems(1, {"not": {}}))


# ---- how it is served


def test_the_document_is_the_same_until_the_gateway_changes(stub: Gateway):
    first = httpx.get(f"{stub.url}/openapi.json", trust_env=False)
    assert first.headers["cache-control"] == "no-cache"
    again = {"If-None-Match": first.headers["etag"]}
    assert httpx.get(f"{stub.url}/openapi.json", headers=again, trust_env=False).status_code == 304


def test_behind_a_prefix_the_document_leads_there(tmp_path: Path):
    with stubbed_gateway(tmp_path, environ={"GATEWAY_TRUSTED_PROXIES": "127.0.0.1"}) as gateway:
        for prefix in ("/claude", ""):
            headers = {"X-Forwarded-Prefix": prefix, "X-Forwarded-Host": "gateway.example.com"}
            told = httpx.get(f"{gateway.url}/openapi.json", headers=headers, trust_env=False).json()
            assert told["servers"] == [{"url": prefix or "/"}]


def test_what_anybody_may_read_tells_nothing_of_this_installation(stub: Gateway):  # threat 64
    answer = httpx.get(f"{stub.url}/openapi.json", trust_env=False).raise_for_status()
    assert "set-cookie" not in answer.headers
    for secret in (MASTER_KEY, str(stub.data_dir), "claude-stub", "ANTHROPIC_"):
        assert secret not in answer.text


def test_the_document_can_be_turned_off(tmp_path: Path):  # threat 64
    with stubbed_gateway(tmp_path, environ={"GATEWAY_DOCS": "false"}) as gateway:
        assert httpx.get(f"{gateway.url}/openapi.json", trust_env=False).status_code == 404

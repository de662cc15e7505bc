"""Schemathesis makes requests up from the document: no failure of the server's, no answer outside the document."""

from pathlib import Path

import pytest

from tests.clients.running import TOOLS, present, run
from tests.support.admin import ENVIRON, PASSWORD, stubbed_gateway
from tests.support.gateway import Gateway

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance"
)
MOST_EXAMPLES = 25
SIGNED_IN = {"ANTHROPIC_API_KEY": "sk-ant-api03-stub"}
APPLICATIONS, ADMINISTRATOR = "^/(v1|health)", "^/admin/api"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory):
    """Of its own: keys are rotated, and logins removed."""
    with stubbed_gateway(tmp_path_factory.mktemp("schemathesis"), environ=ENVIRON | SIGNED_IN) as running:
        yield running


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("addresses", "credentials"),
    [
        (APPLICATIONS, ["--header", "x-api-key:{key}"]),
        (APPLICATIONS, []),
        (ADMINISTRATOR, ["--auth", f"admin:{PASSWORD}"]),
        (ADMINISTRATOR, []),
    ],
    ids=["with a key", "without a key", "as administrator", "as nobody"],
)
def test_nothing_answers_outside_the_document(gateway: Gateway, tmp_path: Path, addresses: str, credentials: list[str]):
    tool = present(TOOLS / "schemathesis", "Schemathesis")
    command = [tool, "run", f"{gateway.url}/openapi.json", f"--checks={CHECKS}", "--seed=1", "--no-color"]
    command += ["--phases=examples,coverage,fuzzing", f"--max-examples={MOST_EXAMPLES}", "--continue-on-failure"]
    command += [f"--include-path-regex={addresses}", "--request-timeout=30", "--suppress-health-check=all"]
    said = run([*command, *(word.format(key=gateway.key) for word in credentials)], gateway, tmp_path)
    assert "No issues found" in said or "passed" in said, said

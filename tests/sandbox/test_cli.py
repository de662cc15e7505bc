"""The real CLI takes the sandbox for Anthropic: both versions."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.client import marked, send
from tests.support.cli import VERSIONS
from tests.support.login import EMAIL, authorise, code_on, log_in, open_login, paste, run_claude
from tests.support.sandbox import Sandbox, running_sandbox

CLEAN = ("--tools", "", "--strict-mcp-config", "--setting-sources", "", "--no-session-persistence")
TOLD = {
    "2.1.330": "Failed to authenticate: OAuth session expired and could not be refreshed",
    "2.1.197": "Not logged in · Please run /login",
}


@dataclass(frozen=True)
class SignedIn:
    version: str
    directory: Path
    sandbox: Sandbox

    @property
    def credentials(self) -> dict[str, Any]:
        return json.loads((self.directory / "config/.credentials.json").read_text())["claudeAiOauth"]

    def ask(self, **behaviour: Any) -> tuple[int, str]:
        answer = run_claude(self.directory, self.sandbox, self.version, "-p", marked(**behaviour), *CLEAN)
        return answer.returncode, answer.stdout.strip()

    def refreshes(self) -> int:
        return self.sandbox.state()["refreshes"]


@pytest.fixture(scope="module", params=VERSIONS)
def signed_in(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignedIn]:
    directory = tmp_path_factory.mktemp("login")
    with running_sandbox() as sandbox:
        assert "Login successful" in log_in(directory, sandbox, request.param)
        yield SignedIn(request.param, directory, sandbox)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_api_key_gets_a_completion(sandbox: Sandbox, tmp_path: Path, version: str):
    answer = run_claude(tmp_path, sandbox, version, "-p", marked(words=30), *CLEAN, login=False)
    assert answer.stdout.split() == [f"w{n}" for n in range(30)]
    (entry,) = sandbox.messages()
    assert entry["body"]["stream"] is True
    assert (entry["outcome"], entry["deltas_sent"]) == ("completed", 30)


def test_a_login_asks_what_anthropic_is_asked(signed_in: SignedIn):
    asked = [(entry["method"], entry["host"], entry["path"]) for entry in signed_in.sandbox.requests()]
    assert asked[1:4] == [
        ("POST", "platform.claude.com", "/v1/oauth/token"),
        ("GET", "api.anthropic.com", "/api/oauth/profile"),
        ("GET", "api.anthropic.com", "/api/oauth/claude_cli/roles"),
    ]
    assert signed_in.credentials["subscriptionType"] == "max"
    assert "user:inference" in signed_in.credentials["scopes"]
    assert "org:create_api_key" not in signed_in.credentials["scopes"]


def test_the_status_knows_the_account(signed_in: SignedIn):
    status = json.loads(run_claude(signed_in.directory, signed_in.sandbox, signed_in.version, "auth", "status").stdout)
    assert status["loggedIn"] is True
    assert (status["email"], status["subscriptionType"]) == (EMAIL, "max")


def test_an_expired_token_is_renewed_once_and_the_old_one_is_dead(signed_in: SignedIn):
    before, count = signed_in.credentials, signed_in.refreshes()
    signed_in.sandbox.state(expire_tokens=True)
    assert signed_in.ask(words=3) == (0, "w0 w1 w2")
    after = signed_in.credentials
    assert after["accessToken"] != before["accessToken"]
    assert after["refreshToken"] != before["refreshToken"]
    assert signed_in.ask(words=1) == (0, "w0")
    assert signed_in.refreshes() == count + 1
    refused, *answered = signed_in.sandbox.messages()
    assert (refused["outcome"], refused["host"]) == ("refused", "api.anthropic.com")
    assert {entry["headers"]["authorization"] for entry in answered} == {f"Bearer {after['accessToken']}"}


def test_a_token_about_to_expire_is_renewed_ahead(signed_in: SignedIn):
    signed_in.sandbox.state(token_lifetime=60, expire_tokens=True)
    assert signed_in.ask(words=1) == (0, "w0")
    count = signed_in.refreshes()
    signed_in.sandbox.state(token_lifetime=8 * 3600)
    n = signed_in.sandbox.requests()[-1]["n"]
    assert signed_in.ask(words=1) == (0, "w0")
    assert signed_in.refreshes() == count + 1
    assert all(entry["outcome"] == "completed" for entry in signed_in.sandbox.messages(since=n))
    assert signed_in.credentials["expiresAt"] / 1000 > time.time() + 7 * 3600


def test_a_login_that_cannot_be_renewed_is_told(signed_in: SignedIn):
    signed_in.sandbox.state(expire_tokens=True, refuse_refresh=True)
    try:
        code, said = signed_in.ask(words=1)
    finally:
        signed_in.sandbox.state(refuse_refresh=False)
    assert code == 1
    assert said == TOLD[signed_in.version]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_refused_code_and_a_console_login(sandbox: Sandbox, tmp_path: Path, version: str):
    sandbox.state(refuse_next_code=True)
    terminal, link = open_login(tmp_path, sandbox, version, "--console")
    assert link.startswith("https://platform.claude.com/oauth/authorize?")
    assert "successful" not in paste(terminal, code_on(authorise(sandbox, link).text))
    assert terminal.exitstatus == 1
    assert "Login successful" in log_in(tmp_path, sandbox, version, "--console")
    assert sandbox.requests()[-1]["path"] == "/api/oauth/claude_cli/create_api_key"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_login_by_single_sign_on_with_an_email(sandbox: Sandbox, tmp_path: Path, version: str):
    terminal, link = open_login(tmp_path, sandbox, version, "--sso", "--email", "me@firm.example")
    page = send(sandbox, "GET", link[link.index("/", len("https://")) :]).text
    assert "value='me@firm.example'" in page
    assert "single sign-on" in page
    assert "Login successful" in paste(terminal, code_on(authorise(sandbox, link).text))

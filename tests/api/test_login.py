"""The gateway over a Claude login (OAuth) instead of an API key: the real CLI, through the sandbox's proxy."""

import json
import shutil

import pytest

from tests.support.cli import VERSIONS
from tests.support.gateway import running_gateway
from tests.support.login import EMAIL, log_in
from tests.support.processes import wait_until


def by_proxy(sandbox):
    return {"HTTPS_PROXY": sandbox.proxy, "NODE_EXTRA_CA_CERTS": sandbox.ca}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_login_made_beside_the_gateway_is_taken_and_its_removal_noticed(tmp_path, sandbox, version):
    config = tmp_path / "config"  # where log_in puts it
    config.mkdir()
    environ = by_proxy(sandbox) | {"GATEWAY_CLAUDE_CONFIG_DIR": str(config)}
    with running_gateway(None, tmp_path, version=version, environ=environ, ready=False) as gateway:
        assert gateway.chat("hi").json()["error"]["code"] == "not_signed_in"

        log_in(tmp_path, sandbox, version)
        with gateway.http() as client:
            wait_until(lambda: client.get("/health/ready").status_code == 200, 10, "the gateway is ready")
        messages = [
            {"role": "system", "content": "login-system"},
            {"role": "user", "content": "first"},
            {"role": "assistant", "content": "one"},
            {"role": "user", "content": 'second [[sandbox: {"words": 2}]]'},
        ]
        with gateway.http() as client:
            answer = client.post("/v1/chat/completions", json={"model": "sonnet", "messages": messages})
        assert answer.status_code == 200, answer.text
        assert answer.json()["choices"][0]["message"]["content"] == "w0 w1"
        body = next(m["body"] for m in sandbox.messages() if "login-system" in json.dumps(m["body"]["system"]))
        roles = [m["role"] for m in body["messages"] if m["role"] != "system"]
        assert roles == ["user", "assistant", "user"]
        # What the CLI adds under a login tells nothing of the account's owner.
        assert EMAIL not in json.dumps([m["body"] for m in sandbox.messages()])

        (config / ".credentials.json").unlink()
        with gateway.http() as client:
            assert client.get("/health/ready").status_code == 503
        assert gateway.chat("hi").json()["error"]["code"] == "not_signed_in"


def test_a_rate_limit_of_the_subscription_tells_when_it_ends(tmp_path, sandbox):  # threat 79
    log_in(tmp_path, sandbox)
    environ = by_proxy(sandbox) | {"GATEWAY_CLAUDE_CONFIG_DIR": str(tmp_path / "config")}
    with running_gateway(None, tmp_path, environ=environ) as gateway:
        answer = gateway.chat('[[sandbox: {"status": 429, "unified": true, "reset_in": 900}]]')
        assert answer.status_code == 429, answer.text
        assert 890 <= int(answer.headers["retry-after"]) <= 901


def test_many_requests_on_an_expired_token_refresh_it_once(tmp_path, sandbox):  # threat 33
    log_in(tmp_path, sandbox)
    credentials = tmp_path / "config" / ".credentials.json"
    login = json.loads(credentials.read_text())
    login["claudeAiOauth"]["expiresAt"] = 1
    shutil.copy2(credentials, tmp_path / "old")
    credentials.write_text(json.dumps(login))
    environ = by_proxy(sandbox) | {"GATEWAY_CLAUDE_CONFIG_DIR": str(tmp_path / "config")}
    before = len(sandbox.requests())
    with running_gateway(None, tmp_path, environ=environ) as gateway:
        answer = gateway.chat('[[sandbox: {"words": 2}]]', n=4)
    assert answer.status_code == 200, answer.text
    refreshes = [r for r in sandbox.requests()[before:] if r["path"].startswith("/v1/oauth/token")]
    assert len(refreshes) == 1


OLD_MEMBERS = ("accountUuid", "emailAddress", "organizationUuid", "organizationName")


@pytest.mark.parametrize(
    "known",
    [lambda account: {name: account[name] for name in OLD_MEMBERS}, lambda _: None],
    ids=["of an older CLI", "none"],
)
def test_the_owner_of_an_account_is_told_to_nobody(tmp_path, sandbox, known):
    """Also where the CLI would ask for the account's profile, and then write the address into its config file."""
    log_in(tmp_path, sandbox)
    file = tmp_path / "config" / ".claude.json"
    config = json.loads(file.read_text())
    config["oauthAccount"] = known(config["oauthAccount"])
    file.write_text(json.dumps({name: value for name, value in config.items() if value is not None}))
    environ = by_proxy(sandbox) | {"GATEWAY_CLAUDE_CONFIG_DIR": str(tmp_path / "config")}
    before = len(sandbox.requests())
    with running_gateway(None, tmp_path, environ=environ) as gateway:
        for _ in range(4):
            assert gateway.chat('who am I? [[sandbox: {"words": 2}]]').status_code == 200
    assert EMAIL not in json.dumps([m["body"] for m in sandbox.messages()])
    assert [r["path"] for r in sandbox.requests()[before:] if "profile" in r["path"]] == []

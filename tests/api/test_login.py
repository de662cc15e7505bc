"""The gateway over a Claude login (OAuth) instead of an API key: the real CLI, through the sandbox's proxy."""

import json
import shutil

import pytest

from app.claude.login import PUT_BACK, REFUSED
from tests.support.admin import ENVIRON, administrator
from tests.support.cli import VERSIONS
from tests.support.gateway import running_gateway
from tests.support.login import EMAIL, log_in
from tests.support.processes import wait_until


def by_proxy(sandbox):
    return {"HTTPS_PROXY": sandbox.proxy, "NODE_EXTRA_CA_CERTS": sandbox.ca}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_login_made_beside_the_gateway_is_taken_and_its_removal_noticed(tmp_path, sandbox, version):
    sandbox.clear()
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


def sign_in_by_key(gateway, admin, key):
    before = gateway.log.read_text().count("sign-in by api_key: ")

    def told():
        return admin.script("GET", "/admin/api/login").json()

    def ended():
        return gateway.log.read_text().count("sign-in by api_key: ") > before + 1

    admin.script("POST", "/admin/api/login", {"method": "api_key"})
    wait_until(lambda: told()["state"] == "awaiting_code", 15, "a key is waited for")
    admin.script("POST", "/admin/api/login/code", {"code": key})
    wait_until(ended, 60, "the sign-in ends")
    return told()


@pytest.mark.parametrize("first", ["subscription", "api_key"])
def test_a_wrong_key_takes_no_working_login_away(tmp_path, sandbox, first):  # threat 36
    config = tmp_path / "config"
    config.mkdir()
    environ = by_proxy(sandbox) | ENVIRON | {"GATEWAY_CLAUDE_CONFIG_DIR": str(config)}
    with (
        running_gateway(None, tmp_path, environ=environ, ready=False) as gateway,
        administrator(gateway) as admin,
        gateway.http() as client,
    ):
        if first == "subscription":
            log_in(tmp_path, sandbox)
            wait_until(lambda: client.get("/health/ready").status_code == 200, 10, "the gateway is ready")
            assert admin.script("POST", "/admin/api/test").json()["ok"] is True
        else:
            assert sign_in_by_key(gateway, admin, "sk-ant-api03-" + "sandbox" * 5)["state"] == "succeeded"
        before = {path.name: path.read_bytes() for path in config.iterdir() if path.is_file()}
        account = admin.script("GET", "/admin/api/status").json()["auth"]

        told = sign_in_by_key(gateway, admin, "sk-ant-api03-" + "invalid" * 5)
        assert told["state"] == "refused"
        assert told["message"] == f"{REFUSED['api_key']} {PUT_BACK}"
        assert {path.name: path.read_bytes() for path in config.iterdir() if path.is_file()} == before
        assert admin.script("GET", "/admin/api/status").json()["auth"] == account
        assert account["state"] == "connected"
        assert client.get("/health/ready").status_code == 200
        for _ in range(3):
            answer = gateway.chat('[[sandbox: {"words": 2}]]')
            assert answer.status_code == 200, answer.text


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
    sandbox.clear()
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

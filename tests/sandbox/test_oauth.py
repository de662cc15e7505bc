from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.sandbox.authorising import CHALLENGE, CLIENT, MANUAL, VERIFIER, link
from tests.sandbox.client import body, problem, send
from tests.support.login import EMAIL, authorise, code_on
from tests.support.sandbox import Sandbox

MESSAGES = {"anthropic-version": "2023-06-01", "anthropic-beta": "oauth-2025-04-20"}


def exchange(sandbox: Sandbox, pasted: str, **changes: Any) -> httpx.Response:
    code, _, state = pasted.partition("#")
    given = {"grant_type": "authorization_code", "code": code, "state": state, "code_verifier": VERIFIER}
    return token(sandbox, **{**given, "redirect_uri": MANUAL, "client_id": CLIENT, **changes})


def token(sandbox: Sandbox, **given: Any) -> httpx.Response:
    return send(sandbox, "POST", "/v1/oauth/token", json=given)


def refresh(sandbox: Sandbox, issued: dict[str, Any]) -> httpx.Response:
    return token(sandbox, grant_type="refresh_token", refresh_token=issued["refresh_token"], client_id=CLIENT)


def new_login(sandbox: Sandbox, shown: str | None = None, **changes: Any) -> dict[str, Any]:
    answer = exchange(sandbox, code_on(authorise(sandbox, shown or link()).text), **changes)
    assert answer.status_code == 200, answer.text
    return answer.json()


def bearer(issued: dict[str, Any]) -> dict[str, str]:
    return MESSAGES | {"authorization": f"Bearer {issued['access_token']}"}


def ask(sandbox: Sandbox, issued: dict[str, Any]) -> httpx.Response:
    return send(sandbox, "POST", "/v1/messages", json=body(), headers=bearer(issued))


def denial(answer: httpx.Response, error: str = "invalid_grant") -> str:
    assert answer.status_code == 400
    assert answer.json()["error"] == error
    return answer.json()["error_description"]


def test_a_code_buys_a_token_that_answers(sandbox: Sandbox):
    issued = new_login(sandbox)
    assert issued["token_type"] == "Bearer"
    assert issued["expires_in"] == 8 * 3600
    assert issued["scope"] == "user:profile user:inference"
    assert issued["account"]["email_address"] == EMAIL
    answer = ask(sandbox, issued)
    assert answer.status_code == 200
    assert answer.headers["anthropic-ratelimit-unified-status"] == "allowed"


def test_a_code_works_once(sandbox: Sandbox):
    pasted = code_on(authorise(sandbox, link()).text)
    assert exchange(sandbox, pasted).status_code == 200
    assert "Invalid 'code'" in denial(exchange(sandbox, pasted))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"code_verifier": "another"}, "PKCE verification failed"),
        ({"state": "another"}, "State mismatch"),
        ({"redirect_uri": "http://localhost:1/callback"}, "Redirect URI mismatch"),
        ({"code": "another"}, "Invalid 'code'"),
    ],
)
def test_an_exchange_is_checked(sandbox: Sandbox, changes: dict[str, str], message: str):
    assert message in denial(exchange(sandbox, code_on(authorise(sandbox, link()).text), **changes))


def test_another_client_is_refused(sandbox: Sandbox):
    pasted = code_on(authorise(sandbox, link()).text)
    assert denial(exchange(sandbox, pasted, client_id="me"), "invalid_client")
    assert denial(token(sandbox, grant_type="password"), "unsupported_grant_type")


def test_the_short_link_means_the_same(sandbox: Sandbox):
    # Bits 1 to 3: the first three scopes. The state is not in this link, so any is taken.
    issued = new_login(sandbox, f"https://claude.ai/oauth/authorize?O{CHALLENGE}&login_hint=a%40b.c", state="any")
    assert issued["scope"] == "user:profile user:inference"


def test_a_console_login_makes_a_key_and_asks_no_model(sandbox: Sandbox):
    issued = new_login(sandbox, link("https://platform.claude.com/oauth/authorize"))
    assert issued["scope"] == "org:create_api_key user:profile"
    assert "user:inference" in problem(ask(sandbox, issued), 403, "permission_error")
    made = send(sandbox, "POST", "/api/oauth/claude_cli/create_api_key", headers=bearer(issued)).json()
    key = {"x-api-key": made["raw_key"], "anthropic-version": "2023-06-01"}
    assert send(sandbox, "POST", "/v1/messages", json=body(), headers=key).status_code == 200


def test_a_subscription_makes_no_key(sandbox: Sandbox):
    answer = send(sandbox, "POST", "/api/oauth/claude_cli/create_api_key", headers=bearer(new_login(sandbox)))
    assert problem(answer, 403, "permission_error")


def test_a_long_token_lives_as_long_as_asked(sandbox: Sandbox):
    assert new_login(sandbox, expires_in=31_536_000)["expires_in"] == 31_536_000


def test_a_refresh_token_works_once(sandbox: Sandbox):
    first = new_login(sandbox)
    second = refresh(sandbox, first).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert denial(refresh(sandbox, first)) == "Refresh token not found or invalid"
    assert ask(sandbox, second).status_code == 200


def test_of_two_refreshes_at_once_one_wins_even_when_the_endpoint_is_slow(sandbox: Sandbox):
    issued = new_login(sandbox)
    sandbox.state(token_latency=0.2)
    try:
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda _: refresh(sandbox, issued).status_code, range(2)))
    finally:
        sandbox.state(token_latency=0)
    assert sorted(answers) == [200, 400]


def test_expired_revoked_and_refused(sandbox: Sandbox):
    issued = new_login(sandbox)
    sandbox.state(expire_tokens=True)
    assert "has expired" in problem(ask(sandbox, issued), 401, "authentication_error")
    sandbox.state(refuse_refresh=True)
    assert denial(refresh(sandbox, issued))
    sandbox.state(refuse_refresh=False)
    renewed = refresh(sandbox, issued).json()
    sandbox.state(revoke_tokens=True)
    assert "has been revoked" in problem(ask(sandbox, renewed), 403, "permission_error")
    assert denial(refresh(sandbox, renewed))


def test_a_logout_revokes_its_token(sandbox: Sandbox):
    issued = new_login(sandbox)
    send(sandbox, "POST", "/v1/oauth/token/revoke", json={"token": issued["refresh_token"]})
    assert denial(refresh(sandbox, issued))


def test_the_next_code_can_be_refused(sandbox: Sandbox):
    sandbox.state(refuse_next_code=True)
    assert denial(exchange(sandbox, code_on(authorise(sandbox, link()).text)))
    assert new_login(sandbox)


@pytest.mark.parametrize("plan", ["max", "pro"])
def test_the_profile_tells_the_plan(sandbox: Sandbox, plan: str):
    sandbox.state(plan=plan)
    profile = send(sandbox, "GET", "/api/oauth/profile", headers=bearer(new_login(sandbox))).json()
    assert profile["organization"]["organization_type"] == f"claude_{plan}"
    assert profile["account"]["email"] == EMAIL


def test_an_api_call_without_the_beta_header_is_refused(sandbox: Sandbox):
    headers = bearer(new_login(sandbox)) | {"anthropic-beta": "other"}
    answer = send(sandbox, "POST", "/v1/messages", json=body(), headers=headers)
    assert "OAuth authentication" in problem(answer, 401, "authentication_error")


def test_state_is_strict_and_readable(sandbox: Sandbox):
    assert sandbox.state()["token_lifetime"] == 8 * 3600
    for wrong in ({"plna": "max"}, {"plan": "gold"}, {"token_lifetime": -1}):
        assert next(iter(wrong)) in problem(send(sandbox, "POST", "/sandbox/state", json=wrong))


def test_a_browser_on_this_machine_is_sent_back(sandbox: Sandbox):
    shown = link(redirect_uri="http://localhost:12345/callback")
    granted = urlsplit(authorise(sandbox, shown).headers["location"])
    assert granted.netloc == "localhost:12345"
    assert parse_qs(granted.query)["state"] == ["the-state"]
    refused = urlsplit(authorise(sandbox, shown, decision="deny").headers["location"])
    assert parse_qs(refused.query)["error"] == ["access_denied"]


@pytest.mark.parametrize("wrong", [{"code_challenge": ""}, {"code_challenge_method": "plain"}])
def test_a_broken_link_is_refused(sandbox: Sandbox, wrong: dict[str, str]):
    assert "authorize" in problem(authorise(sandbox, link(**wrong)))

"""The administrator's side of signing the CLI in: by JSON and by forms, over a stub of the CLI."""

import re
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tests.support.admin import ENVIRON, Admin, administrator, audited, stubbed_gateway, text_of
from tests.support.gateway import Gateway
from tests.support.processes import wait_until
from tests.support.stub_sign_in import CODE, LINK

KEY = "sk-ant-api03-" + "CANARY" * 5


@pytest.fixture(autouse=True)
def cleared(gateway: Gateway) -> Iterator[None]:
    yield
    Admin(gateway).script("DELETE", "/admin/api/login?force=true")


def reaches(admin: Admin, *states: str, seconds: float = 30) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        told = admin.call("GET", "/admin/api/login").json()
        if told["state"] in states:
            return told
        time.sleep(0.05)
    raise AssertionError(f"still {told}")


def test_the_status_of_everything(gateway: Gateway, admin: Admin):
    told = admin.call("GET", "/admin/api/status").json()
    assert {
        "state",
        "method",
        "account",
        "plan",
        "access_expires_at",
        "login_expires_at",
        "last_refresh_at",
        "last_success_at",
    } <= told["auth"].keys()
    assert {"path", "mounted", "persistent", "writable", "owner", "mode", "free_bytes", "problems"} <= told[
        "volume"
    ].keys()
    assert told["volume"]["path"] == str(gateway.data_dir / "claude")
    assert all(problem.keys() >= {"code", "message", "fix"} for problem in told["volume"]["problems"])
    assert {"spare", "busy", "waiting", "most"} <= told["pool"].keys()


def test_a_sign_in_by_json(gateway: Gateway, admin: Admin):
    started = admin.call("POST", "/admin/api/login", {"method": "claudeai", "email": "someone@example.com"})
    assert started.json()["state"] in ("starting", "awaiting_code")
    told = reaches(admin, "awaiting_code")
    assert told.keys() >= {"state", "url", "message", "mine", "holder", "deadline", "version"}
    assert told["url"] == LINK
    assert told["mine"] is True

    for wrong in (
        "",
        "x",
        CODE.partition("#")[0],
        CODE + "\x03",
        f"{CODE}\n{CODE}",
        "x" * 5000,
        f"{'x' * 20}#{'y' * 20}",
    ):
        answer = admin.call("POST", "/admin/api/login/code", {"code": wrong})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "code"), wrong
    assert admin.call("POST", "/admin/api/login/code", {"code": CODE}).json()["state"] == "verifying"
    told = reaches(admin, "succeeded", "failed")
    assert told["state"] == "succeeded", told
    assert admin.call("GET", "/admin/api/status").json()["auth"]["state"] == "connected"
    assert admin.call("POST", "/admin/api/test").json()["ok"] is True
    assert "Claude is connected" in text_of(admin.get("/auth").text)

    assert admin.call("DELETE", "/admin/api/credentials").status_code == 204
    assert "postern_messages" not in admin.client.cookies
    assert admin.call("GET", "/admin/api/status").json()["auth"]["state"] == "signed_out"
    assert admin.call("GET", "/admin/api/login").json()["state"] == "idle"  # what succeeded is gone


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "method"),
        ({"method": "password"}, "method"),
        ({"method": 1}, "method"),
        ({"method": "claudeai", "email": "--version"}, "email"),
        ({"method": "claudeai", "email": 1}, "email"),
        ({"method": "claudeai", "force": "yes"}, "force"),
        ({"method": "claudeai", "plan": "max"}, "plan"),
    ],
)
def test_a_start_that_is_wrong_starts_nothing(admin: Admin, body: dict[str, Any], param: str):  # threat 3
    answer = admin.call("POST", "/admin/api/login", body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert admin.call("GET", "/admin/api/login").json()["state"] == "idle"


def test_a_second_way_to_sign_in_has_answered_too(gateway: Gateway, admin: Admin):
    """Nobody looks meanwhile, and the test question is answered before the watch's next round."""

    def succeeded() -> int:
        return gateway.log.read_text().count(": succeeded")

    before = succeeded()
    for number, (method, text) in enumerate((("claudeai", CODE), ("api_key", KEY)), before + 1):
        admin.call("POST", "/admin/api/login", {"method": method})
        reaches(admin, "awaiting_code")
        admin.call("POST", "/admin/api/login/code", {"code": text})
        wait_until(lambda number=number: succeeded() >= number, 30, f"the sign-in by {method} succeeds")
        assert admin.call("GET", "/admin/api/login").json()["state"] == "succeeded"


def test_a_code_that_nobody_asked_for_is_refused(admin: Admin):
    answer = admin.call("POST", "/admin/api/login/code", {"code": CODE})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "code")


def test_a_second_administrator_sees_who_signs_in_and_not_the_link(gateway: Gateway, admin: Admin):  # threat 27
    admin.call("POST", "/admin/api/login", {"method": "claudeai"})
    reaches(admin, "awaiting_code")
    with administrator(gateway, address="127.0.0.51") as other:
        other.sign_in()
        told = other.call("GET", "/admin/api/login").json()
        assert (told["mine"], told["url"], told["message"]) == (False, "", "")
        assert told["holder"].startswith("administrator at 127.0.0.1 (session ")
        assert LINK not in unescape(other.get("/auth").text)
        assert "administrator at 127.0.0.1" in other.get("/auth").text
        for method, path, body in (
            ("POST", "/admin/api/login", {"method": "api_key"}),
            ("POST", "/admin/api/login/code", {"code": CODE}),
            ("DELETE", "/admin/api/login", None),
        ):
            answer = other.call(method, path, body)
            assert (answer.status_code, answer.json()["error"]["code"]) == (409, "login_busy"), path
            assert "administrator at 127.0.0.1" in answer.json()["error"]["message"]
        assert admin.call("GET", "/admin/api/login").json()["state"] == "awaiting_code"
        page = other.post("/auth/start", method="api_key", terms="1")
        assert "has been signing in since" in text_of(page.text)
        other.post("/auth/abandon", force="1")
        assert admin.call("GET", "/admin/api/login").json()["state"] == "idle"


def test_a_sign_in_stays_ones_own_when_the_address_changes(gateway: Gateway, admin: Admin):  # threat 27
    admin.call("POST", "/admin/api/login", {"method": "claudeai"})
    reaches(admin, "awaiting_code")
    with administrator(gateway, address="127.0.0.52") as elsewhere:  # from Wi-Fi to the mobile network
        elsewhere.client.cookies.update(admin.client.cookies)
        elsewhere.csrf_token = admin.csrf_token
        assert LINK in unescape(elsewhere.get("/auth").text)
        assert elsewhere.call("GET", "/admin/api/login").json()["mine"] is True
        assert elsewhere.call("DELETE", "/admin/api/login").json()["state"] == "idle"


def test_a_sign_in_by_forms(gateway: Gateway, admin: Admin):
    page = admin.post("/auth/start", method="api_key")
    assert "Tick that" in text_of(page.text)
    page = admin.post("/auth/start", method="nothing", terms="1")
    assert "method must be one of" in text_of(page.text)
    admin.post("/auth/start", method="api_key", terms="1")
    reaches(admin, "awaiting_code")
    panel = admin.get("/auth/panel").text
    assert 'data-state="awaiting_code"' in panel
    assert "Paste the API key" in panel
    assert "Do this later" not in panel
    assert "Do this later" in admin.get("/auth/panel?next=/setup").text
    assert 'type="password" id="code"' in panel
    page = admin.post("/auth/code", code="wrong")
    assert "This is not an API key" in text_of(page.text)
    admin.post("/auth/code", code=f" {KEY}\n")
    assert reaches(admin, "succeeded", "failed")["state"] == "succeeded"
    assert "curl" in admin.get("/auth/panel").text
    in_the_set_up = admin.get("/auth/panel?next=/setup").text
    assert "Claude is connected" in in_the_set_up
    assert "Do this later" not in in_the_set_up
    assert "curl" not in in_the_set_up  # no key was shown yet
    admin.post("/auth/abandon")
    assert "Claude is connected already. It is an API key" in text_of(admin.get("/auth/panel?next=/setup").text)
    page = admin.post("/auth/test")
    assert "Signed in by an API key" in text_of(page.text)
    assert "api_key</dd>" not in page.text
    assert "Claude answered in" in text_of(page.text)
    assert "one two three four" in page.text
    page = admin.post("/auth/sign-out")
    assert "Claude is signed out" in text_of(page.text)
    assert KEY not in "".join(path.read_text() for path in (gateway.data_dir / "claude").glob("**/*.json*"))


def test_the_forms_of_the_set_up_lead_back_to_it_and_nowhere_else(admin: Admin):  # threat 59
    for target, leads_to in (("/setup", "/setup"), ("https://evil.example", "/auth"), ("//evil.example", "/auth")):
        fields = {"csrf_token": admin.csrf_token, "next": target}
        assert admin.client.post("/auth/abandon", data=fields).headers["location"] == leads_to


def test_the_link_is_shown_with_a_code_for_a_telephone(admin: Admin):  # threat 30
    admin.call("POST", "/admin/api/login", {"method": "claudeai"})
    reaches(admin, "awaiting_code")
    page = admin.get("/auth").text
    link = re.search(r'<a class="button primary" href="([^"]+)" target="_blank" rel="noopener noreferrer">', page)
    assert link
    assert link[1].replace("&amp;", "&") == LINK
    assert re.search(r'<div class="qr"[^>]*><svg[^>]* viewBox="', page)


def test_what_is_pasted_is_not_written_down(gateway: Gateway, admin: Admin):  # threat 32
    admin.call("POST", "/admin/api/login", {"method": "api_key"})
    reaches(admin, "awaiting_code")
    admin.call("POST", "/admin/api/login/code", {"code": KEY})
    reaches(admin, "succeeded", "failed")
    assert "CANARY" not in str(audited(gateway))
    assert "CANARY" not in gateway.log.read_text()


def test_a_login_that_a_variable_wins_over_is_told_as_what_it_is(tmp_path: Path):
    environ = ENVIRON | {"ANTHROPIC_API_KEY": "sk-ant-api03-stub"}
    with stubbed_gateway(tmp_path, environ=environ) as gateway, administrator(gateway) as admin:
        admin.sign_in()
        admin.call("POST", "/admin/api/login", {"method": "api_key"})
        reaches(admin, "awaiting_code")
        admin.call("POST", "/admin/api/login/code", {"code": KEY})
        told = reaches(admin, "succeeded", "failed", "refused")
        assert (told["state"], told["overruled_by"]) == ("failed", "ANTHROPIC_API_KEY")
        assert told["message"].startswith("The login is stored, but could not be tried: ANTHROPIC_API_KEY in")
        page = text_of(admin.get("/auth").text)
        assert "Stored, but not in use" in page
        assert "Claude is connected" not in page
        assert "Signed in by an API key, by ANTHROPIC_API_KEY of the gateway's environment" in page
        assert "wins over a sign-in" not in page  # it is said once

"""Who gets in: asked of every route there is."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.web.policy import Who
from tests.admin.routes import CONFIRMED, GUARDED, OPEN, ROUTES, UNSAFE, Route
from tests.support.admin import Admin, administrator, audited, stored, text_of
from tests.support.gateway import MASTER_KEY, Gateway

each_guarded = pytest.mark.parametrize("route", GUARDED, ids=str)
each_unsafe = pytest.mark.parametrize("route", UNSAFE, ids=str)


@pytest.fixture(scope="module")
def insider(gateway: Gateway) -> Iterator[Admin]:
    """Signed in once for all that ask for nothing but that."""
    with administrator(gateway) as browser:
        browser.sign_in()
        yield browser


@pytest.fixture(scope="module")
def nobody(gateway: Gateway) -> Iterator[Admin]:
    with administrator(gateway) as browser:
        yield browser


@pytest.fixture(scope="module")
def application_key(gateway: Gateway) -> str:
    answer = Admin(gateway).script("POST", "/admin/api/keys", {"name": "an application"})
    return answer.json()["key"]


def ask(client: httpx.Client, route: Route, **options: Any) -> httpx.Response:
    return client.request(route.method, route.path, **options)


def is_refused(route: Route, answer: httpx.Response) -> None:
    """As everybody is who is not signed in."""
    if route.policy.script:
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "not_administrator"
    elif route.unsafe:
        assert answer.status_code == 401
        assert "Sign in first" in answer.text
    else:
        assert answer.status_code == 302
        assert answer.headers["location"].startswith("/admin/sign-in?next=")


def test_only_these_are_open_to_anyone():  # threat 46
    assert {str(route) for route in OPEN} == {
        "GET /",
        "GET /admin/sign-in",
        "POST /admin/sign-in",
        "GET /setup",
        "POST /setup",
    }
    assert all(route.policy.who in (Who.ADMINISTRATOR, Who.CONFIRMED) for route in ROUTES if route not in OPEN)


def test_what_cannot_be_taken_back_asks_for_the_password_again():  # threat 60
    assert {str(route) for route in CONFIRMED} == {
        "DELETE /admin/api/credentials",
        "GET /admin/audit/export",
        "GET /admin/confirm",
        "POST /admin/api/credentials/restore",
        "POST /admin/api/master-key/revoke-previous",
        "POST /admin/api/master-key/rotate",
        "POST /admin/confirm",
        "POST /admin/keys/master/revoke-previous",
        "POST /admin/keys/master/rotate",
        "POST /auth/restore",
        "POST /auth/sign-out",
    }


@each_guarded
def test_nobody_gets_in_without_a_session(nobody: Admin, route: Route):  # threat 46
    is_refused(route, ask(nobody.client, route))


@each_guarded
def test_no_key_opens_the_administrators_side(nobody: Admin, route: Route, application_key: str):  # threats 45, 46
    for key in (application_key, MASTER_KEY):
        for headers in ({"Authorization": f"Bearer {key}"}, {"x-api-key": key}):
            is_refused(route, ask(nobody.client, route, headers=headers))
        is_refused(route, ask(nobody.client, route, headers={"Cookie": f"postern={key}"}))


@each_guarded
def test_basic_is_for_scripts_only(nobody: Admin, route: Route):  # threat 54
    if not route.policy.script:
        is_refused(route, ask(nobody.client, route, auth=("admin", "seven wet horses on a roof")))


@each_unsafe
def test_what_changes_something_needs_the_pages_token(gateway: Gateway, insider: Admin, route: Route):  # threat 54
    before = len(audited(gateway))
    for token in ("", "0" * 64, insider.csrf_token[:-1], "ä"):
        fields = {} if route.policy.script else {"csrf_token": token}
        answer = ask(insider.client, route, data=fields or None)
        assert answer.status_code == 403, token
        assert "too old" in answer.text
    answer = ask(insider.client, route, headers={"X-CSRF-Token": "0" * 64})
    assert answer.status_code == 403
    assert len(audited(gateway)) == before


FOREIGN = (
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
)


@each_unsafe
def test_no_page_of_another_site_changes_anything(gateway: Gateway, insider: Admin, route: Route):  # threat 54
    before = len(audited(gateway))
    for headers in FOREIGN:
        answer = ask(insider.client, route, headers={"X-CSRF-Token": insider.csrf_token, **headers})
        assert answer.status_code == 403, headers
        assert "another site" in answer.text
    assert len(audited(gateway)) == before


def test_no_page_of_another_site_takes_the_cookie_away(gateway: Gateway):  # threat 54
    """It is not sent along, and an answer with another one would sign the administrator out."""
    for headers in FOREIGN:
        answer = httpx.post(f"{gateway.url}/admin/sign-in", headers=headers, trust_env=False)
        assert answer.status_code == 403
        assert "Set-Cookie" not in answer.headers
    for site in ("cross-site", "same-site"):
        for path in ("/", "/admin", "/admin/sign-in", "/setup"):
            headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}
            answer = httpx.get(gateway.url + path, headers=headers, trust_env=False)
            assert '<meta http-equiv="refresh" content="0">' in answer.text
            assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("route", [route for route in ROUTES if route.policy.script], ids=str)
def test_json_is_not_for_other_sites_pages(insider: Admin, route: Route):  # threats 54, 63
    for headers in FOREIGN:
        for who in ({"X-CSRF-Token": insider.csrf_token}, {"Authorization": "Basic YWRtaW46eA=="}):
            assert ask(insider.client, route, headers={**who, **headers}).status_code == 403, headers


@pytest.mark.parametrize("route", [route for route in UNSAFE if route.policy.script], ids=str)
def test_json_must_say_that_it_is_json(gateway: Gateway, insider: Admin, route: Route):  # threat 54
    before = len(audited(gateway))
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        headers = {"X-CSRF-Token": insider.csrf_token, "Content-Type": kind}
        for content in (b'{"name": "x"}', iter([b'{"name": "x"}'])):
            answer = ask(insider.client, route, headers=headers, content=content)
            assert answer.status_code == 400, kind
            assert "application/json" in answer.json()["error"]["message"]
    assert len(audited(gateway)) == before


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_a_method_that_only_looks_changes_nothing(gateway: Gateway, insider: Admin, route: Route):
    before = len(audited(gateway)), stored(gateway, "SELECT count(*), sum(enabled), sum(revoked_at IS NULL) FROM keys")
    for method in ("HEAD", "OPTIONS"):
        fields = {"name": "changed", "password": "x", "step": "key", "stored": "1"}
        answer = insider.client.request(method, route.path, data=fields)
        assert answer.status_code < 500
    if route.endpoint == "export_audit":
        return  # to look at it is what is written down
    now = len(audited(gateway)), stored(gateway, "SELECT count(*), sum(enabled), sum(revoked_at IS NULL) FROM keys")
    assert now == before


def test_a_key_is_not_changed_by_a_request_that_only_looks(gateway: Gateway, admin: Admin):
    made = admin.call("POST", "/admin/api/keys", {"name": "as it was"}).json()
    admin.client.request("HEAD", f"/admin/keys/{made['id']}", data={"name": "changed"})
    assert admin.call("GET", f"/admin/api/keys/{made['id']}").json()["name"] == "as it was"


# ---- the password once more


def grow_old(gateway: Gateway, seconds: float = 301) -> None:
    stored(gateway, "UPDATE sessions SET confirmed_at = confirmed_at - ?", seconds)


@pytest.mark.parametrize("route", CONFIRMED, ids=str)
def test_after_five_minutes_the_password_is_asked_for(gateway: Gateway, insider: Admin, route: Route):  # threat 60
    grow_old(gateway)
    before = len(audited(gateway))
    if route.policy.script:
        answer = insider.call(route.method, route.path, {"grace_seconds": 0} if "rotate" in route.path else None)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "confirmation_needed")
    else:
        answer = ask(insider.client, route, data={"csrf_token": insider.csrf_token} if route.unsafe else None)
        assert answer.status_code == 200
        assert "Is it still you?" in answer.text
    assert len(audited(gateway)) == before


def test_a_form_that_was_held_up_goes_on_as_it_was(gateway: Gateway, admin: Admin):  # threat 60
    grow_old(gateway)
    again = {"grace": "3600", "idempotency_key": "a-long-enough-word", "give_up_previous": "1"}
    held = admin.post("/admin/keys/master/rotate", **again, other=["1", "<2>"])
    assert 'name="grace" value="3600"' in held.text
    assert 'name="other" value="1"' in held.text
    assert 'name="other" value="&lt;2&gt;"' in held.text
    assert 'action="/admin/keys/master/rotate"' in held.text

    wrong = admin.post("/admin/keys/master/rotate", **again, confirm_password="not the one")
    assert wrong.status_code == 403
    assert "That is not the password." in wrong.text
    assert 'name="grace" value="3600"' in wrong.text
    assert "not the one" not in wrong.text
    assert audited(gateway)[-1]["action"] == "confirm the password"
    assert audited(gateway)[-1]["outcome"] == "refused"

    right = admin.post("/admin/keys/master/rotate", **again, confirm_password="seven wet horses on a roof")
    assert "The new master key" in text_of(right.text)
    assert [entry["action"] for entry in audited(gateway)[-2:]] == ["confirm the password", "rotate the master key"]
    assert admin.post("/admin/keys/master/revoke-previous").status_code == 200  # it counts for five minutes


def test_an_address_that_was_held_up_is_gone_to(gateway: Gateway, admin: Admin):
    grow_old(gateway)
    page = admin.get("/admin/audit/export")
    assert 'name="next" value="/admin/audit/export"' in page.text
    answer = admin.post("/admin/confirm", next="/admin/audit/export", confirm_password="seven wet horses on a roof")
    assert answer.headers["content-type"] == "application/x-ndjson"


def test_too_many_wrong_confirmations_wait(gateway: Gateway):  # threat 52
    with administrator(gateway, address="127.0.0.31") as browser:
        browser.sign_in()
        grow_old(gateway)
        for _ in range(5):
            assert browser.post("/admin/confirm", next="/admin/keys", confirm_password="wrong").status_code == 403
        answer = browser.post("/admin/confirm", next="/admin/keys", confirm_password="wrong")
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1


# ---- HTTP Basic


def test_a_script_with_the_password_gets_in(admin: Admin):
    answer = admin.script("GET", "/admin/api/status")
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "authorization",
    ["Basic YWRtaW46d3Jvbmc=", "Basic cm9vdDpzZXZlbg==", "Basic", "Basic !!!", "Basic /////w==", "Bearer x", "x", ""],
)
def test_a_script_without_it_does_not(gateway: Gateway, authorization: str):
    with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.32"), base_url=gateway.url) as client:
        answer = client.get("/admin/api/status", headers={"Authorization": authorization})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "not_administrator"


def test_basic_is_refused_where_a_browser_sends_it(admin: Admin):  # threat 54
    for headers in (
        {"Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Dest": "image"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example"},
    ):
        answer = admin.script("GET", "/admin/api/status", **headers)
        assert answer.status_code == 403, headers
        assert "www-authenticate" not in answer.headers


def test_no_browser_is_asked_for_a_password_by_itself(stranger: Admin):  # threat 54
    answer = stranger.client.get("/admin/api/status")
    assert answer.status_code == 401
    assert "www-authenticate" not in answer.headers
    answer = stranger.script("GET", "/admin/api/status", password="wrong")
    assert answer.headers["www-authenticate"].startswith("Basic ")
    stranger.script("GET", "/admin/api/status")


def test_a_wrong_password_of_a_script_is_written_down(gateway: Gateway, admin: Admin):  # threat 61
    admin.script("GET", "/admin/api/status", password="wrong")
    last = audited(gateway)[-1]
    assert (last["action"], last["outcome"], last["address"]) == ("run a script", "refused", "127.0.0.1")
    admin.script("GET", "/admin/api/status")


def test_a_form_is_small(admin: Admin):  # threat 66
    answer = admin.client.post("/admin/sign-in", data={"password": "x" * 70_000})
    assert answer.status_code == 413
    answer = admin.call("POST", "/admin/api/keys", {"name": "x" * 70_000})
    assert answer.status_code == 413
    assert "error" in answer.json()


@pytest.mark.parametrize("body", [b"[" * 60_000, b"[]", b"1", b'"x"', b"{", b'{"name": \xff}', b"null"])
def test_a_body_that_is_no_object_is_refused(insider: Admin, body: bytes):
    headers = {"X-CSRF-Token": insider.csrf_token, "Content-Type": "application/json"}
    answer = insider.client.post("/admin/api/keys", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] in ("invalid_json", "invalid_value")

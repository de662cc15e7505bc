"""Keys, on the pages and as JSON: made, shown once, changed, ended; and the master key's rotation."""

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.support.admin import Admin, audited, stored, text_of
from tests.support.gateway import Gateway

KEY = re.compile(r"sk-[am]-[0-9A-Za-z]{10}-[0-9A-Za-z]{49}")


def answers(gateway: Gateway, key: str) -> int:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.get(f"{gateway.url}/v1/models", headers=headers, trust_env=False).status_code


def key_on(page: httpx.Response) -> str:
    found = set(KEY.findall(page.text))
    assert len(found) == 1, text_of(page.text)
    return found.pop()


def make(admin: Admin, **members: Any) -> dict[str, Any]:
    answer = admin.call("POST", "/admin/api/keys", {"name": "some application", **members})
    assert answer.status_code == 201, answer.text
    return answer.json()


def field_time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(time.time() + seconds, UTC):%Y-%m-%dT%H:%M}"


# ---- made, and shown once


def test_a_key_is_made_and_shown_once(gateway: Gateway, admin: Admin):  # threat 42
    answer = admin.client.post("/admin/keys", data={"csrf_token": admin.csrf_token, "name": "Open WebUI"})
    assert answer.status_code == 302
    assert not KEY.search(answer.headers["location"])
    page = admin.get(answer.headers["location"])
    key = key_on(page)
    assert page.headers["cache-control"] == "no-store"
    assert "shown this once" in page.text
    assert {
        f'id="tab-{name}"' in page.text for name in ("curl", "python", "javascript", "langchain", "open-webui")
    } == {True}
    assert f"{gateway.url}/v1" in page.text
    assert answers(gateway, key) == 200

    again = admin.follow(admin.get(answer.headers["location"]))  # loaded anew, or come back to
    assert "was shown already" in text_of(again.text)
    key_id = stored(gateway, "SELECT id FROM keys WHERE name = 'Open WebUI'")[0][0]
    for path in (
        "/admin/keys",
        f"/admin/keys/{key_id}",
        f"/admin/api/keys/{key_id}",
        "/admin/api/keys",
        "/admin/audit",
    ):
        assert not KEY.search(admin.get(path).text), path


def test_a_key_is_shown_to_nobody_else(gateway: Gateway, admin: Admin, stranger: Admin):  # threat 42
    stranger.sign_in()
    answer = admin.client.post("/admin/keys", data={"csrf_token": admin.csrf_token, "name": "mine"})
    assert stranger.get(answer.headers["location"]).status_code == 302
    assert KEY.search(admin.get(answer.headers["location"]).text)


def test_a_key_ends_by_its_time_and_asks_for_its_models_only(gateway: Gateway, admin: Admin):
    page = admin.post("/admin/keys", name="limited", expires=field_time(3600), models=["haiku", "opus"])
    key = key_on(page)
    row = stored(gateway, "SELECT id, models, expires_at FROM keys WHERE name = 'limited'")[0]
    assert row[1] == '["haiku", "opus"]'
    assert 3500 < row[2] - time.time() <= 3600
    assert answers(gateway, key) == 200
    stored(gateway, "UPDATE keys SET expires_at = ? WHERE id = ?", time.time() - 1, row[0])
    assert answers(gateway, key) == 401
    assert "Expired" in admin.get(f"/admin/keys/{row[0]}").text


def test_times_are_the_browsers_own(gateway: Gateway, admin: Admin):
    admin.post("/admin/keys", name="elsewhere", expires="2099-06-01T12:00", timezone_offset="-120")
    ((until,),) = stored(gateway, "SELECT expires_at FROM keys WHERE name = 'elsewhere'")
    assert datetime.fromtimestamp(until, UTC) == datetime(2099, 6, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": " "}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "an\x1b[31m escape"}, "name"),
        ({"expires": "tomorrow"}, "expires"),
        ({"expires": "2001-01-01T00:00"}, "expires"),
        ({"expires": "9999-12-31T23:59", "timezone_offset": "1440"}, "expires"),
        ({"expires": "0001-01-01T00:00"}, "expires"),
        ({"expires": "2099-01-01T00:00", "timezone_offset": "nan"}, "expires"),
        ({"models": ["no such model"]}, "models"),
        ({"models": ["sonnet", "<b>"]}, "models"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_typed_is_lost(
    gateway: Gateway, admin: Admin, fields: dict[str, Any], field: str
):
    before = stored(gateway, "SELECT count(*) FROM keys")
    given = {"name": "typed already", "expires": "2099-03-04T05:06", "models": ["opus"], **fields}
    key = make(admin)
    for path in ("/admin/keys", f"/admin/keys/{key['id']}"):
        answer = admin.post(path, **given)
        assert answer.status_code == 400
        assert f'id="{field}-error"' in answer.text, text_of(answer.text)
        if field != "name":
            assert 'name="name" required maxlength="100" autocomplete="off" value="typed already"' in answer.text
            assert ('name="models" value="opus" checked' in answer.text) == ("models" not in fields)
        if "expires" not in fields:
            assert 'name="expires" value="2099-03-04T05:06"' in answer.text
    assert stored(gateway, "SELECT count(*) FROM keys") == [(before[0][0] + 1,)]
    assert stored(gateway, "SELECT name FROM keys WHERE id = ?", key["id"]) == [("some application",)]


def test_keys_are_found_by_name_and_id(admin: Admin):
    one, two = make(admin, name="Green Grass"), make(admin, name="Blue Sea")
    for query in ("green", " GRASS ", one["id"], one["id"][2:8], one["key"]):
        found = admin.call("GET", f"/admin/api/keys?q={query}").json()["keys"]
        assert [key["name"] for key in found] == ["Green Grass"], query
    assert two["id"] in admin.get("/admin/keys?q=sea").text
    assert "Nothing found for" in admin.get("/admin/keys?q=no-such-thing").text
    assert admin.call("GET", "/admin/api/keys?q=no%25such").json()["keys"] == []
    assert admin.call("GET", "/admin/api/keys?q=no'--").json()["keys"] == []


# ---- changed and ended


def test_a_key_is_changed_disabled_and_revoked_on_its_page(gateway: Gateway, admin: Admin):  # threat 44
    made = make(admin, name="before")
    page = admin.post(f"/admin/keys/{made['id']}", name="after", enabled="1", models=["haiku"])
    assert "after is saved." in text_of(page.text)
    assert 'value="haiku" checked' in page.text
    admin.post(f"/admin/keys/{made['id']}", name="after")
    assert answers(gateway, made["key"]) == 401
    assert "Disabled" in admin.get("/admin/keys?q=after").text
    admin.post(f"/admin/keys/{made['id']}", name="after", enabled="1")
    assert answers(gateway, made["key"]) == 200
    page = admin.post(f"/admin/keys/{made['id']}/revoke")
    assert "after is refused from now on." in text_of(page.text)
    assert answers(gateway, made["key"]) == 401
    assert admin.post(f"/admin/keys/{made['id']}", name="again", enabled="1").status_code == 409
    assert answers(gateway, made["key"]) == 401
    assert [entry["target"] for entry in audited(gateway) if entry["action"] == "revoke a key"][-1] == made["id"]


@pytest.mark.parametrize("seconds", [-86_400.5, 86_400.5], ids=["over", "to come"])
def test_an_end_that_is_not_touched_stays_to_the_second(gateway: Gateway, admin: Admin, seconds: float):
    key = make(admin)
    end = time.time() + seconds
    stored(gateway, "UPDATE keys SET expires_at = ? WHERE id = ?", end, key["id"])
    page = f"/admin/keys/{key['id']}"
    (shown,) = re.findall(r'name="expires" value="([^"]+)"', admin.get(page).text)
    assert admin.post(page, name="renamed", expires=shown).status_code == 200
    told = admin.call("GET", f"/admin/api/keys/{key['id']}").json()
    assert (told["name"], told["enabled"], told["expires_at"]) == ("renamed", False, end)
    assert admin.post(page, name="renamed", expires="").status_code == 200
    assert admin.call("GET", f"/admin/api/keys/{key['id']}").json()["expires_at"] is None


# threats 46 and 47
def test_a_key_for_a_model_that_is_gone_does_not_come_to_be_for_all(gateway: Gateway, admin: Admin):
    key = make(admin, models=["haiku"])
    stored(gateway, """UPDATE keys SET models = '["claude-gone"]' WHERE id = ?""", key["id"])
    page = f"/admin/keys/{key['id']}"
    ticked = re.findall(r'name="models" value="([^"]+)" checked', admin.get(page).text)
    assert ticked == ["claude-gone"]
    assert admin.post(page, name="renamed", models=ticked, enabled="1").status_code == 200
    assert admin.call("GET", f"/admin/api/keys/{key['id']}").json()["models"] == ["claude-gone"]
    assert admin.post(page, name="renamed", models=["another"], enabled="1").status_code == 400


def test_a_key_that_is_not_there_is_a_page_too(admin: Admin):
    for method, path in (("GET", ""), ("POST", ""), ("POST", "/revoke")):
        answer = admin.client.request(method, f"/admin/keys/nothing{path}", data={"csrf_token": admin.csrf_token})
        assert answer.status_code == 404
        assert "<h1>" in answer.text


def test_keys_as_json(gateway: Gateway, admin: Admin):
    until = round(time.time()) + 3600
    made = make(admin, name="by a script", models=["haiku"], expires_at=until)
    assert KEY.fullmatch(made["key"])
    told = {key: made[key] for key in made if key != "key"}
    assert told == {
        "id": made["id"],
        "kind": "application",
        "name": "by a script",
        "created_at": made["created_at"],
        "expires_at": until,
        "models": ["haiku"],
        "enabled": True,
        "revoked_at": None,
        "last_used_at": None,
        "state": "live",
    }
    path = f"/admin/api/keys/{made['id']}"
    assert admin.call("GET", path).json() == {**told, "users": []}
    iso = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    changed = admin.script(
        "PATCH", path, {"name": "renamed", "models": None, "expires_at": iso, "enabled": False}
    ).json()
    assert (changed["name"], changed["models"], changed["enabled"], changed["state"]) == (
        "renamed",
        None,
        False,
        "disabled",
    )
    assert changed["expires_at"] > until
    assert admin.call("PATCH", path, {"expires_at": None, "enabled": True}).json()["expires_at"] is None
    assert admin.call("DELETE", path).json()["state"] == "revoked"
    assert admin.call("DELETE", path).status_code == 200  # is revoked
    assert admin.call("PATCH", path, {"enabled": True}).status_code == 409
    for method in ("GET", "PATCH", "DELETE"):
        answer = admin.call(method, "/admin/api/keys/nothing", {} if method == "PATCH" else None)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "key_not_found")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ("{}", "name"),
        ('{"name": 1}', "name"),
        ('{"name": null}', "name"),
        ('{"name": ""}', "name"),
        ('{"name": "x", "model": "sonnet"}', "model"),
        ('{"name": "x", "models": "sonnet"}', "models"),
        ('{"name": "x", "models": []}', "models"),
        ('{"name": "x", "models": [1]}', "models[0]"),
        ('{"name": "x", "models": ["nothing"]}', "models"),
        ('{"name": "x", "expires_at": true}', "expires_at"),
        ('{"name": "x", "expires_at": "soon"}', "expires_at"),
        ('{"name": "x", "expires_at": 1}', "expires_at"),
        ('{"name": "x", "expires_at": -1}', "expires_at"),
        ('{"name": "x", "expires_at": NaN}', None),  # no JSON
        ('{"name": "x", "expires_at": Infinity}', None),
        ('{"name": "x", "expires_at": 1e14}', "expires_at"),
        ('{"name": "x", "expires_at": 1e300}', "expires_at"),
        (f'{{"name": "x", "expires_at": {"9" * 400}}}', "expires_at"),
        ('{"name": "x", "expires_at": "9999-12-31T23:59:59-23:59"}', "expires_at"),
    ],
)
def test_json_that_is_wrong_is_refused_and_its_member_named(
    gateway: Gateway, admin: Admin, body: str, param: str | None
):
    before = stored(gateway, "SELECT count(*) FROM keys")
    headers = {"X-CSRF-Token": admin.csrf_token, "Content-Type": "application/json"}
    answer = admin.client.post("/admin/api/keys", content=body, headers=headers)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"] == param
    assert stored(gateway, "SELECT count(*) FROM keys") == before


# ---- the master key


@pytest.fixture
def rotated(admin: Admin) -> str:
    """The current master key. The one before it is valid for an hour, and nobody has used it."""
    rotate(admin, grace_seconds=0, give_up_previous=True)
    return rotate(admin).json()["key"]


def rotate(admin: Admin, word: str = "", **members: Any) -> httpx.Response:
    headers = {"Idempotency-Key": word} if word else {}
    return admin.script("POST", "/admin/api/master-key/rotate", {"grace_seconds": 3600, **members}, **headers)


def test_a_rotation_tells_until_when_the_old_key_is_valid(gateway: Gateway, admin: Admin, rotated: str):  # threat 43
    answer = rotate(admin, give_up_previous=True).json()
    assert answer.keys() == {"key", "id", "previous_valid_until"}
    assert 3590 < answer["previous_valid_until"] - time.time() <= 3600
    assert [answers(gateway, key) for key in (answer["key"], rotated)] == [200, 200]
    told = admin.call("GET", "/admin/api/master-key").json()
    assert told["current"]["id"] == answer["id"]
    assert told["previous"]["expires_at"] == answer["previous_valid_until"]
    stored(gateway, "UPDATE keys SET expires_at = ? WHERE id = ?", time.time() - 1, told["previous"]["id"])
    assert [answers(gateway, key) for key in (answer["key"], rotated)] == [200, 401]
    assert admin.call("GET", "/admin/api/master-key").json()["previous"] is None


def test_without_grace_the_old_key_ends_at_once(gateway: Gateway, admin: Admin, rotated: str):
    answer = rotate(admin, grace_seconds=0, give_up_previous=True).json()
    assert answer["previous_valid_until"] is None
    assert [answers(gateway, key) for key in (answer["key"], rotated)] == [200, 401]


def test_a_rotation_whose_answer_was_lost_is_repeated(gateway: Gateway, admin: Admin, rotated: str):  # threat 43
    first = rotate(admin, "a-word-of-the-scripts-own", give_up_previous=True).json()
    assert rotate(admin, "a-word-of-the-scripts-own", give_up_previous=True).json() == first
    assert rotate(admin, "another-word-of-the-scripts").status_code == 409  # two are valid
    assert answers(gateway, rotated) == 200
    assert rotate(admin, "short").json()["error"]["param"] == "idempotency_key"


@pytest.mark.parametrize(
    "grace", ["NaN", "-1", "Infinity", "1e300", "9" * 400, "7776001", '"3600"', "null", "true", "[]"]
)
def test_a_grace_that_is_none_is_refused(gateway: Gateway, admin: Admin, rotated: str, grace: str):
    headers = {"X-CSRF-Token": admin.csrf_token, "Content-Type": "application/json"}
    body = f'{{"grace_seconds": {grace}, "give_up_previous": true}}'
    answer = admin.client.post("/admin/api/master-key/rotate", content=body, headers=headers)
    assert answer.status_code == 400, answer.text
    is_json = grace not in ("NaN", "Infinity")
    assert answer.json()["error"]["param"] == ("grace_seconds" if is_json else None)
    assert answers(gateway, rotated) == 200
    assert admin.call("GET", "/admin/api/master-key").json()["current"]["id"] == rotated[5:15]


def test_the_old_key_is_extended_and_revoked_by_json(gateway: Gateway, admin: Admin, rotated: str):
    until = time.time() + 7200
    told = admin.call("POST", "/admin/api/master-key/extend-previous", {"until": until}).json()
    assert told["expires_at"] == until
    for wrong in (1, time.time() - 5, time.time() + 91 * 86_400, "soon", None, ""):
        answer = admin.call("POST", "/admin/api/master-key/extend-previous", {"until": wrong})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "until"), wrong
    assert admin.call("POST", "/admin/api/master-key/revoke-previous").json()["state"] == "revoked"
    for path in ("revoke-previous", "extend-previous"):
        answer = admin.call("POST", f"/admin/api/master-key/{path}", {"until": until})
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")


def test_the_master_key_is_rotated_on_the_page(gateway: Gateway, admin: Admin, rotated: str):  # threats 42, 43
    page = admin.get("/admin/keys").text
    word = re.search(r'name="idempotency_key" value="([^"]+)"', page)
    assert word
    refused = admin.post("/admin/keys/master/rotate", grace="3600", idempotency_key=word[1])
    assert refused.status_code == 409
    assert 'id="grace-error"' in refused.text
    fields = {"grace": "until", "until": field_time(600), "idempotency_key": word[1], "give_up_previous": "1"}
    new = key_on(admin.post("/admin/keys/master/rotate", **fields))
    assert key_on(admin.post("/admin/keys/master/rotate", **fields)) == new  # pressed twice
    assert [answers(gateway, key) for key in (new, rotated)] == [200, 200]
    assert new not in admin.get("/admin/keys").text

    page = admin.post("/admin/keys/master/extend", until=field_time(86_400)).text
    assert "valid for longer" in text_of(page)
    for wrong in ("", "soon", "2001-01-01T00:00"):
        answer = admin.post("/admin/keys/master/extend", until=wrong)
        assert answer.status_code == 400
        assert re.search(r'<details open>.*?id="extend-error"', answer.text, re.DOTALL)
    assert "refused from now on" in text_of(admin.post("/admin/keys/master/revoke-previous").text)
    assert [answers(gateway, key) for key in (new, rotated)] == [200, 401]
    assert "no previous master key" in text_of(admin.post("/admin/keys/master/revoke-previous").text)
    assert "no previous master key" in text_of(admin.post("/admin/keys/master/extend", until=field_time(600)).text)


@pytest.mark.parametrize(
    "fields",
    [{}, {"grace": "1"}, {"grace": "until"}, {"grace": "until", "until": "2001-01-01T00:00"}, {"grace": "nan"}],
)
def test_a_slip_of_the_form_ends_no_key(gateway: Gateway, admin: Admin, rotated: str, fields: dict[str, str]):
    answer = admin.post("/admin/keys/master/rotate", give_up_previous="1", **fields)
    assert answer.status_code == 400
    assert 'id="grace-error"' in answer.text
    assert admin.call("GET", "/admin/api/master-key").json()["current"]["id"] == rotated[5:15]


def test_it_is_told_who_still_uses_the_old_one(gateway: Gateway, admin: Admin, rotated: str):
    previous = admin.call("GET", "/admin/api/master-key").json()["previous"]
    seen_at = time.time()
    row = (previous["id"], "203.0.113.7", "openai-python/2.1", seen_at, 1234)
    stored(gateway, "INSERT INTO key_uses (key_id, address, user_agent, last_seen_at, count) VALUES (?,?,?,?,?)", *row)
    page = text_of(admin.get("/admin/keys").text)
    assert "Who still uses the old one" in page
    assert "203.0.113.7 openai-python/2.1" in page
    assert "1,234" in page
    users = admin.call("GET", "/admin/api/master-key").json()["previous"]["users"]
    assert next(user for user in users if user["address"] == "203.0.113.7") == {
        "address": "203.0.113.7",
        "user_agent": "openai-python/2.1",
        "last_seen_at": seen_at,
        "count": 1234,
    }

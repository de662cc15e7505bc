"""What administrators do is written down, or not done."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.admin.routes import UNSAFE
from tests.support.admin import PASSWORD, Admin, administrator, audited, stored, text_of
from tests.support.gateway import Gateway
from tests.support.stub_claude import prompt


@dataclass(frozen=True)
class Deed:
    """How a route is called so that it does something; KEY is an application key's id, SESSION another session's."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    json: dict[str, Any] | None = None
    target: str = ""


FIELDS = {"name": "the deed", "enabled": "1"}
PASSWORDS = {"current": PASSWORD, "password": PASSWORD, "repeat": PASSWORD}
WAY = {"method": "api_key", "terms": "1"}
# The order matters little; what signs out or ends the session stands apart below.
DEEDS = {
    "POST /admin/keys": Deed("create a key", FIELDS, target="the deed"),
    "POST /admin/keys/KEY": Deed("change a key", FIELDS, target="KEY"),
    "POST /admin/keys/KEY/revoke": Deed("revoke a key", target="KEY"),
    "POST /admin/keys/master/rotate": Deed("rotate the master key", {"grace": "3600", "give_up_previous": "1"}),
    "POST /admin/keys/master/extend": Deed("extend the previous master key", {"until": "2026-12-30T10:00"}),
    "POST /admin/keys/master/revoke-previous": Deed("revoke the previous master key"),
    "POST /admin/password": Deed("change the password", PASSWORDS),
    "POST /admin/sessions/end": Deed("end a session", {"session_id": "SESSION"}, target="SESSION"),
    "POST /admin/sessions/end-others": Deed("end the other sessions"),
    "POST /admin/sign-out": Deed("sign out"),
    "POST /admin/confirm": Deed("confirm the password", {"confirm_password": PASSWORD}),
    "POST /admin/sign-in": Deed("sign in", {"password": PASSWORD}),
    "POST /setup": Deed("finish a step of the set-up", {"step": "done"}),
    "POST /auth/start": Deed("start a sign-in", WAY),
    "POST /auth/code": Deed("send the sign-in's code", {"code": "no code"}),
    "POST /auth/abandon": Deed("give a sign-in up"),
    "POST /auth/sign-out": Deed("sign Claude out"),
    "POST /auth/restore": Deed("restore the last good copy of the login"),
    "POST /admin/api/keys": Deed("create a key", json={"name": "the deed"}, target="the deed"),
    "PATCH /admin/api/keys/KEY": Deed("change a key", json={"name": "the deed"}, target="KEY"),
    "DELETE /admin/api/keys/KEY": Deed("revoke a key", target="KEY"),
    "POST /admin/api/master-key/rotate": Deed(
        "rotate the master key", json={"grace_seconds": 3600, "give_up_previous": True}
    ),
    "POST /admin/api/master-key/extend-previous": Deed(
        "extend the previous master key", json={"until": "2026-12-30T10:00"}
    ),
    "POST /admin/api/master-key/revoke-previous": Deed("revoke the previous master key"),
    "POST /admin/api/login": Deed("start a sign-in", json={"method": "api_key"}),
    "POST /admin/api/login/code": Deed("send the sign-in's code", json={"code": "no code"}),
    "DELETE /admin/api/login": Deed("give a sign-in up"),
    "DELETE /admin/api/credentials": Deed("sign Claude out"),
    "POST /admin/api/credentials/restore": Deed("restore the last good copy of the login"),
}
# What the entry tells besides; without models it is every model.
TOLD = {
    "POST /admin/keys/KEY": {"name": "the deed", "models": None, "enabled": True},
    "PATCH /admin/api/keys/KEY": {"name": "the deed"},
}
NOTHING_CHANGED = {"POST /admin/audit/verify", "POST /auth/test", "POST /admin/api/test", "POST /auth/left"}
each_deed = pytest.mark.parametrize("route", DEEDS)


@pytest.fixture
def other(gateway: Gateway) -> Iterator[Admin]:
    """Another session, to be ended."""
    with administrator(gateway, **{"user-agent": "the other one"}) as browser:
        browser.sign_in()
        yield browser


@pytest.fixture
def ready(gateway: Gateway, admin: Admin) -> dict[str, str]:
    """What stands for the placeholders; and there is a previous master key."""
    key = admin.call("POST", "/admin/api/keys", {"name": "the subject"}).json()["id"]
    rotation = {"grace_seconds": 3600, "give_up_previous": True}
    assert admin.script("POST", "/admin/api/master-key/rotate", rotation).status_code == 200
    return {"KEY": key}


def do(admin: Admin, route: str, names: dict[str, str]) -> Any:
    method, path = route.split()
    deed = DEEDS[route]
    fields = {"csrf_token": admin.csrf_token, **{key: names.get(value, value) for key, value in deed.fields.items()}}
    path = path.replace("KEY", names["KEY"])
    if "/api/" in path:
        return admin.call(method, path, deed.json)
    return admin.client.request(method, path, data=fields)


def names(gateway: Gateway, ready: dict[str, str]) -> dict[str, str]:
    found = stored(gateway, "SELECT id FROM sessions WHERE user_agent = 'the other one'")
    return {**ready, "SESSION": found[-1][0]}


def test_every_route_that_changes_something_is_in_the_table():  # threat 61
    unsafe = {str(route).replace("0123456789", "KEY") for route in UNSAFE}
    assert unsafe - NOTHING_CHANGED == DEEDS.keys()


@each_deed
def test_each_deed_is_written_down(  # threat 61
    gateway: Gateway, admin: Admin, other: Admin, ready: dict[str, str], route: str
):
    given = names(gateway, ready)
    if "confirm" in route:
        stored(gateway, "UPDATE sessions SET confirmed_at = 0")
    before = len(audited(gateway))
    answer = do(admin, route, given)
    assert answer.status_code < 500, answer.text
    new = audited(gateway)[before:]
    entry = next(entry for entry in new if entry["action"] == DEEDS[route].action)
    assert entry["outcome"] == "begun"
    assert entry["actor"] == "admin"
    assert entry["address"] == "127.0.0.1"
    assert entry["target"] == given.get(DEEDS[route].target, DEEDS[route].target)
    assert TOLD.get(route, {}).items() <= entry["facts"].items()
    Admin(gateway).script("DELETE", "/admin/api/login?force=true")


def test_a_scripts_deed_is_written_down_as_such(gateway: Gateway, admin: Admin):  # threat 61
    admin.script("POST", "/admin/api/keys", {"name": "of a script"})
    assert audited(gateway)[-1]["actor"] == "admin (password)"


def test_what_failed_is_written_down_as_failed(gateway: Gateway, admin: Admin):  # threat 61
    admin.call("POST", "/admin/api/keys", {"name": "too late", "expires_at": 1})
    assert [entry["outcome"] for entry in audited(gateway)[-2:]] == ["begun", "failed"]
    admin.call("POST", "/admin/api/login/code", {"code": "nobody asked"})
    assert [entry["outcome"] for entry in audited(gateway)[-2:]] == ["begun", "failed"]


# ---- when it cannot be written


@contextmanager
def unwritable(gateway: Gateway) -> Iterator[None]:
    log = gateway.data_dir / "audit.jsonl"
    aside = log.rename(log.with_suffix(".aside"))
    log.mkdir()
    try:
        yield
    finally:
        log.rmdir()
        aside.rename(log)


def state(gateway: Gateway) -> list[Any]:
    queries = (
        "SELECT id, name, models, enabled, expires_at, revoked_at FROM keys",
        "SELECT password FROM administrators",
        "SELECT id, confirmed_at FROM sessions",
        "SELECT step FROM set_up_steps",
    )
    login = Admin(gateway).script("GET", "/admin/api/login").json()["state"]
    return [*(stored(gateway, query) for query in queries), login]


@each_deed
def test_what_cannot_be_written_down_is_not_done(  # threats 61, 74
    gateway: Gateway, admin: Admin, other: Admin, ready: dict[str, str], route: str
):
    given = names(gateway, ready)
    if "confirm" in route:
        stored(gateway, "UPDATE sessions SET confirmed_at = 0")
    before = state(gateway)
    with unwritable(gateway):
        answer = do(admin, route, given)
        assert answer.status_code == 503, answer.text
        assert "could not be written to the audit log" in answer.text
        if "/api/" in route:
            assert answer.json()["error"]["code"] == "audit_failed"
        assert state(gateway) == before


def test_applications_are_answered_meanwhile(gateway: Gateway, admin: Admin):  # threat 61
    key = admin.call("POST", "/admin/api/keys", {"name": "goes on"}).json()["key"]
    body = {"model": "sonnet", "messages": [{"role": "user", "content": prompt("")}]}
    with unwritable(gateway):
        for path in ("/admin", "/admin/keys", "/auth", "/admin/sessions"):
            assert admin.get(path).status_code == 200  # and what only looks, too
        for path in ("/admin/audit", "/admin/audit/export", "/admin/api/audit", "/admin/api/audit/verify"):
            assert admin.get(path).status_code == 503, path
        headers = {"Authorization": f"Bearer {key}"}
        answer = admin.client.post("/v1/chat/completions", json=body, headers=headers)
        assert answer.json()["choices"][0]["message"]["content"] == "one two three four"
    assert "Traceback" not in gateway.log.read_text().rpartition("audit_failed")[2]
    assert admin.get("/admin/audit").status_code == 200


# ---- read, verified, exported


def test_the_page_shows_the_latest_and_leads_to_the_older_ones(gateway: Gateway, admin: Admin):
    for number in range(60):
        admin.call("POST", "/admin/api/login/code", {"code": f"{number}"})
    page = admin.get("/admin/audit").text
    assert page.count('<td role="cell" class="lead">') == 50
    admin.get("/admin/audit?before=11")
    older = admin.get("/admin/audit?before=11").text
    assert older.count('<td role="cell" class="lead">') == 10
    assert "Older entries" not in older
    assert admin.get("/admin/audit?before=nonsense").status_code == 200


def test_the_log_as_json(gateway: Gateway, admin: Admin):
    entries = admin.call("GET", "/admin/api/audit?limit=3").json()["entries"]
    written = audited(gateway)
    assert [entry["seq"] for entry in entries] == [len(written), len(written) - 1, len(written) - 2]
    assert entries[0].keys() == {"seq", "time", "at", "actor", "action", "target", "address", "outcome", "facts"}
    (entry,) = admin.call("GET", "/admin/api/audit?limit=1&before=3").json()["entries"]
    assert entry["seq"] == 2
    for limit in ("0", "-5", "x", "nan", "9" * 3000, "1e9"):
        assert admin.call("GET", f"/admin/api/audit?limit={limit}").status_code == 200


def test_a_changed_entry_is_found(gateway: Gateway, admin: Admin):  # threat 61
    assert "The chain is whole." in text_of(admin.post("/admin/audit/verify").text)
    assert admin.call("GET", "/admin/api/audit/verify").json()["ok"] is True
    path = gateway.data_dir / "audit.jsonl"
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    lines[4] = lines[4].replace(b'"address":"127.0.0.1"', b'"address":"127.0.0.2"')
    try:
        path.write_bytes(b"".join(lines))
        told = admin.call("GET", "/admin/api/audit/verify").json()
        page = text_of(admin.post("/admin/audit/verify").text)
    finally:
        path.write_bytes(whole)
    assert (told["ok"], told["broken_at"]) == (False, 5)
    assert "The chain is broken at entry 5" in page


def test_it_is_exported_as_it_is(gateway: Gateway, admin: Admin):  # threat 60
    answer = admin.get("/admin/audit/export")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert [json.loads(line) for line in answer.text.splitlines()] == audited(gateway)
    assert audited(gateway)[-1]["action"] == "export the audit log"

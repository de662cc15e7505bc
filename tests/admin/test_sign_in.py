"""Signing in and out, sessions, the password."""

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher

from tests.support.admin import PASSWORD, Admin, administrator, audited, stored, stubbed_gateway, text_of
from tests.support.gateway import Gateway


def session_cookie(browser: Admin) -> str:
    return browser.client.cookies["postern"]


def is_signed_in(browser: Admin) -> bool:
    return browser.client.get("/admin/sessions").status_code == 200


def test_the_right_password_opens_a_session_and_a_wrong_one_none(gateway: Gateway, stranger: Admin):
    assert "Sign in" in stranger.get("/admin/sign-in").text
    wrong = stranger.post("/admin/sign-in", password="something else")
    assert wrong.status_code == 401
    assert "That is not the password." in wrong.text
    assert not is_signed_in(stranger)
    for nearly in (PASSWORD.upper(), PASSWORD + " ", "", PASSWORD[:-1]):
        assert stranger.post("/admin/sign-in", password=nearly).status_code == 401
        stranger.script("GET", "/admin/api/login")  # right, and so none of them counts
    assert stranger.sign_in().status_code == 200
    assert is_signed_in(stranger)
    assert (audited(gateway)[-1]["action"], audited(gateway)[-1]["actor"]) == ("sign in", "admin")


def test_the_cookie_is_for_this_site_and_no_script(gateway: Gateway):  # threat 53
    with administrator(gateway) as browser:
        browser.get("/admin/sign-in")
        answer = browser.client.post("/admin/sign-in", data={"csrf_token": browser.csrf_token, "password": PASSWORD})
    (cookie,) = answer.headers.get_list("set-cookie")
    name, *flags = cookie.split("; ")
    assert {"HttpOnly", "Path=/", "SameSite=Strict", "Max-Age=604800"} <= set(flags)
    assert not [flag for flag in flags if flag.startswith("Domain")]
    assert len(name.removeprefix("postern=")) >= 32


def test_the_cookie_for_messages_is_no_scripts_either(admin: Admin):
    answer = admin.client.post("/admin/sessions/end-others", data={"csrf_token": admin.csrf_token})
    (cookie,) = answer.headers.get_list("set-cookie")
    assert cookie.startswith("postern_messages=")
    assert {"HttpOnly", "Path=/", "SameSite=Strict"} <= set(cookie.split("; "))


def test_the_token_changes_with_the_sign_in(gateway: Gateway, stranger: Admin):  # threat 53
    stranger.get("/admin/sign-in")
    before = session_cookie(stranger)
    stranger.post("/admin/sign-in", password=PASSWORD)
    first = session_cookie(stranger)
    assert first != before
    with administrator(gateway) as other:
        other.client.cookies.set("postern", before)
        assert not is_signed_in(other)
    stranger.sign_in()  # is signed in already
    assert is_signed_in(stranger)


@pytest.mark.parametrize("planted", ["x", "x" * 32, "x" * 43, "x" * 4000, "../../etc/passwd" * 4, "' OR 1=1 --" * 4])
def test_a_planted_token_becomes_nobodys_session(gateway: Gateway, planted: str):  # threats 50, 53
    with administrator(gateway) as browser:
        browser.client.cookies.set("postern", planted, domain="127.0.0.1", path="/")
        assert not is_signed_in(browser)
        browser.get("/admin/sign-in")
        browser.post("/admin/sign-in", password=PASSWORD)
        assert is_signed_in(browser)
        with administrator(gateway) as other:
            other.client.cookies.set("postern", planted)
            assert not is_signed_in(other)


def test_only_a_hash_of_the_token_is_kept(gateway: Gateway, admin: Admin):  # threat 53
    token = session_cookie(admin)
    assert len(token) >= 43  # 256 bits
    files = (gateway.data_dir / name for name in ("postern.sqlite", "postern.sqlite-wal"))
    assert not [file for file in files if file.exists() and token.encode() in file.read_bytes()]


def test_a_session_that_was_signed_out_of_is_over(gateway: Gateway, admin: Admin):  # threat 53
    token = session_cookie(admin)
    assert "Sign in" in admin.post("/admin/sign-out").text
    assert audited(gateway)[-1]["action"] == "sign out"
    with administrator(gateway) as other:
        other.client.cookies.set("postern", token)
        assert not is_signed_in(other)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE sessions SET last_seen_at = last_seen_at - 43201",
        "UPDATE sessions SET expires_at = expires_at - 604800",
    ],
)
def test_a_session_ends_by_time(gateway: Gateway, admin: Admin, change: str):  # threat 53
    assert is_signed_in(admin)
    stored(gateway, change)
    assert not is_signed_in(admin)
    answer = admin.client.get("/admin/keys?q=x")
    assert answer.headers["location"] == "/admin/sign-in?next=/admin/keys?q%3Dx"


def test_after_the_sign_in_the_browser_goes_where_it_wanted_to(stranger: Admin):
    page = stranger.get("/admin/sign-in?next=/admin/keys%3Fq%3Dx")
    assert 'name="next" value="/admin/keys?q=x"' in page.text
    answer = stranger.client.post(
        "/admin/sign-in", data={"csrf_token": stranger.csrf_token, "password": PASSWORD, "next": "/admin/keys?q=x"}
    )
    assert answer.headers["location"] == "/admin/keys?q=x"


ELSEWHERE = (
    "https://evil.example/",
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "///evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "evil.example",
    " //evil.example",
    "http:evil.example",
    "",
)


@pytest.mark.parametrize("target", ELSEWHERE)
def test_nobody_is_sent_to_another_site(admin: Admin, target: str):  # threat 59
    answer = admin.client.get("/admin/sign-in", params={"next": target})  # signed in already
    assert answer.headers["location"] == "/admin"
    answer = admin.client.post("/admin/confirm", data={"csrf_token": admin.csrf_token, "next": target})
    assert answer.headers["location"] == "/admin"


def test_many_calls_of_a_script_at_once_are_let_in(tmp_path: Path):  # threat 52
    with stubbed_gateway(tmp_path) as gateway, administrator(gateway) as script, ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(script.script, "GET", "/admin/api/login") for _ in range(12)]
        assert [answer.result().status_code for answer in asked] == [200] * 12
        guesses = [pool.submit(script.script, "GET", "/admin/api/login", password=f"guess {n}") for n in range(12)]
        told = [answer.result().status_code for answer in guesses]
        assert (told.count(401) + told.count(429), told.count(429) >= 5) == (12, True)


def test_guesses_are_slowed_down_and_the_owner_is_not(gateway: Gateway, stranger: Admin):  # threat 52
    with administrator(gateway, address="127.0.0.41") as guesser:
        guesser.get("/admin/sign-in")
        assert [guesser.post("/admin/sign-in", password="guess").status_code for _ in range(5)] == [401] * 5
        answer = guesser.post("/admin/sign-in", password="guess")
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["retry-after"]) <= 300
        assert "Nothing is locked for good" in text_of(answer.text)
        assert guesser.post("/admin/sign-in", password=PASSWORD).status_code == 429  # else guesses would be told
        with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.41"), base_url=gateway.url) as script:
            answer = script.get("/admin/api/status", auth=("admin", PASSWORD))
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "too_many_attempts")
        assert int(answer.headers["retry-after"]) >= 1
        assert stranger.sign_in().status_code == 200  # another address
        time.sleep(int(answer.headers["retry-after"]) + 0.5)
        assert guesser.post("/admin/sign-in", password=PASSWORD).status_code == 200  # not for ever


# ---- several sessions


def test_sessions_are_listed_and_ended(gateway: Gateway, admin: Admin):  # threat 53
    with administrator(gateway, **{"user-agent": "the other <b>browser</b>"}) as other:
        other.sign_in()
        page = admin.get("/admin/sessions").text
        assert "the other &lt;b&gt;browser&lt;/b&gt;" in page
        ((other_id,),) = stored(gateway, "SELECT id FROM sessions WHERE user_agent LIKE 'the other%'")
        assert session_cookie(other) not in page
        admin.post("/admin/sessions/end", session_id=other_id)
        assert not is_signed_in(other)
        assert is_signed_in(admin)
        assert (audited(gateway)[-1]["action"], audited(gateway)[-1]["target"]) == ("end a session", other_id)


def test_the_others_are_ended_and_this_one_stays(gateway: Gateway, admin: Admin):
    with administrator(gateway) as other:
        other.sign_in()
        admin.post("/admin/sessions/end-others")
        assert not is_signed_in(other)
        assert is_signed_in(admin)


NEW = "nine dry cats under a bridge"


def test_a_new_password_ends_every_other_session(gateway: Gateway, admin: Admin):  # threat 53
    with administrator(gateway) as other:
        other.sign_in()
        token = session_cookie(admin)
        fields = {"current": PASSWORD, "password": NEW, "repeat": NEW}
        assert "The password is changed" in text_of(admin.post("/admin/password", **fields).text)
        assert not is_signed_in(other)
        assert is_signed_in(admin)
        assert session_cookie(admin) != token
        assert other.script("GET", "/admin/api/status").status_code == 401  # though it was right a moment ago
        assert other.script("GET", "/admin/api/status", password=NEW).status_code == 200
    answer = admin.post("/admin/password", current=NEW, password=PASSWORD, repeat=PASSWORD)
    assert answer.status_code == 200


def test_who_signs_in_while_the_password_is_changed_is_not_let_in(
    gateway: Gateway, admin: Admin, stranger: Admin
):  # threat 53
    ((old,),) = stored(gateway, "SELECT password FROM administrators")
    log, database = gateway.data_dir / "audit.jsonl", gateway.data_dir / "postern.sqlite"
    entries = len(audited(gateway))
    with ThreadPoolExecutor(1) as pool, closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        signing_in = pool.submit(stranger.sign_in)
        deadline = time.monotonic() + 10
        while log.read_bytes().count(b"\n") == entries and time.monotonic() < deadline:
            time.sleep(0.01)  # until the password was found right
        connection.execute("UPDATE administrators SET password = ?", (PasswordHasher().hash(NEW),))
        connection.execute("DELETE FROM sessions")
        connection.execute("COMMIT")
        answer = signing_in.result()
    assert answer.status_code == 401
    assert "The password was changed just now." in text_of(answer.text)
    assert not is_signed_in(stranger)
    assert stored(gateway, "SELECT id FROM sessions") == []
    assert [entry["outcome"] for entry in audited(gateway)[entries:]] == ["begun", "refused"]
    stored(gateway, "UPDATE administrators SET password = ?", old)


@pytest.mark.parametrize(
    ("fields", "field", "says"),
    [
        ({"current": "wrong", "password": NEW, "repeat": NEW}, "current", "not the current password"),
        ({"current": PASSWORD, "password": "short", "repeat": "short"}, "password", "10 characters or more"),
        ({"current": PASSWORD, "password": "password123!", "repeat": "password123!"}, "password", "too easy to guess"),
        ({"current": PASSWORD, "password": NEW, "repeat": NEW + "x"}, "repeat", "not the same"),
        ({}, "current", "not the current password"),
    ],
)
def test_a_password_that_is_not_changed_says_why(admin: Admin, fields: dict[str, str], field: str, says: str):
    answer = admin.post("/admin/password", **fields)
    assert answer.status_code == 400
    assert f'id="{field}-error"' in answer.text
    assert says in text_of(answer.text)
    assert NEW not in answer.text
    admin.script("GET", "/admin/api/status")  # so that the wrong one does not count

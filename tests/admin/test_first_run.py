"""The first run, from the link in the log to the overview; and that nobody else takes it over."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.admin import (
    ENVIRON,
    PASSWORD,
    Admin,
    administrator,
    audited,
    set_up_link,
    stored,
    stubbed_gateway,
    text_of,
)
from tests.support.gateway import Gateway

FRESH = {"GATEWAY_MASTER_KEY": "", "ANTHROPIC_API_KEY": "sk-ant-api03-stub"}


class House:
    """A gateway that is stopped and started anew over the same data."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._stack = ExitStack()
        self.gateway = self._start()

    def _start(self, **environ: str) -> Gateway:
        return self._stack.enter_context(stubbed_gateway(self._folder, environ=FRESH | environ))

    def restart(self, **environ: str) -> None:
        self.close()
        self.gateway.log.unlink()
        self.gateway = self._start(**environ)

    def close(self) -> None:
        self._stack.close()

    def link(self) -> str:
        return set_up_link(self.gateway.log.read_text()).replace(self.gateway.url, "")

    def browser(self) -> Admin:
        return self._stack.enter_context(administrator(self.gateway))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    built = House(tmp_path)
    yield built
    built.close()


def step(page: str) -> str:
    found = re.search(r'name="step" value="(\w+)"', page)
    return found[1] if found else "done"


def claim(browser: Admin, link: str) -> None:
    assert "may choose the password" in browser.get(link).text
    assert step(browser.post("/setup", token=link.partition("=")[2]).text) == "password"


@pytest.mark.parametrize("address", ["https://gateway.example.com", "https://example.com:8443/claude/"])
def test_the_link_leads_where_browsers_find_the_gateway(address: str, tmp_path: Path):
    with stubbed_gateway(tmp_path, environ=FRESH | {"GATEWAY_PUBLIC_URL": address}) as gateway:
        assert set_up_link(gateway.log.read_text()).startswith(f"{address.rstrip('/')}/setup?token=")


def test_nobody_gets_in_without_the_link(house: House):  # threat 51
    link, browser = house.link(), house.browser()
    assert re.fullmatch(r"/setup\?token=[\w-]{43}", link)
    token = link.partition("=")[2]
    database = (house.gateway.data_dir / "postern.sqlite").read_bytes()
    wal = house.gateway.data_dir / "postern.sqlite-wal"
    assert token.encode() not in database + (wal.read_bytes() if wal.exists() else b"")

    # Nobody gets in without it: not to a page, not to the set-up, with no password.
    for path in ("/", "/admin", "/admin/keys", "/admin/sign-in", "/auth"):
        answer = browser.follow(browser.get(path))
        assert answer.status_code == 403, path
        assert "Open the one-time link" in answer.text
        assert "To the overview" not in answer.text, path  # it would lead here again
    for wrong in ("/setup", "/setup?token=", "/setup?token=x", f"/setup?token={token[:-1]}", "/setup?token=%00"):
        assert browser.get(wrong).status_code == 403, wrong
    assert browser.script("GET", "/admin/api/status", password="").status_code == 401
    assert browser.script("GET", "/admin/api/status", password="admin").status_code == 401
    browser.client.cookies.clear()
    token_page = browser.get("/nothing")
    assert token_page.status_code == 404
    assert browser.client.post("/setup", data={"password": PASSWORD, "repeat": PASSWORD}).status_code == 403


def test_the_link_makes_one_browser_the_one(house: House):  # threat 51
    link, browser = house.link(), house.browser()
    token = link.partition("=")[2]
    # A messenger that previews it does not use it up, nor a page of somebody else's, nor who has a part of it.
    assert house.browser().get(link).status_code == 200
    assert browser.client.head(link).status_code == 200
    browser.client.options(link)
    assert house.browser().client.post("/setup", data={"token": token}).status_code == 403
    browser.get(link)
    assert browser.post("/setup", token=token[:-1]).status_code == 403
    claim(browser, link)

    other = house.browser()
    assert other.get(link).status_code == 403
    assert "used already" in other.get(link).text
    assert other.get("/setup").status_code == 403
    assert browser.get(link).status_code == 403  # once is once
    assert step(browser.get("/setup").text) == "password"


def test_a_newer_link_takes_the_place_of_one_before(house: House):  # threat 51
    link, browser = house.link(), house.browser()
    claim(browser, link)
    # A new start prints a new link; the old one stays void, and the browser that came by it goes on.
    house.restart()
    assert house.link() != link
    again, third = house.browser(), house.browser()
    again.client.cookies.set("postern", browser.client.cookies["postern"])
    assert step(again.get("/setup").text) == "password"
    assert third.get(link).status_code == 403

    # One that is too old.
    stored(house.gateway, "UPDATE set_up SET link_expires_at = link_expires_at - 1801")
    assert third.get(house.link()).status_code == 403

    # A newer link takes it away from the browser before.
    house.restart()
    newest, before = house.browser(), house.browser()
    claim(newest, house.link())
    before.client.cookies.set("postern", browser.client.cookies["postern"])
    assert before.get("/setup").status_code == 403

    stored(house.gateway, "UPDATE set_up SET browser_expires_at = browser_expires_at - 3601")
    assert newest.get("/setup").status_code == 403
    assert newest.post("/setup", step="password", password=PASSWORD, repeat=PASSWORD).status_code == 403
    assert not stored(house.gateway, "SELECT * FROM administrators")


WEAK = (
    ("", "", "password"),
    ("short", "short", "password"),
    ("changeme123", "changeme123", "password"),
    ("password123!", "password123!", "password"),
    ("aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaa", "password"),
    ("x" * 1001, "x" * 1001, "password"),
    (PASSWORD, PASSWORD + "x", "repeat"),
    (PASSWORD, "", "repeat"),
)


def test_a_weak_password_is_not_taken(house: House):  # threats 42, 49
    browser = house.browser()
    claim(browser, house.link())
    for password, repeat, field in WEAK:
        answer = browser.post("/setup", step="password", password=password, repeat=repeat)
        assert answer.status_code == 400
        assert f'id="{field}-error"' in answer.text
        assert not password or password not in answer.text
    assert not stored(house.gateway, "SELECT * FROM administrators")


def test_the_password_ends_the_link_for_everybody_else(house: House):  # threats 42, 51
    browser = house.browser()
    link = house.link()
    claim(browser, link)
    anonymous = browser.client.cookies["postern"]
    page = browser.post("/setup", step="password", action="next", password=PASSWORD, repeat=PASSWORD)
    assert step(page.text) == "connect"
    assert "There is a login already. It is an API key, by ANTHROPIC_API_KEY of the gateway" in text_of(page.text)
    assert browser.client.cookies["postern"] != anonymous
    entry = next(entry for entry in audited(house.gateway) if entry["action"] == "choose the password")
    assert entry["actor"] == "whoever has the set-up link"

    # It is over for everybody else.
    other = house.browser()
    assert other.get(link).status_code == 409
    other.get("/admin/sign-in")
    assert other.post("/setup", step="password", password="another good password", repeat="another good password")
    answer = other.client.post("/setup", data={"csrf_token": other.csrf_token, "password": "x", "repeat": "x"})
    assert answer.status_code == 409
    assert stored(house.gateway, "SELECT count(*) FROM set_up") == [(0,)]
    assert other.follow(other.get("/setup")).url.path == "/admin/sign-in"
    other.sign_in()
    assert step(other.follow(other.get("/admin")).text) == "connect"  # taken up in another browser


def test_each_step_may_be_left_and_taken_up_again(house: House):  # threats 42, 49
    browser = house.browser()
    claim(browser, house.link())
    browser.post("/setup", step="password", action="next", password=PASSWORD, repeat=PASSWORD)
    page = browser.post("/setup", step="connect", action="next")
    assert step(page.text) == "key"
    key = (house.gateway.data_dir / "master-key").read_text().strip()
    assert key in page.text
    assert step(browser.get("/setup").text) == "key"  # until it is stored
    assert browser.post("/setup", step="key", action="next").status_code == 400

    house.restart()
    assert "/setup?token=" not in house.gateway.log.read_text()
    browser = house.browser()
    page = browser.sign_in()
    assert step(browser.follow(browser.get("/admin")).text) == "key"
    page = browser.post("/setup", step="key", action="next", stored="1")
    assert step(page.text) == "test"
    assert not (house.gateway.data_dir / "master-key").exists()
    assert key not in browser.get("/setup").text
    page = browser.post("/setup", step="test", action="test")
    assert "Claude answered in" in text_of(page.text)
    assert step(browser.get("/setup").text) == "test"
    page = browser.post("/setup", step="test", action="next")
    assert "The gateway is ready for its first application." in text_of(page.text)
    assert browser.get("/admin").status_code == 200
    assert [entry["facts"].get("step") for entry in audited(house.gateway) if "finish" in entry["action"]] == [
        "connect",
        "key",
        "test",
    ]
    headers = {"Authorization": f"Bearer {key}"}
    assert browser.client.get("/v1/models", headers=headers).status_code == 200


def test_the_end_says_what_is_missing(tmp_path: Path):
    environ = FRESH | ENVIRON | {"ANTHROPIC_API_KEY": "", "GATEWAY_MASTER_KEY": "sk-an-application-s-0123456789abcdef"}
    with stubbed_gateway(tmp_path, environ=environ) as gateway, administrator(gateway) as browser:
        browser.sign_in()
        stored(gateway, "DELETE FROM set_up_steps")
        page = browser.get("/setup").text
        assert "Do this later" in page
        assert "login already" not in page
        assert "curl" not in page
        browser.post("/setup", step="connect", action="skip")
        browser.post("/setup", step="key", stored="1")
        page = browser.post("/setup", step="test", action="skip").text
        assert "Almost done" in page
        assert "nobody is signed in to Claude" in page
        assert 'href="/auth">Connect Claude</a>' in page
        file = gateway.data_dir / "claude/postern-credential.json"
        file.touch(mode=0o600)
        file.write_text('{"kind": "api_key", "value": "sk-ant-api03-stub"}')
        assert "Whether Claude answers is not known." in browser.get("/setup").text
        browser.post("/auth/test")
        assert "The gateway is ready for its first application." in text_of(browser.get("/setup").text)


def test_a_password_of_the_environment_skips_it(gateway: Gateway, stranger: Admin):  # threat 51
    assert "/setup?token=" not in gateway.log.read_text()
    assert stranger.get("/setup?token=x").status_code == 409
    assert stranger.follow(stranger.get("/setup")).url.path == "/admin/sign-in"
    stranger.sign_in()
    assert stranger.get("/admin").status_code == 200
    assert "What to do next" in stranger.get("/setup").text


def test_a_key_that_was_made_beside_such_a_password_is_still_to_be_stored(tmp_path: Path):
    with stubbed_gateway(tmp_path, environ=FRESH | ENVIRON) as gateway, administrator(gateway) as browser:
        file = gateway.data_dir / "master-key"
        browser.sign_in()
        assert "It still lies in a file" in browser.get("/admin/keys").text
        page = browser.get("/setup").text
        assert step(page) == "key"
        assert "It is shown until you have stored it" in page
        assert "in the file master-key" in text_of(page)
        assert file.read_text().strip() in page
        assert "What to do next" in browser.post("/setup", step="key", action="next", stored="1").text
        assert not file.exists()
        assert "It still lies in a file" not in browser.get("/admin/keys").text


def test_a_password_of_the_environment_skips_no_step_that_is_under_way(house: House):
    browser = house.browser()
    claim(browser, house.link())
    browser.post("/setup", step="password", password=PASSWORD, repeat=PASSWORD)
    house.restart(**ENVIRON)
    browser = house.browser()
    browser.sign_in()
    assert step(browser.follow(browser.get("/admin")).text) == "connect"


def test_a_master_key_of_the_environment_is_not_shown(gateway: Gateway, admin: Admin):
    stored(gateway, "DELETE FROM set_up_steps WHERE step = 'key'")
    page = admin.get("/setup").text
    assert "came with the environment" in page
    assert gateway.key not in page
    assert "What to do next" in admin.post("/setup", step="key", action="next", stored="1").text

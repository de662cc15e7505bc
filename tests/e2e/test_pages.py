"""Every page of the real gateway, as it comes: well-formed, open to all, and fitting its window in both themes."""

import os
import re
import signal
import sqlite3
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response, expect

from tests.e2e import walk
from tests.e2e.stage import of_sign_ins, running_stage
from tests.support.admin import PASSWORD, set_up_link
from tests.support.browser import someone
from tests.support.gateway import Gateway
from tests.support.hands import Mouse
from tests.support.look import look, well_formed
from tests.support.processes import wait_until
from tests.support.sandbox import Sandbox, running_sandbox

HAND = Mouse()
EVIL = "<svg onload=alert(1)> {{7*7}} “Buchhaltung”"


@pytest.fixture(scope="module")
def slow_sandbox() -> Iterator[Sandbox]:
    """One that may be told to let the CLI wait."""
    with running_sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(slow_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Before its first run, with a master key of its own."""
    folder = tmp_path_factory.mktemp("pages")
    with running_stage(slow_sandbox, folder, environ={"GATEWAY_MASTER_KEY": ""}) as running:
        yield running


@pytest.fixture(scope="module")
def owner(browser: Browser) -> Iterator[BrowserContext]:
    """Stays signed in from test to test."""
    with someone(browser) as context:
        yield context


class Look:
    """A page, and whether what it has become is good."""

    def __init__(self, page: Page):
        self.page = page
        self._last: Response | None = None
        page.on("response", self._note)

    def _note(self, response: Response) -> None:
        asked = response.request
        if asked.is_navigation_request() and asked.frame.parent_frame is None and not 300 <= response.status < 400:
            self._last = response

    def __call__(self, heading: str, level: int = 1) -> None:
        expect(self.page.get_by_role("heading", level=level, name=heading).first).to_be_visible()
        self.page.wait_for_load_state()
        assert self._last
        well_formed(self._last.text())
        try:
            look(self.page)
        except AssertionError as error:
            raise AssertionError(f"“{heading}” at {self.page.url}") from error
        self.page.set_viewport_size({"width": 1280, "height": 900})

    def panel(self, state: str) -> None:
        """Of the wizard: it has changed without the page being loaded anew."""
        walk.state(self.page, state)
        look(self.page)


@pytest.fixture
def at(owner: BrowserContext) -> Iterator[Look]:
    page = owner.new_page()
    yield Look(page)
    page.close()


def test_the_first_run(at: Look, owner: BrowserContext, gateway: Gateway, slow_sandbox: Sandbox):
    page = at.page
    page.goto(set_up_link(gateway.log.read_text()))
    at("Welcome to Postern")
    page.get_by_role("button", name="Begin").click()
    page.get_by_label("New password").fill("password12")
    page.get_by_label("The same again").fill("password12")
    page.get_by_role("button", name="Set the password").click()
    at("Welcome to Postern")
    walk.choose_password(page, HAND, f"{gateway.url}/setup")
    at("Connect Claude")
    walk.start(page, HAND)
    code = walk.authorise(page, owner, HAND)
    at.panel("awaiting_code")
    slow_sandbox.script(first_delay=6)
    walk.send(page, HAND, code)
    at.panel("verifying")
    at.panel("succeeded")
    slow_sandbox.clear()
    page.get_by_role("link", name="Go on").click()
    at("Your master key")
    walk.store_master_key(page, HAND)
    at("Does it work?")
    page.get_by_role("button", name="Ask Claude").click()
    expect(page.get_by_text("Claude answered in")).to_be_visible()
    at("Does it work?")
    page.get_by_role("button", name="Go on").click()
    at("All set")


def test_the_overview_and_the_wizard(at: Look, owner: BrowserContext, gateway: Gateway, slow_sandbox: Sandbox):
    page = at.page
    page.goto(f"{gateway.url}/admin")
    at("Overview")
    page.goto(f"{gateway.url}/auth")
    at("Claude is connected", 2)
    page.get_by_role("button", name="Test now").click()
    at("Connect Claude")
    page.get_by_role("button", name="Sign in again, another way").click()
    at("How should the CLI sign in?", 2)
    page.locator("[name=method][value=api_key]").check()
    page.get_by_role("checkbox", name="I have chosen a way").check()
    walk.button(page, "Start the sign-in").click()
    at.panel("awaiting_code")
    walk.button(page, "Cancel the sign-in").click()
    starting_and_failing(at, gateway)
    walk.button(page, "Start again").click()
    code = walk.authorise(page, owner, HAND)
    held(at, owner, gateway)
    slow_sandbox.state(refuse_next_code=True)
    walk.send(page, HAND, code)
    at.panel("refused")


def starting_and_failing(at: Look, gateway: Gateway) -> None:
    """With a helper that is held up, and then killed."""
    walk.start(at.page, HAND)
    wait_until(lambda: of_sign_ins(gateway), 20, "the helper has started")
    helper, *_ = of_sign_ins(gateway)
    os.kill(helper, signal.SIGSTOP)
    at("Starting the CLI", 2)
    os.kill(helper, signal.SIGKILL)
    at("The sign-in did not work", 2)


def held(at: Look, owner: BrowserContext, gateway: Gateway) -> None:
    browser = owner.browser
    assert browser
    with someone(browser) as context:
        other = Look(context.new_page())
        walk.sign_in(other.page, gateway.url)
        other.page.goto(f"{gateway.url}/auth")
        other("is signing in", 2)


def test_the_keys(at: Look, gateway: Gateway):
    page = at.page
    page.goto(f"{gateway.url}/admin/keys")
    at("No application keys yet", 3)
    page.get_by_label("Name").fill(EVIL)
    page.get_by_label("sonnet", exact=True).check()
    walk.button(page, "Make the key").click()
    at(f"The key for {EVIL}")
    page.get_by_role("link", name="I have stored it").click()
    at("Keys")
    page.get_by_role("link", name=EVIL).click()
    at(EVIL)
    page.get_by_label("Name").fill("Open WebUI")
    walk.button(page, "Save").click()
    at("Open WebUI")
    walk.rotate(page, HAND, gateway.url)
    at("The new master key")
    page.goto(f"{gateway.url}/admin/keys?q=nothing-like-it")
    at("Nothing found for", 3)
    page.goto(f"{gateway.url}/admin/keys")
    at("Keys")
    page.get_by_role("link", name="Open WebUI").click()
    walk.button(page, "Revoke this key").click()
    walk.button(page, "Revoke it").click()
    at("Keys")
    page.get_by_role("link", name="Open WebUI").click()
    at("Open WebUI")


def test_the_audit_log_and_the_account(at: Look, gateway: Gateway):
    page = at.page
    page.goto(f"{gateway.url}/admin/audit")
    at("Audit")
    walk.button(page, "Verify the chain").click()
    at("Audit")
    page.goto(f"{gateway.url}/admin/sessions")
    at("Account")
    for label in ("Current password", "New password", "The same again"):
        page.get_by_label(label).fill("not the password")
    walk.button(page, "Change it").click()
    at("Account")


def test_who_is_not_signed_in(browser: Browser, gateway: Gateway):
    context = browser.new_context()  # it complains of the errors
    at = Look(context.new_page())
    at.page.goto(f"{gateway.url}/admin/keys")
    at("Sign in")
    at.page.get_by_label("Password").fill("not the password")
    walk.button(at.page, "Sign in").click()
    expect(at.page.get_by_text("That is not the password.")).to_be_visible()
    at("Sign in")
    at.page.get_by_label("Password").fill(PASSWORD)
    walk.button(at.page, "Sign in").click()
    at("Keys")
    at.page.goto(f"{gateway.url}/admin/nothing")
    at("There is nothing here")
    at.page.goto(f"{gateway.url}/admin/audit/verify")
    at("That is not how this address is used")
    context.close()


def test_the_password_is_asked_for_again(browser: Browser, gateway: Gateway):  # threat 60
    """Long after the sign-in; what was entered is kept meanwhile."""
    context = browser.new_context()
    at = Look(context.new_page())
    walk.sign_in(at.page, gateway.url)
    at.page.goto(f"{gateway.url}/admin/keys")
    at.page.locator("summary", has_text="Rotate the master key").click()
    at.page.get_by_label("1 hour").check()
    at.page.get_by_role("checkbox", name="The older key").check()
    with sqlite3.connect(gateway.data_dir / "postern.sqlite") as database:
        database.execute("UPDATE sessions SET confirmed_at = 0")
    database.close()
    walk.button(at.page, "Make a new master key").click()
    at("Is it still you?")
    at.page.get_by_label("Password").fill("not the password")
    walk.button(at.page, "Confirm").click()
    expect(at.page.get_by_text("That is not the password.")).to_be_visible()
    at("Is it still you?")
    at.page.get_by_label("Password").fill(PASSWORD)
    walk.button(at.page, "Confirm").click()
    at("The new master key")
    expect(at.page.locator("time[data-time=countdown]")).to_have_text(re.compile("in (59:|1 hour)"))
    context.close()

"""The administrator's pages in a real browser, each in every state that tests/pages/states.py knows."""

import re
import time
from collections.abc import Callable, Iterator
from urllib.parse import parse_qsl

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from app.admin import texts
from tests.pages import states
from tests.pages.sample import Stage, running_sample
from tests.pages.states import AWAITING, LINK, PAGES, login
from tests.support.look import Reader, look, well_formed


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, Stage]]:
    with running_sample() as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        expect.set_options(timeout=15_000)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def opened(served: tuple[str, Stage], browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a sample; what the browser complains of, also a breach of the policy, fails the test."""
    complaints: list[str] = []
    page = browser.new_page()
    page.set_default_timeout(10_000)
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def open_sample(name: str, *, theme: str = "light", width: int = 1280) -> Page:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(f"{served[0]}/sample/{name}")
        page.wait_for_function("!document.querySelector('[data-copy][hidden]')")
        assert complaints == []
        return page

    yield open_sample
    page.close()


# ---- every page


@pytest.mark.parametrize("name", PAGES)
def test_the_markup_of_each_page(served: tuple[str, Stage], name: str):
    html = httpx.get(f"{served[0]}/sample/{name}").raise_for_status().text
    well_formed(html)


@pytest.mark.parametrize("name", PAGES)
def test_links_to_elsewhere_tell_nothing_of_here(served: tuple[str, Stage], name: str):
    page = Reader(httpx.get(f"{served[0]}/sample/{name}").text)
    for link in page.of("a"):
        if not link["href"].startswith(("/", "#")):
            assert link["href"].startswith("https://")
            assert (link["target"], link["rel"]) == ("_blank", "noopener noreferrer")


@pytest.mark.parametrize("name", PAGES)
def test_each_page_is_open_to_all_and_fits(opened: Callable[..., Page], name: str):
    look(opened(name, theme="dark", width=320))


def test_what_others_named_is_shown_as_it_is(opened: Callable[..., Page]):
    page = opened("keys-rotated")
    assert page.locator("a.name").nth(1).inner_text() == states.EVIL
    assert page.locator("td", has_text="{{7*7}}").count() == 2


@pytest.mark.parametrize(("name", "links"), [("auth-awaiting", 20), ("docs", 10)])
def test_under_a_prefix_everything_is_found(name: str, links: int):
    with running_sample("/gate/way") as (address, _):
        html = httpx.get(f"{address}/sample/{name}").text
    page = Reader(html)
    named = ("href", "src", "action", "data-live", "data-left", "data-panel", "data-status")
    local = [value for _, tag in page.tags for key in named if (value := tag.get(key)) and value.startswith("/")]
    assert len(local) > links
    assert all(value.startswith("/gate/way/") for value in local)


# ---- by keyboard, by ear, without scripts


def test_the_first_tab_leads_past_the_navigation(opened: Callable[..., Page]):
    page = opened("home")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


@pytest.mark.parametrize(
    ("name", "button", "question"),
    [
        ("auth-succeeded", "Sign Claude out", "Sign owner@example.com out?"),
        ("auth-held", "Take over", "End admin's sign-in?"),
        ("auth-failed", "Restore the last good copy", "Restore the last good copy of the login?"),
        ("key", "Revoke this key", f"Revoke “{states.EVIL}”?"),
        ("keys-rotated", "Revoke the old one now", "Revoke the master key m0Old777?"),
        ("sessions", "End the others", "End 1 other session?"),
    ],
)
def test_a_dangerous_act_asks_and_names_the_thing(opened: Callable[..., Page], name: str, button: str, question: str):
    page = opened(name)
    opener = page.get_by_role("button", name=button)
    opener.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name=question)
    expect(dialog.get_by_role("button", name="Keep it as it is")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()


def test_without_scripts_nothing_is_lost(served: tuple[str, Stage], browser: Browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{served[0]}/sample/keys")
    expect(page.get_by_text("The name is taken.")).to_be_visible()
    page.goto(f"{served[0]}/sample/key")
    page.get_by_role("button", name="Revoke this key").click()
    expect(page.get_by_role("button", name="Revoke it")).to_be_visible()
    page.goto(f"{served[0]}/sample/key-created")
    page.get_by_text("LangChain", exact=True).click()
    expect(page.locator("#snippet-langchain")).to_be_visible()
    expect(page.locator("#snippet-curl")).to_be_hidden()
    page.goto(f"{served[0]}/sample/auth-awaiting")
    expect(page.get_by_role("link", name="Open the page")).to_have_attribute("href", LINK)
    assert page.get_by_role("button", name="Copy").count() == 0
    context.close()


def test_a_message_is_spoken_and_can_be_closed(opened: Callable[..., Page]):
    page = opened("home")
    message = page.get_by_role("status").get_by_text("The password is changed.")
    expect(message).to_be_visible()
    page.get_by_role("button", name="Close this message").click()
    expect(message).to_be_hidden()


def test_the_theme_is_kept(opened: Callable[..., Page]):
    page = opened("home")
    switch = page.get_by_role("button", name="Theme: system")
    switch.click()
    page.get_by_role("button", name="Theme: light").click()
    page = opened("keys")
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body.parentElement).backgroundColor") == "rgb(13, 17, 19)"
    page.get_by_role("button", name="Theme: dark").click()
    assert page.evaluate("localStorage.getItem('postern-theme')") == "system"


# ---- what the scripts add


def test_copying(opened: Callable[..., Page]):
    page = opened("setup-key")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the master key").click()
    expect(page.get_by_role("button", name="Copied the master key")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == states.MASTER_KEY


@pytest.mark.parametrize(
    ("name", "typed", "note"),
    [
        ("auth-awaiting", "abcdefghijkl", "Not the whole code yet"),
        ("auth-awaiting", "  abcdefghijkl#mnopqrstuv ", "This looks whole."),
        ("auth-token", "sk-ant-api03-" + "a" * 30, "Not whole yet"),
        ("auth-token", "sk-ant-oat01-" + "a" * 30, "This looks whole."),
        ("auth-api-key", "sk-ant-api03-" + "a" * 30, "This looks whole."),
    ],
)
def test_the_shape_of_a_code_is_checked_as_typed(opened: Callable[..., Page], name: str, typed: str, note: str):
    page = opened(name)
    page.locator("#code").fill(typed)
    expect(page.locator("#code-note")).to_contain_text(note)


def test_times_are_told_from_now_and_asked_in_the_owners_zone(served: tuple[str, Stage], browser: Browser):
    context = browser.new_context(timezone_id="Asia/Tokyo", locale="en-GB")
    page = context.new_page()
    served[1].show(login("awaiting_code", url=LINK, deadline=time.time() + 570))
    page.goto(f"{served[0]}/live")
    expect(page.get_by_text(re.compile(r"This attempt ends in \d:\d\d"))).to_be_visible()
    page.goto(f"{served[0]}/sample/keys-rotated")
    expect(page.locator("[name=timezone_offset]").first).to_have_value("-540")
    page.get_by_text("Extend the old one").click()
    tokyo = texts.field_time(states.PREVIOUS.expires_at + 9 * states.HOUR)
    expect(page.locator("#extend-until")).to_have_value(tokyo)
    context.close()


def test_a_time_is_meant_as_the_clock_shows_it_then(served: tuple[str, Stage], browser: Browser):
    """Whatever the season is now: in Berlin it is two hours before UTC in summer, and one in winter."""
    context = browser.new_context(timezone_id="Europe/Berlin", locale="en-GB")
    page = context.new_page()
    sent: list[tuple[str, str]] = []

    def take(route: Route) -> None:
        form = dict(parse_qsl(route.request.post_data or ""))
        sent.append((form["expires"], form["timezone_offset"]))
        route.fulfill(status=204)

    page.route("**/admin/keys/create", take)
    for chosen, offset in (("2030-01-15T12:00", "-60"), ("2030-07-15T12:00", "-120")):
        page.goto(f"{served[0]}/sample/keys")
        page.get_by_label("Name").fill("x")
        page.locator("#expires").fill(chosen)
        page.get_by_role("button", name="Make the key").click()
        expect(page.get_by_role("button", name="Making it…")).to_be_visible()
        page.wait_for_function("() => true")
        assert sent.pop() == (chosen, offset)
    context.close()


def test_a_time_of_ones_own_is_asked_only_when_chosen(opened: Callable[..., Page]):
    page = opened("keys")
    page.get_by_text("Rotate the master key").click()
    expect(page.get_by_label("24 hours")).to_be_checked()
    expect(page.locator("#until")).to_be_hidden()
    page.get_by_label("until…").check()
    expect(page.locator("#until")).to_be_visible()


def test_a_form_is_sent_once(opened: Callable[..., Page]):
    page = opened("keys")
    sent: list[str] = []
    page.route("**/admin/keys/create", lambda route: (sent.append(route.request.method), route.fulfill(status=204)))
    page.get_by_label("Name").fill("x")
    page.get_by_role("button", name="Make the key").evaluate("(button) => { button.click(); button.click(); }")
    expect(page.get_by_role("button", name="Making it…")).to_be_visible()
    page.evaluate("fetch(location)")
    page.unroute_all()
    assert sent == ["POST"]


# ---- the live wizard


@pytest.mark.parametrize("sockets", [True, False])
def test_the_wizard_follows_the_server(browser: Browser, sockets: bool):
    with running_sample(sockets=sockets) as (address, stage):
        page = browser.new_page()
        page.goto(f"{address}/live")
        expect(page.get_by_role("heading", name="Starting the CLI")).to_be_visible()
        stage.show(login("awaiting_code", url=LINK))
        heading = page.get_by_role("heading", name="Sign in at Anthropic and paste the code")
        expect(heading).to_be_focused()
        expect(page.locator("[data-announce]")).to_have_text("Sign in at Anthropic and paste the code")
        expect(page.get_by_role("link", name="Open the page")).to_have_attribute("href", LINK)
        page.locator("#code").fill("half a co")
        stage.show(login("awaiting_code", url=LINK, message="That was not the whole code."))
        expect(page.get_by_text("That was not the whole code.")).to_be_visible()
        expect(page.locator("#code")).to_have_value("half a co")
        expect(page.locator("#code")).to_be_focused()
        stage.show(login("succeeded"))
        expect(page.get_by_role("heading", name="Claude is connected")).to_be_focused()
        expect(page.get_by_role("region", name="The login").get_by_text("Connected", exact=True)).to_be_visible()
        page.close()


def test_a_wizard_that_is_no_longer_ours_asks_to_sign_in(browser: Browser):
    with running_sample() as (address, stage):
        page = browser.new_page()
        page.goto(f"{address}/live")
        expect(page.get_by_role("heading", name="Starting the CLI")).to_be_visible()
        page.route("**/auth/panel", lambda route: route.fulfill(status=401))
        page.route("**/live", lambda route: route.fulfill(body="<h1>Sign in</h1>", content_type="text/html"))
        stage.show(AWAITING)
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        page.close()

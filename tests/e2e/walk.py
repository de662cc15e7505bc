"""What an administrator does in the browser, step by step."""

import re

from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.support.admin import PASSWORD
from tests.support.hands import Hand


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def title(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1, name=text)).to_be_visible()


def state(page: Page, *names: str) -> None:
    """The wizard has come to one of these."""
    expect(page.locator("[data-state]")).to_have_attribute("data-state", re.compile(f"^({'|'.join(names)})$"))


def sign_in(page: Page, url: str, password: str = PASSWORD) -> None:
    page.goto(f"{url}/admin/sign-in")
    page.get_by_label("Password").fill(password)
    button(page, "Sign in").click()
    expect(page.get_by_role("heading", level=1, name="Sign in")).to_be_hidden()


# ---- the first run


def choose_password(page: Page, hand: Hand, link: str) -> None:
    page.goto(link)
    title(page, "Welcome to Postern")
    if "token" in page.url:
        hand.press(button(page, "Begin"))
        expect(page.get_by_label("New password")).to_be_visible()
    assert "token" not in page.url  # out of the history and of every referrer
    hand.write(page.get_by_label("New password"), PASSWORD)
    hand.write(page.get_by_label("The same again"), PASSWORD)
    hand.press(button(page, "Set the password"))


def store_master_key(page: Page, hand: Hand) -> str:
    title(page, "Your master key")
    key = page.locator("#master-key").inner_text()
    hand.tick(page.get_by_label("I have stored it where I keep passwords."))
    hand.press(button(page, "Go on"))
    return key


def ask_claude(page: Page, hand: Hand) -> None:
    title(page, "Does it work?")
    hand.press(button(page, "Ask Claude"))
    expect(page.get_by_text(re.compile(r"Claude answered in \d+\.\d seconds\."))).to_be_visible()
    hand.press(button(page, "Go on"))


# ---- the wizard


def start(page: Page, hand: Hand) -> None:
    """A Claude subscription is what is offered first."""
    hand.tick(page.get_by_role("radio", name="Claude subscription"))
    hand.tick(page.get_by_role("checkbox", name="I have chosen a way"))
    hand.press(button(page, "Start the sign-in"))


def authorise(page: Page, context: BrowserContext, hand: Hand) -> str:
    """The link opens the sandbox's own page; gives the code that stands there."""
    state(page, "awaiting_code")
    with context.expect_page() as opened:
        hand.press(page.get_by_role("link", name="Open the page in a new tab"))
    elsewhere = opened.value
    hand.press(button(elsewhere, "Authorise"))
    code = elsewhere.get_by_label("Authentication code").input_value()
    elsewhere.close()
    page.bring_to_front()
    return code


def send(page: Page, hand: Hand, code: str) -> None:
    hand.write(page.locator("#code"), code)
    expect(page.locator("#code-note")).to_have_text("This looks whole.")
    hand.press(button(page, "Sign in with this code"))


def connect(page: Page, context: BrowserContext, hand: Hand) -> str:
    """From the choice to a real completion; gives the code that was sent."""
    start(page, hand)
    code = authorise(page, context, hand)
    send(page, hand, code)
    expect(page.get_by_role("heading", name="Claude is connected")).to_be_visible(timeout=60_000)
    return code


# ---- keys


def rotate(page: Page, hand: Hand, url: str) -> str:
    """With 24 hours for the present one; gives the new one."""
    page.goto(f"{url}/admin/keys")
    hand.press(page.locator("summary", has_text="Rotate the master key"))
    hand.press(button(page, "Make a new master key"))
    title(page, "The new master key")
    return page.locator("#secret").inner_text()

"""The wizard in a real browser, where it does not go straight to the end."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e import walk
from tests.e2e.stage import of_sign_ins, running_stage
from tests.support.browser import someone
from tests.support.gateway import Gateway
from tests.support.hands import Mouse
from tests.support.login import EMAIL, log_in
from tests.support.processes import alive, wait_until
from tests.support.sandbox import Sandbox

HAND = Mouse()


@pytest.fixture(scope="module")
def gateway(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("wizard")
    # Where a login made beside the gateway puts it.
    (folder / "config").mkdir()
    with running_stage(sandbox, folder, GATEWAY_CLAUDE_CONFIG_DIR=str(folder / "config")) as running:
        yield running


@pytest.fixture
def page(browser: Browser, gateway: Gateway) -> Iterator[Page]:
    with someone(browser) as context:
        yield at_the_wizard(context.new_page(), gateway)


def at_the_wizard(page: Page, gateway: Gateway) -> Page:
    walk.sign_in(page, gateway.url)
    page.goto(f"{gateway.url}/auth")
    return page


def panel(page: Page, text: str) -> None:
    """What the panel of the login says."""
    expect(page.get_by_role("region", name="The login", exact=True).get_by_text(text, exact=True)).to_be_visible(
        timeout=10_000
    )


def test_a_bad_code_asks_again_and_a_refused_one_offers_a_new_start(page: Page, sandbox: Sandbox):
    walk.start(page, HAND)
    code = walk.authorise(page, page.context, HAND)
    link = page.get_by_role("link", name="Open the page").get_attribute("href")
    page.locator("#code").fill(code.split("#")[0])
    expect(page.locator("#code-note")).to_contain_text("Not the whole code yet")
    walk.button(page, "Sign in with this code").click()
    expect(page.get_by_role("status").get_by_text("This is not the whole code.")).to_be_visible()
    walk.state(page, "awaiting_code")
    walk.send(page, HAND, code[:-8] + "anothers")
    expect(page.get_by_text("This code is from another sign-in attempt.")).to_be_visible()
    assert page.get_by_role("link", name="Open the page").get_attribute("href") == link

    sandbox.state(refuse_next_code=True)
    walk.send(page, HAND, code)
    expect(page.get_by_role("heading", name="The sign-in was refused")).to_be_visible()
    expect(page.get_by_text("Anthropic did not accept the code. The claude CLI says:")).to_be_visible()
    assert code.split("#")[0] not in page.content()

    walk.button(page, "Start again").click()
    code = walk.authorise(page, page.context, HAND)
    walk.send(page, HAND, code)
    expect(page.get_by_role("heading", name="Claude is connected")).to_be_visible()
    panel(page, "Connected")


def test_signing_out_removes_the_login(page: Page, gateway: Gateway):  # threat 37
    config = Path(gateway.data_dir.parent, "config")
    panel(page, "Connected")
    assert (config / ".credentials.json").exists()
    assert gateway.chat('[[sandbox: {"words": 2}]]').status_code == 200
    walk.button(page, "Sign Claude out").click()
    walk.button(page, "Sign it out").click()
    expect(page.get_by_text("Claude is signed out. Applications get errors")).to_be_visible()
    panel(page, "Signed out")
    walk.state(page, "idle")
    assert not (config / ".credentials.json").exists()
    assert gateway.chat("hi").json()["error"]["code"] == "not_signed_in"


def test_a_login_made_beside_the_gateway_shows_by_itself(page: Page, gateway: Gateway, sandbox: Sandbox):
    panel(page, "Signed out")
    log_in(gateway.data_dir.parent, sandbox)  # `claude auth login`, in the same volume
    panel(page, "Not known yet")
    expect(page.get_by_role("region", name="The login", exact=True)).to_contain_text(EMAIL)
    walk.button(page, "Test now").click()
    expect(page.get_by_text(re.compile("Claude answered in"))).to_be_visible()
    panel(page, "Connected")
    page.reload()
    assert page.url == f"{gateway.url}/auth"
    panel(page, "Connected")


def test_a_second_administrator_sees_who_signs_in_and_takes_over(  # threat 27
    page: Page, browser: Browser, gateway: Gateway
):
    walk.start(page, HAND)
    walk.state(page, "awaiting_code")
    with someone(browser) as context:
        other = at_the_wizard(context.new_page(), gateway)
        holder = re.compile(r"administrator at 127\.0\.0\.1 \(session \w+\) is signing in")
        expect(other.get_by_role("heading", name=holder)).to_be_visible()
        assert "code_challenge" not in other.content()
        first, *_ = of_sign_ins(gateway)
        walk.button(other, "Take over").click()
        walk.button(other, "End it").click()
        walk.state(other, "idle")
        walk.state(page, "idle")
        wait_until(lambda: not alive(first), 5, "the first one's helper is gone")
        walk.start(other, HAND)
        walk.state(other, "awaiting_code")
        expect(page.get_by_role("heading", name=holder)).to_be_visible()
        walk.button(other, "Cancel the sign-in").click()
        walk.state(other, "idle")


def test_a_closed_tab_leaves_nothing_behind_at_the_next_start(page: Page, gateway: Gateway):  # threat 38
    walk.start(page, HAND)
    walk.state(page, "awaiting_code")
    context, left = page.context, of_sign_ins(gateway)
    assert len(left) == 2
    page.close()
    page = context.new_page()
    page.goto(f"{gateway.url}/auth")
    walk.state(page, "awaiting_code")  # it can be taken up again
    walk.button(page, "Cancel the sign-in").click()
    walk.start(page, HAND)
    walk.state(page, "awaiting_code")
    assert len(of_sign_ins(gateway)) == 2
    assert not any(map(alive, left))


def test_a_killed_worker_leaves_no_sign_in(browser: Browser, gateway: Gateway):  # threat 38
    context = browser.new_context()  # it complains that nobody answers for a moment
    page = at_the_wizard(context.new_page(), gateway)
    walk.state(page, "awaiting_code")
    left = of_sign_ins(gateway)
    os.kill(gateway.worker_pid, signal.SIGKILL)
    wait_until(lambda: not any(map(alive, left)), 10, "the helper and its CLI are gone")
    walk.state(page, "idle")
    walk.start(page, HAND)
    walk.state(page, "awaiting_code")
    walk.button(page, "Cancel the sign-in").click()
    walk.state(page, "idle")
    wait_until(lambda: not list((gateway.data_dir / "tmp").glob("login-*")), 5, "what the killed one has left is swept")
    context.close()

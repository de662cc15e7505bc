"""What the CLI shows."""

import time
from collections.abc import Callable

import pytest

from app.claude import login as engine
from app.claude.account import credentials
from app.claude.login import Limits
from tests.claude.login.wizarding import Wizard
from tests.support import stub_sign_in
from tests.support.processes import wait_until
from tests.support.stub_sign_in import LINK, STATE

EVIL = LINK.replace("claude.com", "claude.evil.example", 1)


@pytest.mark.parametrize(
    ("screen", "message"),
    [
        (f"Visit {EVIL}\r\n> ", engine.FALSE_LINK),
        (f"\x1b]8;;javascript:alert(1)\x07{LINK[:20]}\x1b]8;;\x07\r\n> ", engine.FALSE_LINK),
        (f"Visit {LINK.replace('S256', 'plain')}\r\n> ", engine.FALSE_LINK),
        ("Paste code here if prompted > ", engine.NO_LINK),
        (f"Visit {LINK}", engine.NO_LINK),
    ],
)
def test_a_link_that_is_not_genuine_is_never_shown(  # threats 17, 30
    make: Callable[..., Wizard], screen: str, message: str
):
    wizard = make(screen=screen)
    wizard.login.start("claudeai", "anna")
    wait_until(lambda: stub_sign_in.started(wizard.bin), 15, "it runs")
    if message == engine.FALSE_LINK:
        wait_until(lambda: wizard.login._attempt.false_link, 15, "it was looked at")
    time.sleep(0.2)
    wizard.pass_by(31)
    status = wizard.until("failed")
    assert (status.state, status.message, status.url) == ("failed", message, "")


def test_the_genuine_link_is_found_among_others_and_stays(make: Callable[..., Wizard]):  # threat 30
    wizard = make(screen=f"{EVIL}\r\n{LINK}\r\n{LINK.replace(STATE, 'X' * 43)}\r\n> ")
    assert wizard.open().url == LINK


def test_what_the_cli_says_is_told_as_plain_text(make: Callable[..., Wizard]):  # threat 31
    wizard = make(then="refuse")
    wizard.open()
    status = wizard.finish()
    assert (status.state, status.message) == (
        "refused",
        "Anthropic did not accept the code. The claude CLI says: Non, merci. <script>",
    )


def test_a_code_that_the_cli_did_not_take_is_asked_for_again(make: Callable[..., Wizard]):
    wizard = make(then="ask again")
    wizard.open()
    status = wizard.finish()
    assert (status.state, status.url) == ("awaiting_code", LINK)
    assert "That doesn't look like the full code." in status.message
    assert "CANARY" not in status.message
    assert wizard.finish().state == "succeeded"


@pytest.mark.parametrize(
    ("then", "message"),
    [
        ("be unreachable", "The sign-in did not work. The claude CLI says: Couldn't log in: connect ECONNREFUSED"),
        ("succeed without a login", "The sign-in did not work. The claude CLI says: Login successful."),
        ("crash", engine.ENDED),
        ("exit", engine.ENDED),
        ("hang", engine.STUCK),
        ("flood", None),
    ],
)
def test_a_cli_that_fails_is_a_failure_with_a_sentence(make: Callable[..., Wizard], then: str, message: str | None):
    wizard = make(then=then, limits=Limits(exchange=2))
    wizard.open()
    status = wizard.finish()
    assert status.state == "failed"
    assert status.message == message or (message is None and len(status.message) < 500)
    assert credentials(wizard.installation) is None

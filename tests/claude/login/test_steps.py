"""The wizard's engine over a CLI that does what it is told. With the real one: tests/claude/test_login_cli.py."""

import threading
import time
from collections.abc import Callable

import pytest

from app.claude import login as engine
from app.claude import login_files
from app.claude.account import credentials
from app.errors import (
    UpstreamFailed,
)
from tests.claude.login.wizarding import KEY, TOKEN, Wizard
from tests.support import stub_sign_in
from tests.support.stub_sign_in import CODE, LINK


def test_a_sign_in_goes_through_its_states(make: Callable[..., Wizard]):
    wizard = make()
    seen = threading.Event()  # each state lasts until it has been looked at
    wizard.question = lambda: seen.wait(10)
    begun = time.time()
    states = [wizard.login.status(), wizard.login.start("claudeai", "anna")]
    states.append(wizard.until("awaiting_code"))
    states.append(wizard.login.submit(CODE, "anna"))
    states.append(wizard.login.wait(states[-1].version, 10))
    seen.set()
    states.append(wizard.until("succeeded"))
    assert [status.state for status in states] == [
        "idle", "starting", "awaiting_code", "verifying", "verifying", "succeeded",
    ]  # fmt: skip
    assert [status.version for status in states] == [0, 1, 2, 3, 4, 5]
    assert [status.url for status in states] == ["", "", LINK, "", "", ""]
    assert {(status.method, status.holder) for status in states[1:]} == {("claudeai", "anna")}
    limits = [None, 30, 900, 60, 60, None]
    for status, seconds in zip(states, limits, strict=True):
        assert (status.deadline is None) == (seconds is None)
        assert seconds is None or begun + seconds <= status.deadline <= time.time() + seconds
    assert begun <= states[-1].started_at <= time.time()
    assert wizard.asked == 1
    assert credentials(wizard.installation) == ".credentials.json"


@pytest.mark.parametrize(("method", "option"), [("claudeai", "--claudeai"), ("console", "--console"), ("sso", "--sso")])
def test_the_cli_is_asked_for_the_login_that_was_chosen(make: Callable[..., Wizard], method: str, option: str):
    wizard = make()
    wizard.open(method, email="me@firm.example")
    (start,) = stub_sign_in.started(wizard.bin)
    assert start["argv"] == ["auth", "login", option, "--email", "me@firm.example"]


@pytest.mark.parametrize(("method", "secret"), [("token", TOKEN), ("api_key", KEY)])
def test_a_secret_is_stored_and_then_tried(make: Callable[..., Wizard], method: str, secret: str):
    wizard = make()
    status = wizard.open(method)
    assert (status.state, status.url) == ("awaiting_code", "")
    assert wizard.finish(f" {secret}\n").state == "succeeded"
    assert (wizard.asked, credentials(wizard.installation)) == (1, login_files.PASTED)
    assert login_files.read(wizard.installation.config_dir / login_files.PASTED) == {"kind": method, "value": secret}
    assert stub_sign_in.started(wizard.bin) == []


def test_in_the_demo_the_link_leads_to_the_sandboxs_own_page(make: Callable[..., Wizard]):
    wizard = make(sign_in_base="http://127.0.0.1:8700")
    assert wizard.open().url == LINK.replace("https://claude.com", "http://127.0.0.1:8700")
    assert wizard.finish().state == "succeeded"


@pytest.mark.parametrize("then", ["succeed without words", "fork and succeed"])
def test_success_is_told_by_the_login_that_is_there_not_by_words(make: Callable[..., Wizard], then: str):
    wizard = make(then=then)
    wizard.open()
    assert wizard.finish().state == "succeeded"


def test_a_login_that_cannot_answer_a_question_is_no_success(make: Callable[..., Wizard]):
    wizard = make()

    def fail() -> None:
        raise UpstreamFailed("Claude answered with an error (status 500).", detail="secret detail")

    wizard.question = fail
    wizard.open()
    status = wizard.finish()
    assert (status.state, status.message) == (
        "failed",
        f"The login was stored, but a test question failed: Claude answered with an error (status 500). {engine.STAYS}",
    )
    assert credentials(wizard.installation) == ".credentials.json"


def test_a_fault_in_the_test_question_is_told_and_logged(make: Callable[..., Wizard], caplog: pytest.LogCaptureFixture):
    wizard = make()
    wizard.question = lambda: 1 / 0  # type: ignore[assignment, return-value]  # it fails before
    wizard.open()
    assert f"the gateway has an internal error; its log tells more. {engine.STAYS}" in wizard.finish().message
    assert "ZeroDivisionError" in caplog.text


def test_a_login_that_a_variable_wins_over_is_stored_and_no_success(make: Callable[..., Wizard]):  # threat 36
    wizard = make(passed={"ANTHROPIC_API_KEY": "sk-ant-x"})
    assert "ANTHROPIC_API_KEY in the gateway's environment is what is used" in wizard.open().message
    status = wizard.finish()
    assert (status.state, status.overruled_by, status.message) == (
        "failed",
        "ANTHROPIC_API_KEY",
        "The login is stored, but could not be tried: ANTHROPIC_API_KEY in the gateway's environment is what is used, "
        "not this login. Remove ANTHROPIC_API_KEY there and restart the gateway; then test the login.",
    )
    assert wizard.asked == 0
    assert login_files.has_login(wizard.installation.config_dir)
    (start,) = stub_sign_in.started(wizard.bin)
    assert "ANTHROPIC_API_KEY" not in start["environ"]
    assert wizard.open().overruled_by == ""

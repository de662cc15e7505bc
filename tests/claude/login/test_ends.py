"""Deadlines, and whatever is killed, and whenever."""

import os
import signal
import threading
import time
from collections.abc import Callable

import pytest

from app.claude import login as engine
from app.claude import login_files
from app.claude.account import credentials
from app.claude.login import Limits
from app.errors import (
    ShuttingDown,
)
from tests.claude.login.wizarding import TOKEN, Wizard, helper_pid
from tests.support import stub_sign_in
from tests.support.processes import alive, wait_until
from tests.support.stub_sign_in import CODE


def test_a_code_that_does_not_come_is_not_waited_for_for_ever(make: Callable[..., Wizard]):  # threats 27, 38
    wizard = make()
    wizard.open()
    wizard.pass_by(901)
    status = wizard.until("expired")
    assert (status.message, status.url, status.deadline) == (engine.TOO_LATE, "", None)
    wizard.behave()
    wizard.open()


def test_a_cli_that_ignores_every_signal_is_killed(make: Callable[..., Wizard]):  # threats 14, 38
    wizard = make(then="ignore every signal and hang", screen="")
    wizard.login.start("claudeai", "anna")
    wait_until(lambda: stub_sign_in.started(wizard.bin), 15, "it runs")
    time.sleep(0.1)
    wizard.pass_by(31)
    assert wizard.until("failed").message == engine.NO_LINK
    wizard.login.close()
    (start,) = stub_sign_in.started(wizard.bin)
    wait_until(lambda: not alive(start["pid"]), 2, "it is gone")


def test_a_test_question_that_is_not_answered_is_given_up(make: Callable[..., Wizard]):
    wizard = make(limits=Limits(verify=0.5))
    answered = threading.Event()

    def question() -> None:
        answered.wait(10)

    wizard.question = question
    wizard.open()
    assert (wizard.finish().message, wizard.asked) == (engine.SLOW_TEST, 1)
    answered.set()


def test_waiting_ends_when_nothing_changes(make: Callable[..., Wizard]):
    wizard = make()
    begun = time.monotonic()
    assert wizard.login.wait(0, 0.2).state == "idle"
    assert 0.2 <= time.monotonic() - begun < 1


# ---- killed


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_helper_that_is_killed_takes_the_cli_with_it(make: Callable[..., Wizard], number: int):  # threats 28, 38
    wizard = make(then="ignore every signal and hang")
    wizard.open()
    os.kill(helper_pid(), number)
    assert wizard.until("failed").message == engine.ENDED
    (start,) = stub_sign_in.started(wizard.bin)
    wait_until(lambda: not alive(start["pid"]), 2, "the CLI is gone")
    wizard.behave()
    wizard.open()
    assert wizard.finish().state == "succeeded"


def test_a_cli_that_is_killed_is_a_failure(make: Callable[..., Wizard]):  # threat 38
    wizard = make()
    wizard.open()
    os.kill(stub_sign_in.started(wizard.bin)[0]["pid"], signal.SIGKILL)
    assert wizard.until("failed").message == engine.ENDED


@pytest.mark.parametrize("state", ["starting", "awaiting_code", "verifying", "testing", "succeeded", "idle"])
def test_giving_up_leaves_nothing_whenever_it_comes(make: Callable[..., Wizard], state: str):  # threat 38
    wizard = make(then="hang" if state == "verifying" else "succeed")
    answered, asked = threading.Event(), threading.Event()

    def question() -> None:
        asked.set()
        if state == "testing":
            answered.wait(10)

    wizard.question = question
    if state != "idle":
        wizard.login.start("claudeai", "anna")
    if state in ("awaiting_code", "verifying", "testing", "succeeded"):
        wizard.until("awaiting_code")
    if state in ("verifying", "testing", "succeeded"):
        wizard.login.submit(CODE, "anna")
    if state in ("testing", "succeeded"):
        assert asked.wait(10)
    if state == "succeeded":
        wizard.until("succeeded")
    status = wizard.login.abandon("anna")
    assert (status.state, status.holder, status.url, status.message) == ("idle", "", "", "")
    assert not any(alive(start["pid"]) for start in stub_sign_in.started(wizard.bin))
    answered.set()
    time.sleep(0.2)
    assert wizard.login.status() == status


def test_a_sign_in_that_is_given_up_leaves_the_old_login(make: Callable[..., Wizard]):  # threat 38
    wizard = make()
    wizard.open("token")
    wizard.finish(TOKEN)
    wizard.open()
    wizard.login.abandon("anna")
    assert credentials(wizard.installation) == login_files.PASTED


def test_nothing_starts_once_it_is_closed(make: Callable[..., Wizard]):
    wizard = make()
    wizard.open()
    wizard.login.close()
    with pytest.raises(ShuttingDown):
        wizard.login.start("claudeai", "anna")

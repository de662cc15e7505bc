"""Who holds the wizard."""

import threading
from collections.abc import Callable

import pytest

from app.claude import login as engine
from app.claude.login import Login, sign_out
from app.errors import (
    LoginBusy,
)
from tests.claude.login.wizarding import TOKEN, Wizard
from tests.support import stub_sign_in
from tests.support.processes import alive, wait_until
from tests.support.stub_sign_in import CODE


def test_a_second_administrator_sees_who_holds_the_wizard(make: Callable[..., Wizard]):  # threat 27
    wizard = make()
    held = wizard.open(holder="anna")
    for act in (
        lambda: wizard.login.start("claudeai", "ben"),
        lambda: wizard.login.submit(CODE, "ben"),
        lambda: wizard.login.abandon("ben"),
    ):
        with pytest.raises(LoginBusy, match=r"anna has been signing in since \d\d:\d\d UTC"):
            act()
    assert wizard.login.status() == held
    assert wizard.finish().state == "succeeded"


@pytest.mark.parametrize("take_over", ["start", "abandon"])
def test_a_second_administrator_can_take_over(make: Callable[..., Wizard], take_over: str):  # threat 27
    wizard = make()
    wizard.open(holder="anna")
    if take_over == "abandon":
        assert wizard.login.abandon("ben", force=True).state == "idle"
    assert wizard.open(holder="ben", force=True).holder == "ben"
    with pytest.raises(LoginBusy):
        wizard.login.submit(CODE, "anna")
    assert wizard.finish(holder="ben").state == "succeeded"


def test_the_same_holder_starts_anew(make: Callable[..., Wizard]):
    wizard = make()
    wizard.open()
    wizard.open("token")
    assert [alive(start["pid"]) for start in stub_sign_in.started(wizard.bin)] == [False]
    assert wizard.finish(TOKEN).state == "succeeded"


def test_a_wizard_that_has_ended_is_free_for_everyone(make: Callable[..., Wizard]):  # threat 27
    wizard = make(then="refuse")
    wizard.open(holder="anna")
    assert wizard.finish().state == "refused"
    wizard.behave()
    wizard.open(holder="ben")
    assert wizard.finish(holder="ben").state == "succeeded"


def test_another_gateway_or_shell_on_the_same_login_is_seen(make: Callable[..., Wizard]):  # threat 27
    wizard = make()
    wizard.open()
    other = Login(wizard.installation, lambda: None)
    version = other.start("claudeai", "shell").version
    while (status := other.wait(version, 10)).state == "starting":
        version = status.version
    assert (status.state, status.message) == ("failed", engine.ELSEWHERE)
    with pytest.raises(LoginBusy):
        sign_out(wizard.installation)
    assert wizard.finish().state == "succeeded"


def test_giving_up_many_times_while_starting_leaves_one_at_most(make: Callable[..., Wizard]):  # threat 27
    wizard = make()
    wizard.open()
    abandoning = [threading.Thread(target=wizard.login.abandon, args=("anna",)) for _ in range(5)]
    for thread in abandoning:
        thread.start()
    wizard.login.start("claudeai", "anna")
    for thread in abandoning:
        thread.join()
    wait_until(lambda: sum(alive(s["pid"]) for s in stub_sign_in.started(wizard.bin)) <= 1, 5, "one is left at most")
    wizard.open()
    assert wizard.finish().state == "succeeded"

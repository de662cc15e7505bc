"""A login that Anthropic refuses, and what gives way to what."""

import os
import signal
import threading
from collections.abc import Callable

import pytest

from app.claude import login as engine
from app.claude.account import with_login
from app.claude.failures import SIGN_IN_HINT
from app.claude.login import sign_out
from app.errors import (
    CliTimeout,
    LoginBusy,
    NotSignedIn,
    Overloaded,
    PosternError,
    RateLimited,
    UpstreamFailed,
)
from tests.claude.login.wizarding import KEY, TOKEN, Wizard, helper_pid
from tests.support.stub_sign_in import CODE

OTHER_KEY = "sk-ant-api03-" + "OTHER" * 8
PASTES = {"claudeai": CODE, "token": TOKEN, "api_key": KEY}


def refuse() -> None:
    raise NotSignedIn(f"Anthropic refused the gateway's login to Claude. {SIGN_IN_HINT}", detail="status 401")


def files(wizard: Wizard) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in wizard.installation.config_dir.iterdir()}


@pytest.mark.parametrize("second", PASTES)
@pytest.mark.parametrize("first", PASTES)
def test_a_refused_login_gives_way_to_the_one_before(  # threats 32, 38
    make: Callable[..., Wizard], caplog: pytest.LogCaptureFixture, first: str, second: str
):
    wizard = make()
    (wizard.installation.config_dir / ".claude.json").write_text('{ "theme": "dark" }')
    wizard.open(first)
    assert wizard.finish(PASTES[first]).state == "succeeded"
    before = files(wizard)
    in_force: list[bool] = []
    wizard.question = lambda: (in_force.append(files(wizard) != before), refuse())[1]
    wizard.open(second)
    status = wizard.finish(OTHER_KEY if second == "api_key" else PASTES[second])
    assert (status.state, status.message) == (
        "refused",
        f"{engine.REFUSED.get(second, engine.REFUSED_LOGIN)} {engine.PUT_BACK}",
    )
    assert in_force == [first != second or second == "api_key"]
    assert files(wizard) == before
    assert {path.stat().st_mode & 0o077 for path in wizard.installation.config_dir.glob("*cred*")} == {0}
    assert (wizard.put_back, "CANARY" in caplog.text, "OTHER" in caplog.text) == (1, False, False)


@pytest.mark.parametrize("method", PASTES)
def test_a_refused_login_leaves_nothing_where_nothing_was(make: Callable[..., Wizard], method: str):  # threat 38
    wizard = make()
    wizard.question = refuse
    wizard.open(method)
    status = wizard.finish(PASTES[method])
    assert (status.state, engine.NOT_KEPT in status.message) == ("refused", True)
    assert "/auth" not in status.message
    assert files(wizard) == {}


@pytest.mark.parametrize(
    "error",
    [RateLimited("Limited."), Overloaded("Overloaded."), UpstreamFailed("No connection."), CliTimeout("Late.")],
)
def test_a_trouble_that_passes_leaves_the_new_login_in_force(make: Callable[..., Wizard], error: PosternError):
    wizard = make()
    wizard.open("token")
    wizard.finish(TOKEN)

    def fail() -> None:
        raise error

    wizard.question = fail
    wizard.open("api_key")
    status = wizard.finish(KEY)
    assert status.state == "failed"
    assert status.message.endswith(f"{error} {engine.STAYS}")
    assert with_login(wizard.installation).passed == {"ANTHROPIC_API_KEY": KEY}
    assert wizard.put_back == 0


@pytest.mark.parametrize("give_up", ["abandon", "start anew", "close"])
def test_given_up_at_the_question_the_one_before_is_back(make: Callable[..., Wizard], give_up: str):  # threat 38
    wizard = make()
    wizard.open("token")
    wizard.finish(TOKEN)
    before, asked, answered = files(wizard), threading.Event(), threading.Event()
    wizard.question = lambda: (asked.set(), answered.wait(10))[0]
    wizard.open("api_key")
    wizard.login.submit(KEY, "anna")
    assert asked.wait(10)
    assert files(wizard) != before
    ends = {
        "abandon": lambda: wizard.login.abandon("anna"),
        "start anew": lambda: wizard.login.start("token", "anna"),
        "close": wizard.login.close,
    }
    ends[give_up]()
    answered.set()
    assert files(wizard) == before


def test_a_login_that_cannot_be_put_back_is_told(make: Callable[..., Wizard]):
    wizard = make()
    wizard.open("token")
    wizard.finish(TOKEN)

    def kill_and_refuse() -> None:
        os.kill(helper_pid(), signal.SIGKILL)
        refuse()

    wizard.question = kill_and_refuse
    wizard.open("api_key")
    status = wizard.finish(KEY)
    assert (status.state, status.message) == ("refused", f"{engine.REFUSED['api_key']} {engine.NOT_PUT_BACK}")
    assert with_login(wizard.installation).passed == {"ANTHROPIC_API_KEY": KEY}


def test_a_sign_in_beside_the_gateway_is_not_undone(make: Callable[..., Wizard]):
    wizard = make()
    wizard.open("token")
    wizard.finish(TOKEN)

    def sign_in_beside_and_refuse() -> None:
        (wizard.installation.config_dir / ".claude.json").write_text('{"primaryApiKey": "sk-ant-api03-theirs"}')
        refuse()

    wizard.question = sign_in_beside_and_refuse
    wizard.open("api_key")
    assert wizard.finish(KEY).message == f"{engine.REFUSED['api_key']} {engine.CHANGED}"
    assert with_login(wizard.installation).passed == {"ANTHROPIC_API_KEY": "sk-ant-api03-theirs"}


def test_while_a_login_is_tried_nobody_signs_out(make: Callable[..., Wizard]):  # threat 27
    wizard = make()
    asked, answered = threading.Event(), threading.Event()
    wizard.question = lambda: (asked.set(), answered.wait(10))[0]
    wizard.open("token")
    wizard.login.submit(TOKEN, "anna")
    assert asked.wait(10)
    with pytest.raises(LoginBusy):
        sign_out(wizard.installation)
    answered.set()
    wizard.until("succeeded")
    sign_out(wizard.installation)
    assert files(wizard) == {}

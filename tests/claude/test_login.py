"""The wizard's engine over a CLI that shows and does what it is told. With the real one: test_login_cli.py."""

import logging
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.claude import login as engine
from app.claude import login_files, login_input
from app.claude.account import credentials, with_login
from app.claude.command import HARDENING, Installation
from app.claude.failures import SIGN_IN_HINT
from app.claude.login import Limits, Login, LoginStatus, sign_out
from app.claude.login_job import METHODS
from app.errors import (
    CliRefused,
    CliTimeout,
    InvalidRequest,
    LoginBusy,
    NotSignedIn,
    Overloaded,
    PosternError,
    RateLimited,
    ShuttingDown,
    UpstreamFailed,
)
from tests.support import stub_sign_in
from tests.support.processes import alive, descendants, open_files, wait_until
from tests.support.sandbox import ROOT
from tests.support.stub_sign_in import CODE, LINK, STATE

TOKEN, KEY = "sk-ant-oat01-" + "CANARY" * 8, "sk-ant-api03-" + "CANARY" * 8


class Wizard:
    """A Login, what it stands on, and what its test question does."""

    def __init__(self, folder: Path, *, passed: dict[str, str] | None = None, **options: object):
        self.bin = folder / "bin"
        places = [folder / name for name in ("config", "home", "empty", "tmp")]
        for place in places:
            place.mkdir()
        self.installation = Installation(self.bin / "claude", *places, passed=passed or {})
        self.asked = 0
        self.question: Callable[[], None] = lambda: None
        self.put_back = 0
        self._passed_by = 0.0
        self.login = Login(  # type: ignore[arg-type]
            self.installation, self._verify, clock=self._clock, put_back=self._count_put_back, **options
        )

    def _clock(self) -> float:
        return time.time() + self._passed_by

    def pass_by(self, seconds: float) -> None:
        self._passed_by += seconds

    def _verify(self) -> None:
        self.asked += 1
        self.question()

    def _count_put_back(self) -> None:
        self.put_back += 1

    def behave(self, **behaviour: str) -> None:
        stub_sign_in.install(self.bin, **behaviour)

    def until(self, *states: str, seconds: float = 15) -> LoginStatus:
        deadline = time.monotonic() + seconds
        status = self.login.status()
        while status.state not in states:
            assert time.monotonic() < deadline, f"still {status}"
            status = self.login.wait(status.version, 1)
        return status

    def open(self, method: str = "claudeai", holder: str = "anna", **options: object) -> LoginStatus:
        self.login.start(method, holder, **options)  # type: ignore[arg-type]
        return self.until("awaiting_code", "failed")

    def finish(self, text: str = CODE, holder: str = "anna") -> LoginStatus:
        self.login.submit(text, holder)
        return self.until("succeeded", "refused", "failed", "expired", "awaiting_code")


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Wizard]]:
    """Whatever a test does, nothing of it is left in the end (threat 38)."""
    made: list[Wizard] = []
    before = open_files(os.getpid()), descendants(os.getpid())

    def maker(*, limits: Limits | None = None, passed: dict[str, str] | None = None, **behaviour: str) -> Wizard:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        options = {name: behaviour.pop(name) for name in ("sign_in_base",) if name in behaviour}
        wizard = Wizard(folder, passed=passed, limits=limits or Limits(), **options)
        wizard.behave(**behaviour)
        made.append(wizard)
        return wizard

    yield maker
    for wizard in made:
        wizard.login.close()
        assert list(wizard.installation.temp_dir.iterdir()) == []
        assert not any(alive(start["pid"]) for start in stub_sign_in.started(wizard.bin))
    wait_until(
        lambda: open_files(os.getpid()) <= before[0] and descendants(os.getpid()) <= before[1], 20, "all is as it was"
    )


# ---- from the first step to the last


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
    wizard.question = lambda: 1 / 0  # type: ignore[assignment, return-value]
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


# ---- a login that Anthropic refuses

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


# ---- one at a time


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


# ---- what is pasted

NOT_CODES = [
    "",
    "garbage",
    "CODE-without-state",
    "short#short",
    f"CODE-0123\x03#{STATE}",
    f"CODE-0123\x1b[A#{STATE}",
    f"CODE-0123#{STATE}\x04",
    f"CODE-0123#{STATE}\nsecond line",
    f"CODE-0123\r#{STATE}",
    f"CODE-0123#{STATE}#{STATE}",
    f"CODE 0123 4567#{STATE}",
    f"CÖDE-0123456#{STATE}",
    f"CODE-0123#{STATE}\u2028",
    "x" * 5000 + f"#{STATE}",
    f"https://platform.claude.com/oauth/code/callback?code=CODE-0123&state={STATE}",
]


def test_only_a_code_is_ever_typed(make: Callable[..., Wizard]):  # threat 29
    wizard = make()
    held = wizard.open()
    for text in NOT_CODES:
        with pytest.raises(InvalidRequest) as caught:
            wizard.login.submit(text, "anna")
        assert (caught.value.param, str(caught.value)) == ("code", login_input.MALFORMED)
    assert wizard.login.status() == held
    assert wizard.finish(f"  {CODE}\r\n").state == "succeeded"


# threat 29
@settings(deadline=None, max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=80) | st.text(alphabet="aZ9_-#\r\n\x03\x1b\x00 ", max_size=80))
def test_what_is_typed_has_the_shape_of_a_code(text: str):
    try:
        typed = login_input.checked(text, "claudeai", "")
    except InvalidRequest:
        return
    assert typed.isascii()
    assert typed.isprintable()
    assert typed.count("#") == 1


def test_a_code_of_another_attempt_is_refused_at_once(make: Callable[..., Wizard]):  # threats 27, 29
    wizard = make()
    wizard.open()
    with pytest.raises(InvalidRequest, match="from another sign-in attempt"):
        wizard.login.submit(f"CODE-01234567#{'T' * 43}", "anna")


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("token", KEY),
        ("api_key", TOKEN),
        ("token", TOKEN + "\nx"),
        ("token", TOKEN + " x"),
        ("token", TOKEN + "\x00"),
        ("token", "sk-ant-oat01-"),
        ("api_key", "sk-ant-api03-" + "ü" * 40),
        ("api_key", "sk-ant-api03-" + "x" * 600),
        ("api_key", ""),
        ("token", CODE),
    ],
)
def test_what_is_no_such_secret_is_refused_without_repeating_it(  # threats 29, 32
    make: Callable[..., Wizard], method: str, text: str
):
    wizard = make()
    wizard.open(method)
    with pytest.raises(InvalidRequest) as caught:
        wizard.login.submit(text, "anna")
    assert caught.value.param == "code"
    assert "CANARY" not in str(caught.value) + caught.value.detail
    assert not (wizard.installation.config_dir / login_files.PASTED).exists()


def test_nothing_can_be_pasted_when_nothing_waits_for_it(make: Callable[..., Wizard]):
    wizard = make(screen="nothing yet")
    for prepare in (lambda: None, lambda: wizard.login.start("claudeai", "anna")):
        prepare()
        with pytest.raises(InvalidRequest, match="No sign-in waits"):
            wizard.login.submit(CODE, "anna")


@pytest.mark.parametrize(
    ("method", "email", "param"),
    [
        ("bedrock", "", "method"),
        ("", "", "method"),
        ("sign_out", "", "method"),
        ("claudeai", "--settings={}", "email"),
        ("claudeai", "-x@firm.example", "email"),
        ("claudeai", "me@firm.example\n", "email"),
        ("claudeai", "me", "email"),
    ],
)
def test_what_reaches_the_command_line_is_checked(  # threat 3
    make: Callable[..., Wizard], method: str, email: str, param: str
):
    wizard = make()
    with pytest.raises(InvalidRequest) as caught:
        wizard.login.start(method, "anna", email=email)
    assert caught.value.param == param
    assert wizard.login.status().state == "idle"


def test_the_cli_gets_nothing_but_what_is_on_the_lists(  # threats 8, 30
    make: Callable[..., Wizard], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GATEWAY_MASTER_KEY", "sk-canary")
    wizard = make(passed={"HTTPS_PROXY": "http://127.0.0.1:9", "AWS_PROFILE": "x", "LD_PRELOAD": "x"})
    wizard.open()
    (start,) = stub_sign_in.started(wizard.bin)
    own = {"CLAUDE_CONFIG_DIR", "CLAUDE_SECURESTORAGE_CONFIG_DIR", "HOME", "LANG", "PATH", "TMPDIR"}
    sign_in = {"BROWSER", "TERM", "CLAUDE_CODE_FULL_SIGN_IN_LINK", "HTTPS_PROXY"}
    assert set(start["environ"]) - {"LC_CTYPE", "COLUMNS", "LINES"} == HARDENING.keys() | own | sign_in
    # Nothing in the volume configures the CLI while it signs in.
    folders = {start["environ"][name] for name in ("CLAUDE_CONFIG_DIR", "CLAUDE_SECURESTORAGE_CONFIG_DIR", "HOME")}
    assert [Path(folder).parent for folder in folders] == [wizard.installation.temp_dir]
    assert start["cwd"] == str(wizard.installation.empty_dir)


# ---- what the CLI shows

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


# ---- deadlines


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


# ---- whatever is killed, and whenever


def helper_pid() -> int:
    found = [pid for pid in descendants(os.getpid()) if b"login_helper" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    (pid,) = found
    return pid


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


# ---- signing out


def test_signing_out_removes_the_login_and_lets_the_cli_revoke_it(make: Callable[..., Wizard]):  # threat 37
    wizard = make()
    wizard.open()
    wizard.finish()
    assert sign_out(wizard.installation) == ""
    assert credentials(wizard.installation) is None
    last = stub_sign_in.started(wizard.bin)[-1]
    assert last["argv"] == ["auth", "logout"]
    assert last["environ"]["CLAUDE_SECURESTORAGE_CONFIG_DIR"] == str(wizard.installation.config_dir)


@pytest.mark.parametrize("logout", ["hang", "crash", "refuse"])
def test_signing_out_works_whatever_the_cli_does(  # threat 37
    make: Callable[..., Wizard], logout: str, monkeypatch: pytest.MonkeyPatch
):
    wizard = make(logout=logout)
    wizard.open()
    wizard.finish()
    sign_out(wizard.installation)
    assert list(wizard.installation.config_dir.iterdir()) == []


def test_a_login_that_cannot_be_removed_is_told(make: Callable[..., Wizard]):  # threat 37
    wizard = make()
    (wizard.installation.config_dir / login_files.PASTED).mkdir()
    with pytest.raises(CliRefused, match="could not be removed"):
        sign_out(wizard.installation)


# ---- secrets


@pytest.mark.parametrize("then", ["succeed", "refuse", "ask again", "crash", "hang"])
def test_a_code_is_in_no_log_no_message_and_no_argument(  # threat 32
    make: Callable[..., Wizard], caplog: pytest.LogCaptureFixture, then: str, tmp_path: Path
):
    caplog.set_level(logging.DEBUG)
    wizard = make(then=then, limits=Limits(exchange=1.5))
    wizard.open()
    wizard.login.submit(CODE, "anna")
    said = []
    while (status := wizard.login.status()).state == "verifying":
        said.append(status)
        said += [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in running()]
        wizard.login.wait(status.version, 0.05)
    said.append(wizard.login.status())
    assert "CANARY" not in str(said) + caplog.text
    assert not any(b"CANARY" in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file() and is_ours(file))


def is_ours(file: Path) -> bool:
    """The stub's own program tells which code it expects."""
    return file.parent.name != "bin"


def running() -> list[int]:
    return [pid for pid in descendants(os.getpid()) if Path(f"/proc/{pid}/cmdline").exists()]


@pytest.mark.parametrize(("method", "secret"), [("token", TOKEN), ("api_key", KEY)])
def test_a_pasted_secret_is_in_no_log_and_no_message(  # threat 32
    make: Callable[..., Wizard], caplog: pytest.LogCaptureFixture, method: str, secret: str
):
    caplog.set_level(logging.DEBUG)
    wizard = make()

    def fail() -> None:
        raise PosternError("No.", detail="refused")

    wizard.question = fail
    wizard.open(method)
    status = wizard.finish(secret)
    assert status.state == "failed"
    assert "CANARY" not in str(status) + caplog.text
    assert "CANARY" not in repr(login_files.secret_in_force(wizard.installation.config_dir))


def test_a_full_disk_or_a_read_only_volume_is_told(make: Callable[..., Wizard]):
    wizard = make()
    (wizard.installation.config_dir / login_files.PASTED).mkdir()
    wizard.open("token")
    status = wizard.finish(TOKEN)
    assert (status.state, status.message) == ("failed", f"{engine.BROKEN}: Is a directory.")


PARENT = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from app.claude.command import Installation
    from app.claude.login import Login
    folder = Path(sys.argv[1])
    places = [folder / name for name in ("config", "home", "empty", "tmp")]
    login = Login(Installation(folder / "bin/claude", *places), lambda: None)
    status = login.start("claudeai", "anna")
    while status.state == "starting":
        status = login.wait(status.version, 1)
    print(status.state, flush=True)
    time.sleep(60)
""")


def test_the_gateways_sudden_end_is_that_of_a_sign_in(make: Callable[..., Wizard]):  # threats 14, 38
    wizard = make(then="ignore every signal and hang")
    command = [sys.executable, "-c", PARENT, str(wizard.bin.parent)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as gateway:
        assert gateway.stdout
        assert gateway.stdout.readline() == "awaiting_code\n"
        left = descendants(gateway.pid)
        gateway.kill()
    assert len(left) == 2
    wait_until(lambda: not any(alive(pid) for pid in left), 5, "helper and CLI are gone")
    assert len(list(wizard.installation.temp_dir.iterdir())) == 1
    wizard.behave()
    wizard.open()
    assert wizard.finish().state == "succeeded", "no lock is left, and the next one tidies up"


def test_the_shapes_are_such_as_a_browser_understands():  # threat 29
    assert [login_input.pattern(method).count("\\") for method in METHODS] == [0] * 5
    assert re.fullmatch(login_input.pattern("claudeai"), CODE)
    assert re.fullmatch(login_input.pattern("token"), TOKEN)
    assert re.fullmatch(login_input.pattern("api_key"), KEY)

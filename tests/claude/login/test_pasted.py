"""What an administrator pastes, and what of it reaches the CLI."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.claude import login_files, login_input
from app.claude.command import HARDENING
from app.errors import (
    InvalidRequest,
)
from tests.claude.login.wizarding import KEY, TOKEN, Wizard
from tests.support import stub_sign_in
from tests.support.stub_sign_in import CODE, STATE

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

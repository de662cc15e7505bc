"""Signing out."""

from collections.abc import Callable

import pytest

from app.claude import login_files
from app.claude.account import credentials
from app.claude.login import sign_out
from app.errors import (
    CliRefused,
)
from tests.claude.login.wizarding import Wizard
from tests.support import stub_sign_in


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

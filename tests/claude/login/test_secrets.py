"""Where a secret is never found, and what else may fail."""

import logging
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from app.claude import login as engine
from app.claude import login_files, login_input
from app.claude.login import Limits
from app.claude.login_job import METHODS
from app.errors import (
    PosternError,
)
from tests.claude.login.wizarding import KEY, TOKEN, Wizard
from tests.support.processes import alive, descendants, wait_until
from tests.support.sandbox import ROOT
from tests.support.stub_sign_in import CODE


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

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.claude.login_file import parse_login, read_login
from app.claude.login_watch import LoginWatch
from app.store.files import write_atomically
from tests.claude.login_watch.house import House, codes
from tests.support.cli import VERSIONS
from tests.support.login import EMAIL, log_in, run_claude
from tests.support.login_files import write_login
from tests.support.processes import wait_until


@contextlib.contextmanager
def running(watch: LoginWatch) -> Iterator[None]:
    watch.start()
    try:
        yield
    finally:
        watch.close()


def test_what_waits_for_the_disk_runs_off_the_loop(house: House):  # threat 67
    house.sign_in()
    jobs: list[Callable[[], None]] = []
    watch = house.watch(off_loop=jobs.append)
    watch.answered()
    watch.look()
    assert len(jobs) == 2
    assert not house.copy.exists()
    for job in jobs:
        job()
    assert house.copy.exists()
    assert house.notes.exists()


def test_a_change_is_noticed_by_itself_and_the_thread_ends(house: House):
    watch = house.watch(interval=0.01)
    with running(watch):
        content = house.sign_in()
        watch.answered()
        wait_until(lambda: house.copy.exists() or watch.answered(), 5, "the login is copied")
        assert house.copy.read_bytes() == content
    assert not [thread for thread in threading.enumerate() if thread.name == "login-watch"]


def test_the_watch_goes_on_after_an_error_of_its_own(house: House, caplog: pytest.LogCaptureFixture):
    def write(path: Path, content: bytes) -> None:
        if not caplog.records:
            raise RuntimeError("something new")
        write_atomically(path, content)

    house.sign_in()
    watch = house.watch(write=write, interval=0.01)
    watch.account()
    watch.answered()
    with running(watch):
        wait_until(house.copy.exists, 5, "the next round has worked")
    assert any(record.exc_info for record in caplog.records)


@pytest.mark.parametrize("version", VERSIONS)
def test_over_the_real_cli(tmp_path: Path, sandbox, version: str):  # threats 33, 36, 37
    house = House(tmp_path, time.time())
    log_in(tmp_path, sandbox, version)
    (tmp_path / "config").rename(house.config)
    (tmp_path / "config").symlink_to(house.config)
    house.data.mkdir()
    watch = house.watch(clock=time.time)
    account = watch.account()
    assert (account.state, account.account, account.plan) == ("unknown", EMAIL, "max 5x")
    assert account.organisation == f"{EMAIL}'s Organization"
    watch.answered()
    watch.look()
    first = read_login(house.copy)
    assert (watch.account().state, first.state) == ("connected", "sound")

    expired = json.loads(house.file.read_text())
    expired["claudeAiOauth"]["expiresAt"] = 1
    write_login(house.config, json.dumps(expired).encode())
    assert run_claude(tmp_path, sandbox, version, "-p", "hi", "--tools", "", "--no-session-persistence").returncode == 0
    account = watch.account()
    assert account.last_refresh_at
    assert abs(account.last_refresh_at - time.time()) < 30
    watch.look()
    assert (
        parse_login(house.copy.read_bytes())["fingerprint"] == read_login(house.file).fingerprint != first.fingerprint
    )

    # A damaged file stops the real CLI, and the copy brings it back.
    write_login(house.config, house.file.read_bytes()[:100])
    assert run_claude(tmp_path, sandbox, version, "-p", "hi", "--tools", "").returncode == 1
    watch.restore_copy()
    assert run_claude(tmp_path, sandbox, version, "-p", "hi", "--tools", "").returncode == 0

    run_claude(tmp_path, sandbox, version, "auth", "logout")
    watch.look()
    assert (watch.account().state, house.copy.exists(), codes(watch)) == ("signed_out", False, ["signed_out"])

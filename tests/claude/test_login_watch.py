"""The watch over the login: what it notices, what it remembers, what it keeps a copy of."""

import contextlib
import itertools
import json
import logging
import multiprocessing
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from app.claude.command import Installation
from app.claude.login_copy import LoginCopy
from app.claude.login_file import parse_login, read_login
from app.claude.login_watch import LoginWatch
from app.errors import InvalidRequest, NotSignedIn, RateLimited, UpstreamFailed
from app.store.files import write_atomically
from tests.support.cli import VERSIONS
from tests.support.login import EMAIL, log_in, run_claude
from tests.support.login_files import forget_account, text, write_account, write_login
from tests.support.processes import wait_until

NOW = 1_800_000_000.0


@dataclass
class House:
    root: Path
    now: float = NOW

    @property
    def config(self) -> Path:
        return self.root / "claude"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def file(self) -> Path:
        return self.config / ".credentials.json"

    @property
    def copy(self) -> Path:
        return self.data / "login-copy" / "credentials.json"

    @property
    def notes(self) -> Path:
        return self.data / "login-state.json"

    def watch(self, passed: dict[str, str] | None = None, **options: Any) -> LoginWatch:
        installation = Installation(self.root, self.config, self.root, self.root, self.root, passed or {})
        options = {"write": write_atomically, "clock": lambda: self.now} | options
        return LoginWatch(installation, self.data, **options)

    def sign_in(self, **changes: Any) -> bytes:
        content = text(self.now, **changes)
        write_account(self.config)
        write_login(self.config, content)
        return content


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path)
    house.config.mkdir(mode=0o700)
    house.data.mkdir(mode=0o700)
    return house


def codes(watch: LoginWatch) -> list[str]:
    return [each.code for each in watch.account().problems]


def proved(house: House, **changes: Any) -> tuple[LoginWatch, bytes]:
    """A watch over a login that has answered, and of which a copy is kept."""
    content = house.sign_in(**changes)
    watch = house.watch()
    watch.look()
    watch.answered()
    watch.look()
    assert house.copy.read_bytes() == content
    return watch, content


# ---- what it notices


def test_what_the_shell_has_shown_of_a_login_is_taken_over(house: House):  # threat 36
    gateway, shell = house.watch(), house.watch()
    house.sign_in()
    gateway.look()
    assert gateway.account().state == "unknown"
    shell.account()
    shell.answered()
    shell.close()
    gateway.look()
    assert gateway.account().state == "connected"
    house.sign_in(accessToken="another", accountUuid="another")
    gateway.look()
    assert gateway.account().state == "unknown"


def test_what_the_shell_shows_while_the_gateway_looks_is_not_written_over(house: House):  # threat 36
    meanwhile: list[Callable[[], None]] = []

    def clock() -> float:
        while meanwhile:
            meanwhile.pop()()
        return house.now

    gateway, shell = house.watch(clock=clock), house.watch()
    house.sign_in()
    shell.account()
    shell.answered()
    meanwhile.append(shell.close)
    gateway.look()
    assert not meanwhile
    gateway.look()
    assert gateway.account().state == "connected"


def test_what_it_has_written_itself_proves_nothing_again(house: House):  # threat 36
    watch, content = proved(house)
    watch.close()
    again = house.watch()
    write_login(house.config, b"")
    again.look()
    write_login(house.config, content)
    again.look()
    assert again.account().state == "unknown"


def test_a_login_is_seen_from_its_sign_in_to_its_sign_out(house: House):  # threat 36
    watch = house.watch()
    assert watch.account().state == "signed_out"
    house.sign_in()
    account = watch.account()
    assert (account.state, account.account, account.plan, account.method) == (
        "unknown",
        EMAIL,
        "max 5x",
        "subscription",
    )
    watch.answered()
    assert watch.account().state == "connected"
    house.now += 60
    watch.failed(UpstreamFailed("Claude answered with an error (status 500)."))
    account = watch.account()
    assert (account.state, account.last_success_at, account.last_failure_at) == ("failing", NOW, NOW + 60)
    watch.failed(RateLimited("slow", retry_after=90))
    assert (watch.account().state, watch.account().limited_until) == ("limited", NOW + 150)
    house.now += 91
    assert watch.account().state == "connected"
    watch.failed(NotSignedIn("refused"))
    assert (watch.account().state, codes(watch)) == ("failing", ["login_refused"])
    house.file.unlink()
    forget_account(house.config)
    account = watch.account()
    assert (account.state, account.account, account.last_success_at) == ("signed_out", "", None)


def test_a_renewal_is_noted_with_its_time(house: House):  # threat 33
    watch, _ = proved(house)
    assert watch.account().last_refresh_at is None
    house.sign_in(accessToken="oat-renewed")
    os.utime(house.file, (NOW + 5, NOW + 5))
    account = watch.account()
    assert (account.state, account.last_refresh_at) == ("connected", NOW + 5)


def test_another_account_has_to_prove_itself(house: House):  # threat 36
    watch, content = proved(house)
    write_account(house.config, "another")
    write_login(house.config, text(NOW, accessToken="oat-other", accountUuid="another"))
    watch.look()
    assert watch.account().state == "unknown"
    assert house.copy.read_bytes() == content
    watch.answered()
    watch.look()
    assert json.loads(house.copy.read_text())["claudeAiOauth"]["accountUuid"] == "another"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "login_empty"),
        (text(NOW)[:200], "login_truncated"),
        (b"[]", "login_damaged"),
        (text(NOW, accessToken="", refreshToken=""), "login_blank"),
        (None, "login_gone"),
    ],
)
def test_damage_is_told_apart_from_a_sign_out_and_mended(house: House, content: bytes | None, code: str):  # threat 34
    watch, good = proved(house)
    if content is None:
        house.file.unlink()
    else:
        write_login(house.config, content)
    watch.look()
    account = watch.account()
    assert account.state == ("signed_out" if content is None else "failing")
    assert [each.code for each in account.problems] == [code]
    assert account.problems[0].fix.endswith("python -m app.cli login --restore")
    if content is not None:
        assert (account.account, account.last_success_at) == (EMAIL, NOW)
    assert house.copy.read_bytes() == good
    assert watch.can_restore()
    watch.restore_copy()
    assert house.file.read_bytes() == good
    assert stat.S_IMODE(house.file.stat().st_mode) == 0o600
    assert not watch.can_restore()
    assert (watch.account().state, codes(watch)) == ("unknown", [])
    watch.answered()
    assert watch.account().state == "connected"


def test_a_variable_wins_over_the_file_and_its_damage(house: House):
    house.sign_in()
    watch = house.watch({"ANTHROPIC_API_KEY": "sk-ant-not-a-key"})
    watch.answered()
    account = watch.account()
    assert (account.state, account.method, account.source) == ("connected", "api_key", "ANTHROPIC_API_KEY")
    assert (account.account, account.plan, account.login_expires_at) == ("", "", None)
    write_login(house.config, b"")
    assert (watch.account().state, codes(watch), watch.can_restore()) == ("connected", [], False)


def test_a_file_open_to_others_is_told_beside_the_state(house: House):
    watch, content = proved(house)
    write_login(house.config, content, mode=0o644)
    assert (watch.account().state, codes(watch)) == ("connected", ["login_open"])


def test_what_happens_is_logged_once_and_without_names(house: House, caplog: pytest.LogCaptureFixture):  # threat 32
    caplog.set_level(logging.INFO)
    watch, _ = proved(house)
    watch.look()
    watch.failed(NotSignedIn("no"))
    for _ in range(3):
        watch.look()
    assert [record.getMessage() for record in caplog.records] == [
        "the login is unknown (.credentials.json)",
        "the login is connected (.credentials.json)",
        "the login is failing (.credentials.json)",
    ]


def test_a_refused_sign_in_changes_nothing_of_what_is_known(house: House):  # threats 34, 36
    watch, content = proved(house)
    before = watch.account()
    pasted = house.config / "postern-credential.json"
    pasted.write_text('{"kind": "api_key", "value": "sk-ant-api03-refused"}')
    house.file.unlink()
    watch.look()
    assert watch.account().state == "unknown"
    watch.failed(NotSignedIn("no"))
    watch.look()
    assert (watch.account().state, codes(watch)) == ("failing", ["login_refused"])
    assert house.copy.read_bytes() == content, "it may still come back"
    watch.close()
    write_login(house.config, content)
    pasted.unlink()
    for each in (watch, house.watch()):  # also after a restart
        assert each.account() == before
    pasted.write_text('{"kind": "api_key", "value": "sk-ant-api03-good"}')
    house.file.unlink()
    watch.look()
    assert house.copy.exists()
    watch.answered()
    watch.look()
    assert not house.copy.exists()
    write_login(house.config, content)
    assert watch.account().state == "unknown", "another sign-in, not a putting back"


# ---- the copy


def test_the_copy_is_for_its_owner_only(house: House):  # threat 34
    proved(house)
    assert stat.S_IMODE(house.copy.stat().st_mode) == 0o600
    assert stat.S_IMODE(house.copy.parent.stat().st_mode) == 0o700
    assert os.listdir(house.copy.parent) == ["credentials.json"]


def test_nothing_is_kept_of_a_login_that_never_answered(house: House):
    house.sign_in()
    watch = house.watch()
    watch.look()
    watch.failed(NotSignedIn("no"))
    watch.look()
    assert not house.copy.exists()


def test_a_renewal_is_kept_at_once_even_when_no_request_has_followed(house: House):
    proved(house)
    house.now += 3600
    renewed = house.sign_in(accessToken="oat-renewed")
    later = house.watch()  # after a restart, and a failure
    later.failed(NotSignedIn("no"))
    later.look()
    assert house.copy.read_bytes() == renewed


def test_a_sign_out_takes_the_copy_away(house: House):  # threat 37
    watch, _ = proved(house)
    house.file.unlink()
    forget_account(house.config)
    watch.look()
    assert not house.copy.exists()
    assert not watch.can_restore()
    assert codes(watch) == ["signed_out"]


@pytest.mark.parametrize("content", [b"{}", b'{"claudeAiOauth": {}}'])
def test_what_the_cli_writes_when_nobody_is_signed_in_takes_it_away_too(house: House, content: bytes):  # threat 37
    watch, _ = proved(house)
    write_login(house.config, content)
    watch.look()
    assert not house.copy.exists()


def test_a_login_by_another_way_takes_it_away(house: House):  # threat 37
    proved(house)
    house.file.unlink()
    watch = house.watch({"CLAUDE_CODE_OAUTH_TOKEN": "oat-not-a-token"})
    watch.look()
    assert not house.copy.exists()


def test_forgetting_leaves_nothing_of_a_killed_write(house: House):  # threat 37
    watch, _ = proved(house)
    left_overs = [house.copy.parent / ".credentials.json.abcd", house.config / "..credentials.json.efgh"]
    for left_over in left_overs:
        left_over.write_bytes(text(NOW))
    watch.forget_copy()
    assert os.listdir(house.copy.parent) == []
    assert not left_overs[1].exists()
    watch.forget_copy()


def test_a_sign_out_while_the_copy_is_written_is_not_outrun(house: House):  # threat 37
    house.sign_in()

    def sign_out_meanwhile(path: Path, content: bytes) -> None:
        house.file.unlink()
        forget_account(house.config)
        write_atomically(path, content)

    watch = house.watch(write=sign_out_meanwhile)
    watch.answered()
    watch.look()
    assert not house.copy.exists()


def test_a_good_login_is_not_overwritten_and_without_a_copy_there_is_nothing_to_restore(house: House):
    watch, _ = proved(house)
    with pytest.raises(InvalidRequest, match="good order"):
        watch.restore_copy()
    write_login(house.config, b"")
    for damage in (b"", text(NOW)[:50]):
        house.copy.write_bytes(damage)
        with pytest.raises(InvalidRequest, match="no good copy"):
            watch.restore_copy()
    house.copy.unlink()
    with pytest.raises(InvalidRequest, match="no good copy"):
        watch.restore_copy()
    assert house.file.read_bytes() == b""


def test_restoring_replaces_a_file_that_is_out_of_reach(house: House):  # threat 34
    watch, good = proved(house)
    write_login(house.config, b"")
    house.file.chmod(0)
    if os.geteuid() == 0:
        os.chown(house.file, 10001, 10001)
    watch.restore_copy()
    assert (house.file.read_bytes(), house.file.stat().st_uid) == (good, os.geteuid())


OLD, NEW = text(NOW), text(NOW + 3600, accessToken="oat-new-" + "n" * 5000)


def keep_in_turn(house: House, seen: Connection) -> None:
    copy = LoginCopy(house.file, house.copy.parent, write_atomically)
    for content in itertools.cycle([NEW, OLD]):
        copy.keep(content)
        seen.send_bytes(b".")


def restore_again_and_again(house: House, seen: Connection) -> None:
    copy = LoginCopy(house.file, house.copy.parent, write_atomically)
    while True:
        write_atomically(house.file, b"")
        copy.restore()
        seen.send_bytes(b".")


@pytest.mark.parametrize("work", [keep_in_turn, restore_again_and_again])
def test_a_kill_at_any_moment_leaves_a_whole_file(house: House, work: Callable[[House, Connection], None]):  # threat 34
    write_login(house.config, OLD)
    house.copy.parent.mkdir(mode=0o700)
    write_atomically(house.copy, OLD)
    for attempt in range(15):
        reader, writer = multiprocessing.Pipe(duplex=False)
        worker = multiprocessing.get_context("fork").Process(target=work, args=(house, writer))
        worker.start()
        assert reader.poll(10)
        time.sleep(attempt * 0.0004)
        worker.kill()
        worker.join()
        assert house.copy.read_bytes() in (OLD, NEW)
        assert house.file.read_bytes() in (b"", OLD, NEW)
    LoginCopy(house.file, house.copy.parent, write_atomically).forget()
    assert os.listdir(house.copy.parent) == []
    assert set(os.listdir(house.config)) == {".credentials.json"}


# ---- what it remembers


def test_a_restart_remembers_what_was_proved(house: House):
    watch, _ = proved(house)
    house.now += 5
    watch.failed(UpstreamFailed("broken"))
    watch.close()
    account = house.watch().account()
    assert (account.state, account.last_success_at, account.last_failure) == ("failing", NOW, "broken")
    assert stat.S_IMODE(house.notes.stat().st_mode) == 0o600
    assert b"oat-" not in house.notes.read_bytes()  # threat 32


def test_a_restart_with_another_login_does_not(house: House):
    watch, _ = proved(house)
    watch.close()
    write_account(house.config, "another")
    write_login(house.config, text(NOW, accessToken="oat-other", accountUuid="another"))
    assert house.watch().account().state == "unknown"


def test_notes_are_written_at_most_once_a_minute(house: House):
    written: list[Path] = []

    def write(path: Path, content: bytes) -> None:
        written.append(path)
        write_atomically(path, content)

    house.sign_in()
    watch = house.watch(write=write)
    for _ in range(59):
        watch.answered()
        watch.look()
        house.now += 1
    assert written.count(house.notes) == 1
    house.now += 2
    watch.look()
    assert written.count(house.notes) == 2
    for _ in range(9):
        house.now += 60
        watch.look()
    assert written.count(house.notes) == 2


def test_a_full_disk_is_said_once_and_recovered_from(house: House, caplog: pytest.LogCaptureFixture):  # threat 74
    full = True

    def write(path: Path, content: bytes) -> None:
        if full:
            raise OSError(28, "No space left on device")
        write_atomically(path, content)

    content = house.sign_in()
    watch = house.watch(write=write)
    watch.answered()
    for _ in range(3):
        watch.look()
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "the copy of the login cannot be kept: No space left on device",
        "the notes of the login cannot be kept: No space left on device",
    ]
    assert watch.account().state == "connected"
    full = False
    watch.look()
    assert house.copy.read_bytes() == content
    assert house.notes.exists()


# ---- as it runs


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

import logging
import stat
from pathlib import Path

import pytest

from app.errors import UpstreamFailed
from app.store.files import write_atomically
from tests.claude.login_watch.house import NOW, House, proved
from tests.support.login_files import text, write_account, write_login


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

import itertools
import multiprocessing
import os
import stat
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from app.claude.login_copy import LoginCopy
from app.errors import InvalidRequest, NotSignedIn
from app.store.files import write_atomically
from tests.claude.login_watch.house import NOW, House, codes, proved
from tests.support.login_files import forget_account, text, write_login


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

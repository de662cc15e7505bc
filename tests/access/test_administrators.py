import time

import pytest

from app.access.administrators import Administrators
from app.errors import InvalidRequest, SettingsError, SetUpDone
from app.store.database import Database
from tests.support.clock import Clock

PASSWORD = "correct horse battery"


@pytest.fixture
def administrators(database: Database, clock: Clock) -> Administrators:
    return Administrators(database, clock)


def test_there_is_none_before_a_password_is_set(administrators: Administrators):
    assert not administrators.exists()
    assert not administrators.verify("")
    assert not administrators.verify(PASSWORD)
    administrators.set_password(PASSWORD)
    assert administrators.exists()


def test_the_password_is_right_and_nothing_else(administrators: Administrators):
    administrators.set_password(PASSWORD)
    assert administrators.verify(PASSWORD)
    for other in ("", PASSWORD[:-1], PASSWORD + " ", PASSWORD.upper(), "\udcff", "x" * 100_000):
        assert not administrators.verify(other)


def test_a_letter_may_be_written_in_either_of_its_ways(administrators: Administrators):
    administrators.set_password("größer als ein Bär")
    assert administrators.verify("gro\u0308ßer als ein Ba\u0308r")


# threat 39
def test_only_a_slow_hash_is_kept(administrators: Administrators, database: Database):
    administrators.set_password(PASSWORD)
    held = b"".join(file.read_bytes() for file in database.path.parent.iterdir())
    assert b"$argon2id$" in held
    assert PASSWORD.encode() not in held
    begun = time.process_time()
    administrators.verify("wrong" * 4)
    assert time.process_time() - begun > 0.02


def test_the_password_is_changed(administrators: Administrators):
    administrators.set_password(PASSWORD)
    administrators.set_password("another one, longer")
    assert not administrators.verify(PASSWORD)
    assert administrators.verify("another one, longer")


# threat 51
def test_there_is_one_first_password(administrators: Administrators):
    administrators.set_password(PASSWORD, first=True)
    with pytest.raises(SetUpDone):
        administrators.set_password("that of an intruder", first=True)
    assert administrators.verify(PASSWORD)


# threat 49
@pytest.mark.parametrize("weak", ["", "short", "changeme123"])
def test_a_weak_password_is_not_set(administrators: Administrators, weak: str):
    for act in (administrators.check_password, administrators.set_password):
        with pytest.raises(InvalidRequest) as refused:
            act(weak)
        assert refused.value.param == "password"
    assert not administrators.exists()


def test_a_configured_password_counts_while_there_is_none(administrators: Administrators):
    administrators.seed("")
    assert not administrators.exists()
    administrators.seed(PASSWORD)
    administrators.seed("another one, longer")
    assert administrators.verify(PASSWORD)
    assert not administrators.verify("another one, longer")


# threat 49
def test_a_weak_configured_password_stops_any_start_without_being_told(administrators: Administrators):
    for _ in range(2):
        with pytest.raises(SettingsError, match="GATEWAY_ADMIN_PASSWORD: The password is too easy") as refused:
            administrators.seed("changeme123")
        assert "changeme123" not in str(refused.value)
        administrators.seed(PASSWORD)

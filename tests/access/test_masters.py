"""The master key: where it comes from, and its rotation."""

import logging
import stat
import uuid
from pathlib import Path

import pytest

from app.access import key_format
from app.access.keys import Keys
from app.access.masters import LONGEST_GRACE, REPEATABLE_FOR
from app.access.strength import checked_master_key
from app.errors import Conflict, InvalidRequest, SettingsError, Unauthorized
from app.store.database import Database
from tests.support.clock import Clock

KEY = "sk-A1b2C3d4E5f6G7h8I9j0"
HOUR = 3600.0


def opens(keys: Keys, text: str) -> bool:
    try:
        return keys.find(text).kind == "master"
    except Unauthorized:
        return False


def another_start(keys: Keys, configured: str, folder: Path) -> Keys:
    database = Database(folder / "postern.sqlite")
    started = Keys(database, secret=b"s" * 32, clock=keys._clock)
    started.seed_master(configured, folder)
    database.close()
    return started


# ---- where it comes from


def test_a_configured_key_seeds_the_first_start_and_leaves_no_file(keys: Keys, tmp_path: Path):
    keys.seed_master(KEY, tmp_path)
    assert opens(keys, KEY)
    assert keys.is_current_master(KEY)
    assert keys.plain_master() is None
    (master,) = keys.masters()
    assert (master.kind, master.id) == ("master", key_format.key_id(KEY))


def test_the_first_start_makes_a_key_that_later_starts_keep(keys: Keys, tmp_path: Path):
    keys.seed_master("", tmp_path)
    made = (tmp_path / "master-key").read_text().strip()
    assert keys.plain_master() == made == checked_master_key(made, "made")
    assert key_format.kind_of(made) == "master"
    assert opens(keys, made)
    assert opens(another_start(keys, "", tmp_path), made)
    assert stat.S_IMODE((tmp_path / "master-key").stat().st_mode) == 0o600


def test_every_installation_makes_another_key(keys: Keys, tmp_path: Path):
    keys.seed_master("", tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    another_start(keys, "", other)
    assert (other / "master-key").read_text() != keys.plain_master()


# threat 39
def test_once_the_file_of_the_key_is_gone_only_its_hash_is_there(keys: Keys, database: Database, tmp_path: Path):
    keys.seed_master("", tmp_path)
    made = keys.plain_master()
    assert made
    keys.forget_plain()
    keys.forget_plain()
    assert keys.plain_master() is None
    assert opens(another_start(keys, "", tmp_path), made)
    assert [made[16:40].encode() in file.read_bytes() for file in tmp_path.iterdir() if file.is_file()].count(True) == 0


# threat 32
def test_the_log_tells_where_the_key_is_and_not_the_key(keys: Keys, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.DEBUG):
        keys.seed_master("", tmp_path)
    assert str(tmp_path / "master-key") in caplog.text
    assert (tmp_path / "master-key").read_text().strip() not in caplog.text


def test_a_key_put_into_the_file_by_hand_is_taken_at_the_first_start(keys: Keys, tmp_path: Path):
    (tmp_path / "master-key").write_text(f"\n{KEY}  \n")
    keys.seed_master("", tmp_path)
    assert opens(keys, KEY)
    assert keys.plain_master() == KEY


# threat 49
@pytest.mark.parametrize("content", [b"", b"sk-1234", b"\xff\xfe\xfd", key_format.make("master")[:-1].encode()])
def test_a_file_with_no_good_key_stops_the_first_start(content: bytes, keys: Keys, tmp_path: Path):
    (tmp_path / "master-key").write_bytes(content)
    with pytest.raises(SettingsError, match=r"master.key"):
        keys.seed_master("", tmp_path)
    assert keys.masters() == []


# threat 49
def test_a_weak_configured_key_is_refused_at_any_start(keys: Keys, tmp_path: Path):
    for _ in range(2):
        with pytest.raises(SettingsError, match="GATEWAY_MASTER_KEY"):
            keys.seed_master("sk-1234", tmp_path)
        keys.seed_master("", tmp_path)


def test_a_folder_that_cannot_be_used_is_named(keys: Keys, tmp_path: Path):
    with pytest.raises(SettingsError, match=r"/none can be neither read nor made"):
        keys.seed_master("", tmp_path / "none")
    assert keys.masters() == []


def test_a_first_start_that_was_killed_takes_the_key_that_is_in_the_file(keys: Keys, tmp_path: Path):
    """Between the file and the database."""
    text = key_format.make("master")
    (tmp_path / "master-key").write_text(text + "\n")
    keys.seed_master("", tmp_path)
    assert opens(keys, text)


def test_a_key_of_the_environment_counts_at_the_first_start_only(keys: Keys, tmp_path: Path):
    keys.seed_master(KEY, tmp_path)
    other = "sk-Z9y8X7w6V5u4T3s2R1q0"
    later = another_start(keys, other, tmp_path)
    assert opens(later, KEY)
    assert not opens(later, other)
    assert not later.is_current_master(other)


# ---- rotation


@pytest.fixture
def seeded(keys: Keys, tmp_path: Path) -> Keys:
    keys.seed_master(KEY, tmp_path)
    return keys


# threat 43
def test_both_keys_are_valid_inside_the_time_of_grace_and_then_the_new_one(seeded: Keys, clock: Clock):
    made = seeded.rotate(HOUR)
    assert (made.current.expires_at, made.previous.expires_at) == (None, clock.now + HOUR)
    assert seeded.masters() == [made.current, made.previous]
    assert seeded.is_current_master(made.key)
    clock.go(HOUR - 1)
    assert opens(seeded, KEY)
    assert opens(seeded, made.key)
    clock.go(1)
    assert not opens(seeded, KEY)
    assert opens(seeded, made.key)
    assert seeded.masters() == [made.current]


def test_without_grace_the_old_key_is_refused_at_once(seeded: Keys):
    made = seeded.rotate(0)
    assert made.previous is None
    assert not opens(seeded, KEY)
    assert seeded.masters() == [made.current]


@pytest.mark.parametrize("grace", [-1, LONGEST_GRACE + 1, float("nan"), float("inf")])
def test_a_grace_that_is_none_is_refused(seeded: Keys, grace: float):
    with pytest.raises(InvalidRequest) as refused:
        seeded.rotate(grace)
    assert refused.value.param == "grace_seconds"
    assert opens(seeded, KEY)


# threat 43
def test_two_at_most_are_live(seeded: Keys, clock: Clock):
    first = seeded.rotate(HOUR)
    with pytest.raises(Conflict):
        seeded.rotate(HOUR)
    assert seeded.masters() == [first.current, first.previous]
    second = seeded.rotate(HOUR, give_up_previous=True)
    assert [opens(seeded, key) for key in (KEY, first.key, second.key)] == [False, True, True]
    clock.go(HOUR)
    third = seeded.rotate(HOUR)
    assert [opens(seeded, key) for key in (first.key, second.key, third.key)] == [False, True, True]


# threat 43
def test_an_old_value_of_the_environment_never_brings_a_rotated_key_back(seeded: Keys, clock: Clock, tmp_path: Path):
    made = seeded.rotate(HOUR)
    clock.go(HOUR)
    later = another_start(seeded, KEY, tmp_path)
    assert not opens(later, KEY)
    assert opens(later, made.key)
    assert not later.is_current_master(KEY)


# threat 75: closed for good by the next flush, so that the clock may go back
def test_a_clock_that_goes_back_does_not_bring_it_back_either(seeded: Keys, clock: Clock):
    made = seeded.rotate(HOUR)
    clock.go(HOUR)
    seeded.close_expired()
    clock.go(-HOUR)
    assert not opens(seeded, KEY)
    assert seeded.masters() == [made.current]


def test_the_file_of_a_made_key_goes_with_the_rotation(keys: Keys, tmp_path: Path):
    keys.seed_master("", tmp_path)
    keys.rotate(HOUR)
    assert not (tmp_path / "master-key").exists()


def test_a_file_whose_key_is_no_longer_current_goes_at_the_next_start(keys: Keys, tmp_path: Path):
    keys.seed_master("", tmp_path)
    old = (tmp_path / "master-key").read_text()
    keys.rotate(HOUR)
    (tmp_path / "master-key").write_text(old)  # as if it had been killed before the file was deleted
    later = another_start(keys, "", tmp_path)
    assert not (tmp_path / "master-key").exists()
    assert opens(later, old.strip())


def test_the_previous_key_is_extended_and_revoked(seeded: Keys, clock: Clock):
    seeded.rotate(HOUR)
    extended = seeded.extend_previous(clock.now + 10 * HOUR)
    assert extended == seeded.masters()[1]
    clock.go(9 * HOUR)
    assert opens(seeded, KEY)
    assert seeded.revoke_previous().revoked_at == clock.now
    assert not opens(seeded, KEY)
    for act in (seeded.revoke_previous, lambda: seeded.extend_previous(clock.now + 1)):
        with pytest.raises(Conflict, match="no previous master key"):
            act()


@pytest.mark.parametrize("ahead", [0, -1, LONGEST_GRACE + 1, float("nan"), float("inf")])
def test_an_extension_lies_ahead_and_has_an_end(seeded: Keys, clock: Clock, ahead: float):
    previous = seeded.rotate(HOUR).previous
    with pytest.raises(InvalidRequest) as refused:
        seeded.extend_previous(clock.now + ahead)
    assert refused.value.param == "until"
    assert seeded.masters()[1] == previous


def test_a_key_whose_time_is_over_is_not_extended(seeded: Keys, clock: Clock):
    seeded.rotate(HOUR)
    clock.go(HOUR)
    with pytest.raises(Conflict):
        seeded.extend_previous(clock.now + HOUR)


# ---- a rotation that is asked for once more


# threat 43
def test_the_same_call_tells_the_same_key(seeded: Keys, clock: Clock, tmp_path: Path):
    name = str(uuid.uuid4())
    made = seeded.rotate(HOUR, idempotency_key=name)
    clock.go(REPEATABLE_FOR)
    assert seeded.rotate(HOUR, idempotency_key=name) == made
    assert another_start(seeded, "", tmp_path).rotate(HOUR, idempotency_key=name) == made
    assert seeded.rotate(0, idempotency_key=name, give_up_previous=True) == made
    seeded.revoke_previous()
    assert seeded.rotate(HOUR, idempotency_key=name).previous is None


def test_after_ten_minutes_and_after_another_rotation_it_tells_it_no_more(seeded: Keys, clock: Clock):
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    seeded.rotate(0, idempotency_key=first)
    seeded.rotate(0, idempotency_key=second)
    with pytest.raises(Conflict, match="earlier rotation"):
        seeded.rotate(0, idempotency_key=first)
    clock.go(REPEATABLE_FOR + 1)
    with pytest.raises(Conflict, match="earlier rotation"):
        seeded.rotate(0, idempotency_key=second)
    assert len(seeded.masters()) == 1


# threat 39: what is stored, and even the idempotency key, is not enough to tell the master key
def test_the_key_depends_on_the_secret_of_the_installation(seeded: Keys, clock: Clock, tmp_path: Path):
    name = str(uuid.uuid4())
    made = seeded.rotate(0, idempotency_key=name)
    database = Database(tmp_path / "other.sqlite")
    other = Keys(database, secret=b"t" * 32, clock=clock)
    other.seed_master(KEY, tmp_path)
    assert other.rotate(0, idempotency_key=name).key != made.key
    database.close()


@pytest.mark.parametrize("name", ["", "1", "x" * 15, "x" * 101])
def test_an_idempotency_key_that_could_be_guessed_is_refused(seeded: Keys, name: str):
    with pytest.raises(InvalidRequest) as refused:
        seeded.rotate(0, idempotency_key=name)
    assert refused.value.param == "idempotency_key"

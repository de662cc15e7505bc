"""kill -9 at every system call of a rotation leaves the state before it or the state after it."""

import uuid
from pathlib import Path

import pytest

from app.access.keys import Keys
from app.errors import Unauthorized
from app.store.database import Database
from tests.support.tracing import run_killed_at

HOUR = 3600.0


def open_keys(folder: Path) -> tuple[Database, Keys]:
    database = Database(folder / "postern.sqlite")
    return database, Keys(database, secret=b"s" * 32)


def rotate(folder: Path, name: str, grace: float) -> str:
    database, keys = open_keys(folder)
    made = keys.rotate(grace, idempotency_key=name, give_up_previous=True)
    database.close()
    return made.key


def live(keys: Keys, text: str) -> bool:
    try:
        keys.find(text)
    except Unauthorized:
        return False
    return True


# threats 43 and 73
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("grace", "stride"), [(HOUR, 2), (0.0, 6)])
def test_a_rotation_that_is_killed_happened_or_not(tmp_path: Path, grace: float, stride: int):
    """A stride of 2 is every call: the exit of one and the entry of the next are the same moment."""
    database, keys = open_keys(tmp_path)
    keys.seed_master("", tmp_path)
    current = keys.plain_master()
    assert current
    database.close()
    outcomes = set()
    step = 0
    killed = True
    while killed:
        name = str(uuid.uuid4())
        killed = run_killed_at(lambda name=name: rotate(tmp_path, name, grace), step)
        database, keys = open_keys(tmp_path)
        keys.seed_master("", tmp_path)  # the next start
        masters = keys.masters()
        happened = not keys.is_current_master(current)
        outcomes.add((killed, happened))
        if happened:
            assert live(keys, current) == (grace > 0)
            assert len(masters) == (2 if grace else 1)
        else:
            assert live(keys, current)
        assert keys.plain_master() in (None, *([] if happened else [current]))
        # The answer is lost; asked again, the same rotation is told, or done now.
        again = keys.rotate(grace, idempotency_key=name, give_up_previous=True)
        assert keys.is_current_master(again.key)
        if happened:
            assert keys.masters() == masters
        current = again.key
        (tmp_path / "master-key").write_text(current)  # so that each round has a file to delete
        database.close()
        step += stride
    assert outcomes == {(True, False), (True, True), (False, True)}
    assert step > 50

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.access.keys import Keys
from app.store.database import Database
from tests.support.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "postern.sqlite")
    yield database
    database.close()


@pytest.fixture
def keys(database: Database, clock: Clock) -> Keys:
    """Without a master key."""
    return Keys(database, secret=b"s" * 32, clock=clock)

from pathlib import Path

import pytest

from tests.claude.login_watch.house import House


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path)
    house.config.mkdir(mode=0o700)
    house.data.mkdir(mode=0o700)
    return house

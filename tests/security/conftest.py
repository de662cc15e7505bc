from collections.abc import Iterator

import pytest

from tests.security.ground import Ground, running_ground
from tests.support.cli import VERSIONS

# With a login the CLI runs without --bare, and has all the features that can go wrong.
GROUNDS = [(version, mode) for version in VERSIONS for mode in ("login", "key")]


@pytest.fixture(scope="session", params=GROUNDS, ids="-".join)
def ground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    version, mode = request.param
    with running_ground(tmp_path_factory.mktemp("ground"), version, mode) as running:
        yield running

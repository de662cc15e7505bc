from collections.abc import Iterator

import pytest

from tests.support.admin import Admin, administrator, stubbed_gateway
from tests.support.gateway import Gateway


@pytest.fixture(scope="package")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One for all tests of this folder that leave it as it was."""
    with stubbed_gateway(tmp_path_factory.mktemp("admin")) as running:
        yield running


@pytest.fixture
def stranger(gateway: Gateway) -> Iterator[Admin]:
    with administrator(gateway) as browser:
        yield browser


@pytest.fixture
def admin(gateway: Gateway) -> Iterator[Admin]:
    """Signed in just now, in a session of its own."""
    with administrator(gateway) as browser:
        assert browser.sign_in().status_code == 200
        yield browser

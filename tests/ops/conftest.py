from collections.abc import Iterator

import httpx
import pytest

from tests.support.admin import Admin, administrator, stubbed_gateway
from tests.support.gateway import Gateway
from tests.support.openapi import Document


@pytest.fixture(scope="package")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """With an administrator, over a stub of the CLI."""
    with stubbed_gateway(tmp_path_factory.mktemp("ops")) as running:
        yield running


@pytest.fixture(scope="package")
def document(stub: Gateway) -> Document:
    """As anybody gets it."""
    return Document(httpx.get(f"{stub.url}/openapi.json", trust_env=False).raise_for_status().json())


@pytest.fixture
def admin(stub: Gateway) -> Iterator[Admin]:
    with administrator(stub) as browser:
        yield browser

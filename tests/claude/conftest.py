"""The real CLI of each version, with an API key and with a login."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.claude.worker import Worker
from tests.claude.conversing import Lender
from tests.security.driver import installation
from tests.security.login import sign_in
from tests.support.cli import VERSIONS
from tests.support.sandbox import Sandbox, running_sandbox


@pytest.fixture
def own_sandbox() -> Iterator[Sandbox]:
    with running_sandbox() as running:
        yield running


@pytest.fixture(params=[(version, mode) for version in VERSIONS for mode in ("key", "login")], ids="-".join)
def lender(request: pytest.FixtureRequest, own_sandbox: Sandbox, tmp_path: Path) -> Iterator[Lender]:
    version, mode = request.param
    if mode == "login":
        sign_in(own_sandbox, tmp_path / "data/claude")
    place = installation(tmp_path, version, own_sandbox, mode)
    numbers = tuple(map(int, version.split(".")))
    with ExitStack() as stack:
        made = Lender(lambda: Worker(place, numbers, "sonnet"))
        stack.callback(made.close)
        yield made

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.claude.login import Limits
from tests.claude.login.wizarding import Wizard
from tests.support import stub_sign_in
from tests.support.processes import alive, descendants, open_files, wait_until


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Wizard]]:
    """Whatever a test does, nothing of it is left in the end (threat 38)."""
    made: list[Wizard] = []
    before = open_files(os.getpid()), descendants(os.getpid())

    def maker(*, limits: Limits | None = None, passed: dict[str, str] | None = None, **behaviour: str) -> Wizard:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        options = {name: behaviour.pop(name) for name in ("sign_in_base",) if name in behaviour}
        wizard = Wizard(folder, passed=passed, limits=limits or Limits(), **options)
        wizard.behave(**behaviour)
        made.append(wizard)
        return wizard

    yield maker
    for wizard in made:
        wizard.login.close()
        assert list(wizard.installation.temp_dir.iterdir()) == []
        assert not any(alive(start["pid"]) for start in stub_sign_in.started(wizard.bin))
    wait_until(
        lambda: open_files(os.getpid()) <= before[0] and descendants(os.getpid()) <= before[1], 20, "all is as it was"
    )

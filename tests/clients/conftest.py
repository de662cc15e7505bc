from pathlib import Path

import pytest

from tests.clients.running import Observation, run_script


@pytest.fixture(scope="module")
def observe(gateway, tmp_path_factory):
    """Runs a script of a client against the gateway, once for all tests of a module: a start costs seconds."""
    seen: dict[str, Observation] = {}

    def run(name: str) -> Observation:
        if name not in seen:
            seen[name] = run_script(name, gateway, home(name))
        return seen[name]

    def home(name: str) -> Path:
        return tmp_path_factory.mktemp(Path(name).stem)

    return run

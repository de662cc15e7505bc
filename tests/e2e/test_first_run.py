"""The demo's first run with the older CLI, by the keyboard alone. With the pinned one: tests/test_demo.py."""

from pathlib import Path

from playwright.sync_api import Browser

from tests.e2e.demo import running_demo
from tests.e2e.journey import first_run
from tests.support.browser import someone
from tests.support.hands import Keyboard


def test_from_the_link_in_the_log_to_a_rotated_key(tmp_path: Path, browser: Browser):
    with running_demo(tmp_path / "postern", "2.1.197") as demo, someone(browser) as context:
        log = demo.log.read_text()
        assert "Using worker: config.connections.Worker" in log  # a GeventWorker
        assert "claude 2.1.197" in log
        first_run(demo, context, Keyboard())

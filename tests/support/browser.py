"""A real browser, without a window, and what it complains of."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, expect, sync_playwright

WAIT_MS = 30_000
# A form that comes back with what is wrong: the test looks at the page.
_REFUSAL = re.compile(r"responded with a status of (400|401|403|409|429)")


@contextmanager
def running_browser() -> Iterator[Browser]:
    """One at a time in a thread."""
    with sync_playwright() as playwright:
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"], env=environment | {"LANG": "C.UTF-8"}
        )
        expect.set_options(timeout=WAIT_MS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def someone(browser: Browser, **options: Any) -> Iterator[BrowserContext]:
    """A person with a browser of their own. What it complains of, also a breach of the policy, fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce", **options)
    context.set_default_timeout(WAIT_MS)
    complaints: list[str] = []
    context.on("console", lambda message: complaints.extend(_complaint(message)))
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    try:
        yield context
        assert not complaints, "\n".join(complaints)
    finally:
        context.close()


def _complaint(message: ConsoleMessage) -> list[str]:
    return [message.text] if message.type == "error" and not _REFUSAL.search(message.text) else []

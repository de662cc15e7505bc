"""How a page is used: with the mouse, or with the keyboard alone."""

from typing import Protocol

from playwright.sync_api import Locator

_MOST_TABS = 60


class Hand(Protocol):
    def press(self, target: Locator) -> None: ...

    def tick(self, target: Locator) -> None: ...

    def write(self, target: Locator, text: str) -> None: ...


class Mouse:
    def press(self, target: Locator) -> None:
        target.click()

    def tick(self, target: Locator) -> None:
        target.check()

    def write(self, target: Locator, text: str) -> None:
        target.fill(text)


class Keyboard:
    """Tab to the thing, then a key: what cannot be reached so fails."""

    def press(self, target: Locator) -> None:
        self._reach(target)
        target.page.keyboard.press("Enter")

    def tick(self, target: Locator) -> None:
        if not target.is_checked():
            self._reach(target)
            target.page.keyboard.press("Space")

    def write(self, target: Locator, text: str) -> None:
        self._reach(target)
        target.page.keyboard.press("Control+A")
        target.page.keyboard.insert_text(text)

    def _reach(self, target: Locator) -> None:
        target.wait_for()
        for _ in range(_MOST_TABS):
            if target.evaluate("(element) => element === document.activeElement"):
                return
            target.page.keyboard.press("Tab")
        raise AssertionError(f"the keyboard does not reach {target}")

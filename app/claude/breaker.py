"""Stops starting processes for a while when they fail again and again (threat 23)."""

import time
from collections.abc import Callable


class Breaker:
    """Closed until `failures` in a row; then open for `pause` seconds, doubling to `longest`, with one try between."""

    def __init__(
        self,
        *,
        failures: int = 3,
        pause: float = 2.0,
        longest: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._allowed = failures
        self._pause = pause
        self._longest = longest
        self._clock = clock
        self._failures = 0
        self._open_until = 0.0
        self.last_error: Exception | None = None

    @property
    def is_open(self) -> bool:
        return self.seconds_left > 0

    @property
    def seconds_left(self) -> float:
        return max(0.0, self._open_until - self._clock())

    @property
    def failing(self) -> bool:
        """True from the opening on until a try succeeds."""
        return self._failures >= self._allowed

    def succeeded(self) -> None:
        self._failures = 0
        self._open_until = 0.0
        self.last_error = None

    def failed(self, error: Exception) -> None:
        self._failures += 1
        self.last_error = error
        if self.failing:
            doubled = self._pause * 2.0 ** min(self._failures - self._allowed, 16)
            self._open_until = self._clock() + min(doubled, self._longest)

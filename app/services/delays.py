"""How long the event loop was held up: nobody is served meanwhile."""

import time
from collections import deque
from collections.abc import Callable
from functools import reduce
from typing import NamedTuple

MINUTES = 5
LONG = 0.2  # seconds, worth a line in the log


class Delay(NamedTuple):
    """Seconds, and those of them in which the process computed: when they are few, the machine was busy with others."""

    seconds: float
    work: float


NONE = Delay(0.0, 0.0)


class Delays:
    """The longest delay of each of the last minutes, and the one with the most work."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._minutes: deque[tuple[int, Delay]] = deque([(0, NONE)], maxlen=MINUTES)
        self._told = 0.0  # the longest of this minute that the log was told of

    def note(self, seconds: float, work: float) -> bool:
        """Whether the log should tell: a minute's first that is long, and those that are twice what was told."""
        minute = int(self._clock() // 60)
        if self._minutes[-1][0] != minute:
            self._minutes.append((minute, NONE))
            self._told = 0.0
        self._minutes[-1] = minute, _most(self._minutes[-1][1], Delay(seconds, work))
        tells = seconds >= max(LONG, 2 * self._told)
        if tells:
            self._told = seconds
        return tells

    def longest(self) -> Delay:
        """Each of its two on its own."""
        oldest = int(self._clock() // 60) - MINUTES
        return reduce(_most, (delay for minute, delay in self._minutes if minute > oldest), NONE)


def _most(one: Delay, other: Delay) -> Delay:
    return Delay(max(one.seconds, other.seconds), max(one.work, other.work))

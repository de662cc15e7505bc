"""Which models are asked for, and how many spare processes each should have. Pure: moments are given, in seconds."""

from collections import deque
from collections.abc import Iterable, Iterator

# A model that was not asked for that long is no longer kept warm.
FORGET_AFTER_SECONDS = 600.0

REFILL_AFTER_SECONDS = 1.0

# As many spare processes as conversations began together lately: within about the time that it takes to replace some.
_TOGETHER_SECONDS = 2.0
_LATELY_SECONDS = 60.0
_TIMES_KEPT = 256
_COUNTED_SECONDS = 0.25


class Demand:
    def __init__(self, least: int, most: int):
        """`least` spare processes for a model in use, `most` for one that is asked for much. None with `least` 0."""
        self._least = least
        self._most = max(least, most) if least else 0
        self._times: dict[str, deque[float]] = {}  # the model that was asked for last stands at the end
        self._asked: dict[str, float] = {}
        self._counted: dict[str, tuple[float, int]] = {}
        self._always: frozenset[str] = frozenset()

    def always(self, models: Iterable[str], now: float) -> None:
        """These are kept warm also when nobody asks for them."""
        self._asked = dict.fromkeys(models, now)
        self._always = frozenset(self._asked)

    def ask(self, model: str, now: float) -> None:
        self._asked.pop(model, None)
        self._asked[model] = now
        self._times.setdefault(model, deque(maxlen=_TIMES_KEPT)).append(now)

    def forget(self, now: float) -> None:
        for model, asked in list(self._asked.items()):
            if asked < now - FORGET_AFTER_SECONDS and model not in self._always:
                del self._asked[model]
                self._times.pop(model, None)
                self._counted.pop(model, None)

    def models(self) -> list[str]:
        """The one that was asked for the longest ago first."""
        return list(self._asked)

    def spares(self, model: str, now: float) -> int:
        """Counted anew a few times a second: each change in the pool asks."""
        if model not in self._asked:
            return 0
        at, spares = self._counted.get(model, (float("-inf"), 0))
        if now - at >= _COUNTED_SECONDS:
            spares = self._count(model, now)
            self._counted[model] = now, spares
        return spares

    def _count(self, model: str, now: float) -> int:
        times = self._times.get(model, deque())
        while times and times[0] < now - _LATELY_SECONDS:
            times.popleft()
        return min(self._most, max(self._least, *_together(list(times))))


def _together(times: list[float]) -> Iterator[int]:
    """For each moment, how many there are from then on within the time of _TOGETHER_SECONDS."""
    yield 0
    end = 0
    for begin, moment in enumerate(times):
        while end < len(times) and times[end] < moment + _TOGETHER_SECONDS:
            end += 1
        yield end - begin


class Refill:
    """When a spare process that was lent is replaced, where others are left.

    A start keeps a core busy for half a second. It waits until the request that took the process has most likely had
    its first words.
    """

    def __init__(self) -> None:
        self._short_since: dict[str, float] = {}  # models whose spare ones were lent, until there are enough again

    def lent(self, model: str, now: float) -> None:
        self._short_since.setdefault(model, now)

    def only(self, short: Iterable[str]) -> None:
        """The other models have enough again."""
        for model in self._short_since.keys() - short:
            del self._short_since[model]

    def due_in(self, model: str, now: float) -> float:
        """Seconds."""
        return max(0.0, self._short_since.get(model, float("-inf")) + REFILL_AFTER_SECONDS - now)

    def next_in(self, now: float) -> float:
        """Seconds until the next one is due that is not yet; 0 for none."""
        return min(filter(None, (self.due_in(model, now) for model in self._short_since)), default=0.0)

"""Work that blocks, and where it is done."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Generic, ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")


class OffLoop:
    """Runs what blocks, and gives its result. Directly, unless the server has threads that its loop need not wait for.

    What runs in one takes no lock of the loop's, does not log, and opens its own database connection.
    """

    def __init__(self) -> None:
        self._apply: Callable[[Callable[[], object]], object] = _directly

    def use(self, apply: Callable[[Callable[[], object]], object]) -> None:
        self._apply = apply

    def __call__(self, do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        # An exception is carried over by hand: gevent's pool would print it on its way.
        outcome = cast(_Outcome[T], self._apply(lambda: _Outcome.of(partial(do, *args, **kwargs))))
        return outcome.result()


@dataclass(frozen=True)
class _Outcome(Generic[T]):
    value: T | None
    error: Exception | None

    @classmethod
    def of(cls, do: Callable[[], T]) -> "_Outcome[T]":
        try:
            return cls(do(), None)
        except Exception as error:  # raised where the result is taken
            return cls(None, error)

    def result(self) -> T:
        if self.error:
            raise self.error
        return cast(T, self.value)


def _directly(do: Callable[[], object]) -> object:
    return do()

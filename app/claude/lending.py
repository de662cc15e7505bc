"""What the pool lends, how much of it, and the place of a request that wants it."""

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeAlias, TypeVar

Reuse: TypeAlias = Literal["never", "under-pressure", "always"]


class Pooled(Protocol):
    @property
    def model(self) -> str: ...
    @property
    def usable(self) -> bool: ...
    @property
    def resident(self) -> int: ...
    @property
    def can_be_wiped(self) -> bool: ...
    def wipe(self) -> None:
        """Forgets its conversation, so that it can serve another one. Raises PosternError when it cannot."""

    def kill(self) -> None: ...
    def terminate(self) -> None: ...
    def close(self) -> None: ...


W = TypeVar("W", bound=Pooled)


@dataclass(frozen=True)
class Limits:
    """`warm` spare processes per model in use, up to `warm_most` by demand, `most` processes in all, `starters` started
    at the same time.

    `queue` requests may wait, each for `queue_seconds` at the most. `kept` processes stay with their conversation, each
    for `kept_seconds` at the most; they may be wiped and serve as spare ones, as `reuse` says. One that holds more than
    `process_bytes` is ended when it is idle, and with twice as much in any case; while the system has less than
    `reserve_bytes` left, idle ones are ended.
    """

    warm: int
    warm_most: int
    most: int
    starters: int
    queue: int
    queue_seconds: float
    kept: int
    kept_seconds: float
    reuse: Reuse
    process_bytes: int
    reserve_bytes: int


class Place(Generic[W]):
    """A request's place in the queue; `worker` is set when it is served."""

    def __init__(self, model: str, deadline: float) -> None:
        self.model = model
        self.deadline = deadline
        self.worker: W | None = None


class Waiting(Generic[W]):
    """The places without a process, in the order in which they came."""

    def __init__(self) -> None:
        self._places: deque[Place[W]] = deque()

    def __len__(self) -> int:
        return len(self._places)

    def add(self, place: Place[W]) -> None:
        self._places.append(place)

    def remove(self, place: Place[W]) -> None:
        """Does no harm to one that does not wait."""
        if place in self._places:
            self._places.remove(place)

    def serve(self, worker: W) -> bool:
        """Gives it to the first who wants such a one; whether there is somebody."""
        for place in self._places:
            if place.model == worker.model:
                place.worker = worker
                self._places.remove(place)
                return True
        return False

    def unserved(self, starting: Mapping[str, int]) -> Iterator[str]:
        """The models that are wanted, a time for each place, but for as many as start already."""
        left = Counter(starting)
        for place in self._places:
            left[place.model] -= 1
            if left[place.model] < 0:
                yield place.model

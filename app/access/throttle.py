"""How often a password may be tried: by one address, and by all together (threat 52)."""

import ipaddress
import math
import random
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from app.errors import TooManyAttempts

FREE_FAILURES = 5
LONGEST_WAIT = 300.0
FREE_FOR_ALL = 30  # attempts in a burst
PER_SECOND = 1.0  # attempts after it
ORDERLY = 60.0  # seconds of turns that are given out one after the other
LONGEST_TURN = 300.0
MOST_ADDRESSES = 10_000
_FORGOTTEN_AFTER = 3600.0
_ATTEMPT_TAKES = 10.0  # one that nobody told the end of is over by then


@dataclass
class _Record:
    failures: int = 0
    wait_until: float = 0.0
    turn_at: float | None = None
    good: bool = False
    seen_at: float = 0.0
    running: list[float] = field(default_factory=list)


class Throttle:
    """On the event loop, in memory.

    An address that failed five times waits, twice as long each time. When all together try too often, each gets a turn
    within five minutes: others slow the owner down, and never keep him out. One that was right before needs no turn.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()
        self._next_turn = clock() - FREE_FOR_ALL / PER_SECOND
        self._random = random.SystemRandom()

    def check(self, address: str) -> None:
        """Before each attempt, which then is told by `failed` or `succeeded`. Raises TooManyAttempts."""
        now = self._clock()
        record = self._record(address, now)
        if now < record.wait_until:
            raise _refusal(record.wait_until - now)
        if self.is_full(address):
            raise _refusal(1.0)  # attempts at the same time would not wait for each other's failure
        if not record.good:
            self._take_turn(record, now)
        record.running.append(now)

    def is_full(self, address: str) -> bool:
        """Whether the outcome of those that run decides on the next attempt."""
        now = self._clock()
        record = self._record(address, now)
        record.running = [begun for begun in record.running if begun > now - _ATTEMPT_TAKES]
        return bool(record.running) and record.failures + len(record.running) >= FREE_FAILURES

    def failed(self, address: str) -> None:
        now = self._clock()
        record = self._record(address, now)
        record.running = record.running[1:]
        record.failures += 1
        if record.failures >= FREE_FAILURES:
            doublings = min(record.failures - FREE_FAILURES, 20)
            record.wait_until = now + min(LONGEST_WAIT, 2.0**doublings)

    def succeeded(self, address: str) -> None:
        now = self._clock()
        self._record(address, now)
        self._records[_group(address)] = _Record(good=True, seen_at=now)

    def _record(self, address: str, now: float) -> _Record:
        """A new one when the last failure is long ago. The oldest make room."""
        group = _group(address)
        record = self._records.pop(group, None)
        if record is None or (not record.good and now - record.seen_at > _FORGOTTEN_AFTER):
            record = _Record()
        record.seen_at = now
        self._records[group] = record
        while len(self._records) > MOST_ADDRESSES:
            self._forget_one()
        return record

    def _forget_one(self) -> None:
        """Rather a stranger than one that was right before."""
        strangers = (group for group, record in self._records.items() if not record.good)
        del self._records[next(strangers, next(iter(self._records)))]

    def _take_turn(self, record: _Record, now: float) -> None:
        if record.turn_at is not None and record.turn_at <= now <= record.turn_at + ORDERLY:
            record.turn_at = None
            return
        if record.turn_at is None or record.turn_at <= now:
            record.turn_at = self._turn(now)
        if record.turn_at > now:
            raise _refusal(record.turn_at - now)
        record.turn_at = None

    def _turn(self, now: float) -> float:
        turn = max(self._next_turn, now - (FREE_FOR_ALL - 1) / PER_SECOND)
        if turn > now + ORDERLY:
            # So many can only be an attack, and a queue of theirs would have no end for the owner.
            return now + self._random.uniform(ORDERLY, LONGEST_TURN)
        self._next_turn = turn + 1 / PER_SECOND
        return turn


def _refusal(seconds: float) -> TooManyAttempts:
    wait = max(1, math.ceil(seconds))
    return TooManyAttempts(f"Too many attempts. Try again in {wait} seconds.", retry_after=wait)


def _group(address: str) -> str:
    """A whole /64 of IPv6 is one customer's."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(parsed.ipv4_mapped or ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)

"""Many streams at once: does everything arrive, once and in order, and how soon."""

import itertools

from bench.client import Crowd, Reception
from bench.figures import Section, Target, median, ms, p95
from bench.stage import Stage, request
from tests.support.gateway import Gateway

_PACE = 0.05
_HOW = (
    "New conversations begun at the same moment, each on a spare process and a connection of its own; "
    "{words} words each, {rate:.0f} a second."
)
_COLUMNS = ("streams", "complete", "lost", "doubled", "reordered", "first token, median", "p95", "until the last ended")


def measure(stage: Stage, gateway: Gateway, counts: tuple[int, ...], words: int) -> Section:
    section = Section("Streams at once", _HOW.format(words=words, rate=1 / _PACE), _COLUMNS)
    for count in counts:
        stage.settle(gateway)
        crowd = Crowd(gateway, [request(words=words, delta_delay=_PACE) for _ in range(count)])
        crowd.begin()
        _report(section, crowd.finish(), words)
    return section


def _report(section: Section, receptions: list[Reception], words: int) -> None:
    count = len(receptions)
    complete = sum(reception.whole for reception in receptions)
    faults = [_faults(reception.text, words) for reception in receptions]
    sums = [sum(kind) for kind in zip(*faults, strict=True)]
    first = [reception.first_token for reception in receptions]
    total = max(r.ended for r in receptions) - min(r.began for r in receptions)
    times = (ms(median(first)), ms(p95(first)), f"{total:.2f} s")
    section.rows.append((f"{count} at once", str(complete), *map(str, sums), *times))
    well = complete == count and not any(sums)
    measured = f"{complete}, {sum(sums)}"
    section.targets.append(Target(f"{count} streams at once: complete, words wrong", f"{count}, 0", measured, well))


def _faults(text: str, words: int) -> tuple[int, int, int]:
    """How many of `w0 w1 w2 ...` are lost, doubled and out of order."""
    numbers = [int(word.removeprefix("w")) for word in text.split(" ")]
    distinct = set(numbers)
    reordered = sum(after < before for before, after in itertools.pairwise(numbers))
    return words - len(distinct), len(numbers) - len(distinct), reordered

"""Far more requests at once than there are processes: each is answered, or told when to come again."""

import http.client
import threading
import time
from dataclasses import dataclass, field

from bench.figures import Section, Target, median
from bench.stage import Stage, request
from tests.support.gateway import Gateway, is_claude
from tests.support.processes import children

WARM, MOST = 2, 8
_TIMEOUT = 120.0
_LOOK_SECONDS = 0.05
_HOW = (
    f"Sent at the same moment to a gateway with {WARM} spare processes and at most {MOST} in all. Processes are "
    f"counted in the system's own list, every {_LOOK_SECONDS * 1000:.0f} ms until the last request has its answer."
)


@dataclass
class Tally:
    """Seconds of those that were answered; how many were refused, with `Retry-After` or without."""

    answered: list[float] = field(default_factory=list)
    refused: int = 0
    otherwise: list[str] = field(default_factory=list)
    most: int = 0


def _processes(gateway: Gateway) -> int:
    """Without what they start themselves: between its fork and its exec that looks like another one."""
    return sum(map(is_claude, children(gateway.worker_pid)))


def measure(stage: Stage, requests: int) -> list[Section]:
    with stage.gateway(warm=WARM, most=MOST) as gateway:
        tally = Tally()
        threads = [threading.Thread(target=_ask, args=(gateway, tally)) for _ in range(requests)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            tally.most = max(tally.most, _processes(gateway))
            time.sleep(_LOOK_SECONDS)
        section = _section(requests, tally)
        section.targets.append(stage.held_up(gateway, f"{requests} requests at once"))
    return [section]


def _ask(gateway: Gateway, tally: Tally) -> None:
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=_TIMEOUT)
    try:
        connection.request("POST", "/v1/chat/completions", request(words=8), gateway.headers())
        response = connection.getresponse()
        body = response.read()
        if response.status == 200 and body.endswith(b"data: [DONE]\n\n"):
            tally.answered.append(time.perf_counter() - began)
        elif response.status in (429, 503) and response.headers["Retry-After"]:
            tally.refused += 1
        else:
            tally.otherwise.append(f"{response.status} {body[-200:]!r}")
    except (OSError, http.client.HTTPException) as error:
        tally.otherwise.append(repr(error))
    finally:
        connection.close()


def _section(requests: int, tally: Tally) -> Section:
    columns = ("requests", "answered", "refused with Retry-After", "otherwise", "most processes", "median", "longest")
    section = Section("More requests than processes", _HOW, columns)
    counts = (len(tally.answered), tally.refused, len(tally.otherwise), tally.most)
    seconds = (median(tally.answered), max(tally.answered)) if tally.answered else ()
    times = tuple(f"{each:.2f} s" for each in seconds) or ("-", "-")
    section.rows.append((f"{requests} at once", *map(str, counts), *times))
    section.notes += tally.otherwise[:3]
    told = len(tally.answered) + tally.refused
    what = f"{requests} requests at once: answered or refused with Retry-After"
    section.targets += [
        Target(what, str(requests), str(told), told == requests),
        Target("processes at the most", f"<= {MOST}", str(tally.most), tally.most <= MOST),
    ]
    return section

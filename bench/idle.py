"""Memory of a gateway that nobody asks anything."""

from bench.client import Client
from bench.figures import Section, at_most, mb
from bench.stage import Stage, request, resident
from tests.support.gateway import Gateway

_HOW = (
    "Resident memory, pages that both processes share included. First of a gateway that has just started and has not "
    "been asked anything, then after so many conversations, at rest again. The `claude` processes come on top."
)


def measure(stage: Stage, gateway: Gateway, conversations: int) -> list[Section]:
    section = Section("Memory of the gateway, idle", _HOW, ("when", "gunicorn's worker", "gunicorn's master"))
    _report(section, gateway, "started")
    section.targets.append(at_most("memory of an idle gateway", resident(gateway.worker_pid) / 2**20, 90, "MB"))
    with Client(gateway) as client:
        for _ in range(conversations):
            client.ask(request(words=8))
    stage.settle(gateway)
    _report(section, gateway, f"after {conversations} conversations")
    return [section]


def _report(section: Section, gateway: Gateway, when: str) -> None:
    section.rows.append((when, mb(resident(gateway.worker_pid)), mb(resident(gateway.pid))))

"""Time to the first token of a new conversation: a process per request, a spare driven directly, the gateway."""

from collections.abc import Callable
from contextlib import closing

from app.claude.worker import Worker
from bench.client import Client
from bench.figures import Section, at_most, median, ms, p95
from bench.oneshot import first_token_of_a_process_per_request, first_token_of_a_spare
from bench.stage import MODEL, Stage, prompt_of, request
from tests.support.gateway import Gateway

PER_REQUEST = "(a) `claude -p`, a process per request"
SPARE = "(b) a spare process, driven directly"
GATEWAY = "(c) the gateway"
GATEWAY_HISTORY = "(d) the gateway, system prompt and 4 messages before"
_WORDS = 8
_HOW = (
    "From the start of the process (a), the first line written to it (b) or the request sent on a kept-alive "
    "connection (c, d) to the first piece of text. In turn a, b, c, d, a, ...; each begins when all processes are idle."
)


def measure(stage: Stage, gateway: Gateway, rounds: int) -> Section:
    times: dict[str, list[float]] = {name: [] for name in (PER_REQUEST, SPARE, GATEWAY, GATEWAY_HISTORY)}
    with Client(gateway) as client:
        for _ in range(rounds):
            # Made before the round, so that it has had as much time to come to rest as the gateway's own.
            with closing(stage.spare()) as spare:
                for name, way in _ways(stage, spare, client).items():
                    stage.settle(gateway, [spare.pid])
                    times[name].append(way())
    return _section(times)


def _ways(stage: Stage, spare: Worker, client: Client) -> dict[str, Callable[[], float]]:
    plain, with_history = request(words=_WORDS), request(words=_WORDS, history=_history())
    prompt = prompt_of(request(words=_WORDS))
    return {
        PER_REQUEST: lambda: first_token_of_a_process_per_request(stage.installation, MODEL, prompt),
        SPARE: lambda: first_token_of_a_spare(spare, prompt),
        GATEWAY: lambda: client.ask(plain).first_token,
        GATEWAY_HISTORY: lambda: client.ask(with_history).first_token,
    }


def _history() -> list[dict[str, str]]:
    system = {"role": "system", "content": "You are a helpful assistant. Answer briefly and truthfully."}
    asked = [{"role": "user", "content": "What is a postern?"}, {"role": "assistant", "content": "A small back gate."}]
    return [system, *asked, *asked]


def _section(times: dict[str, list[float]]) -> Section:
    base = median(times[PER_REQUEST])
    section = Section("Time to first token", _HOW, ("way", "rounds", "fastest", "median", "p95", "median / (a)"))
    for name, values in times.items():
        middle = median(values)
        shown = (ms(min(values)), ms(middle), ms(p95(values)), f"{middle / base:.2f}")
        section.rows.append((name, str(len(values)), *shown))
    gateway, spare = median(times[GATEWAY]), median(times[SPARE])
    section.targets += [
        at_most("first token, gateway / process per request", gateway / base, 1 / 3, "times"),
        at_most("first token, gateway - spare process", (gateway - spare) * 1000, 15, "ms"),
    ]
    return section

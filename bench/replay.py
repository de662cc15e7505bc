"""What a history costs that a process is told anew: milliseconds a message."""

import statistics
from contextlib import closing

from bench import cli
from bench.client import Client
from bench.figures import Section, fine_ms, median
from bench.stage import Stage, prompt_of, request, turns
from tests.support.gateway import Gateway

RAW, GATEWAY = "a spare process, driven directly", "the gateway"
_WORDS = 8
_HOW = (
    "Time to the first token of a conversation with so many messages before its question, on a process that holds "
    "none of them; medians. What a message costs is the slope of the line through all rounds (least squares)."
)


def measure(stage: Stage, gateway: Gateway, messages: tuple[int, ...], rounds: int) -> list[Section]:
    times: dict[str, dict[int, list[float]]] = {way: {count: [] for count in messages} for way in (RAW, GATEWAY)}
    with Client(gateway) as client:
        for _ in range(rounds):
            for count in messages:
                with closing(stage.spare()) as worker:
                    stage.settle(gateway, [worker.pid])
                    prompt = prompt_of(request(words=_WORDS, history=turns(count // 2)))
                    times[RAW][count].append(cli.first_token(worker, prompt))
                stage.settle(gateway)
                body = request(words=_WORDS, history=turns(count // 2))
                times[GATEWAY][count].append(client.ask(body).first_token)
    columns = ("way", *(f"{count} messages" for count in messages), "a message")
    section = Section("History, replayed", _HOW, columns)
    for way, of_way in times.items():
        section.rows.append((way, *(fine_ms(median(of_way[count])) for count in messages), _slope(of_way)))
    return [section]


def _slope(times: dict[int, list[float]]) -> str:
    points = [(count, value) for count, values in times.items() for value in values]
    slope = statistics.linear_regression(*zip(*points, strict=True)).slope
    return f"{slope * 1000:.2f} ms"

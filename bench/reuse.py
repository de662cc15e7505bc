"""Time to the first token of a new conversation on a process that has held others, where the setting allows it."""

from bench import cli
from bench.client import Client
from bench.figures import Section, at_most, fine_ms, median, p95
from bench.stage import MODEL, Stage, prompt_of, request

_WORDS = 8
_HOW = (
    "The gateway with `pool.reuse = always`: a process that has answered is wiped, and serves another conversation. In "
    "turn with `claude -p`; each begins when all processes are idle, and the pool has been used through before."
)


def measure(stage: Stage, rounds: int) -> list[Section]:
    by_process: list[float] = []
    by_gateway: list[float] = []
    with stage.gateway(reuse="always") as gateway, Client(gateway) as client:
        for number in range(-4, rounds):
            stage.settle(gateway)
            first = client.ask(request(words=_WORDS)).first_token
            if number < 0:  # until then there are spare processes that are new
                continue
            by_gateway.append(first)
            stage.settle(gateway)
            prompt = prompt_of(request(words=_WORDS))
            by_process.append(cli.first_token_of_one_shot(stage.installation, MODEL, prompt))
    return [_section(by_process, by_gateway)]


def _section(by_process: list[float], by_gateway: list[float]) -> Section:
    columns = ("way", "rounds", "fastest", "median", "p95")
    section = Section("First token with reuse of processes", _HOW, columns)
    for name, values in (("`claude -p`", by_process), ("the gateway, `reuse = always`", by_gateway)):
        shown = map(fine_ms, (min(values), median(values), p95(values)))
        section.rows.append((name, str(len(values)), *shown))
    share = median(by_gateway) / median(by_process)
    what = "first token, new conversation, `reuse = always` / process per request"
    section.targets.append(at_most(what, share, 1 / 8, "times"))
    return section

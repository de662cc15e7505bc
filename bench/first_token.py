"""Time to the first token, by the state of the conversation: a process per request, a process driven directly, the
gateway, and the bare event loop."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field

from app.claude.demand import REFILL_AFTER_SECONDS
from app.claude.worker import Worker
from bench import cli
from bench.client import Client
from bench.figures import Bars, Section, Target, at_most, fine_ms, median, p95
from bench.loop import running_loop
from bench.stage import MODEL, SPARES, Stage, answered, prompt_of, request, session_seen, turns
from tests.support.gateway import Gateway

PER_REQUEST = "(a) `claude -p`, a process per request"
RAW = "(b) a warm process, driven directly"
GATEWAY = "(c) the gateway"
LOOP = "(d) a bare gevent server, no CLI"
_SHORT = {PER_REQUEST: "claude -p", RAW: "warm process", GATEWAY: "gateway", LOOP: "bare loop"}
_WORDS = 8
_LITELLM_MS = 22
_HOW = (
    "From the start of the process (a), the first line written to it (b) or the request sent on a kept-alive "
    "connection (c, d) to the first piece of text. In the order a, b, c, d, in every other round a, c, b, d, so that "
    "(b) and (c) come after the same; each begins when all processes are idle. (b) is in the state that (c) finds its "
    "process in: for a new conversation a spare one that has waited about as long, for one that goes on the process "
    "that gave the last answer and has told its end. Both replace a spare one that they took, a second after its "
    "question. (a) and the replay are told the history first. What the gateway adds to the warm process is the median "
    "of (c) - (b) within a round: a machine has quick and slow spells, and a round is short."
)


@dataclass(frozen=True)
class State:
    """`turns` are those before the question; `goes_on`: the last of them was answered by the same process."""

    name: str
    turns: int = 0
    goes_on: bool = False
    kept_for_all: bool = False  # one conversation for all rounds, for it takes seconds to tell


STATES = (
    State("new conversation"),
    State("new conversation, 100 turns before", turns=100),
    State("continued, 2 turns", turns=2, goes_on=True),
    State("continued, 200 turns", turns=200, goes_on=True, kept_for_all=True),
)


@dataclass
class Talk:
    """A conversation that waits for its next question, on a process of our own and at the gateway alike.

    `history` is what a client sends again, `longer` that with the gateway's last answer, whose process had `session`.
    """

    worker: Worker
    history: list[dict[str, str]]
    goes_on: bool = False
    longer: list[dict[str, str]] = field(default_factory=list)
    session: str = ""


Way = Callable[[Talk], float]


@dataclass
class Bench:
    stage: Stage
    gateway: Gateway
    client: Client
    loop_client: Client
    # As many as the gateway's, and taken and replaced like those: one that has waited for seconds is slower.
    spares: deque[Worker]
    started: set[int] = field(default_factory=set)  # their pids, those that are taken and ended included
    times: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    same_process: dict[str, list[bool]] = field(default_factory=dict)

    def ways(self, *, gateway_first: bool) -> Iterator[tuple[str, Way]]:
        """(b) and (c) both come after a question to the stand-in for Anthropic: it is slower after a rest."""
        yield PER_REQUEST, self.by_process_per_request
        yield from self.warm_ways(gateway_first=gateway_first)
        yield LOOP, self.by_loop

    def warm_ways(self, *, gateway_first: bool) -> Sequence[tuple[str, Way]]:
        raw, gateway = (RAW, self.by_raw), (GATEWAY, self.by_gateway)
        return (gateway, raw) if gateway_first else (raw, gateway)

    def add_spare(self) -> None:
        self.spares.append(self.stage.spare())
        self.started.add(self.spares[-1].pid)

    def settle(self) -> None:
        self.stage.settle(self.gateway, self.started)
        self.stage.sandbox.clear()

    def by_process_per_request(self, talk: Talk) -> float:
        prompt = prompt_of(request(words=_WORDS, history=talk.history))
        return cli.first_token_of_one_shot(self.stage.installation, MODEL, prompt)

    def by_raw(self, talk: Talk) -> float:
        prompt = prompt_of(request(words=_WORDS, history=talk.history))
        began = time.monotonic()
        first_token = cli.first_token(talk.worker, prompt, goes_on=talk.goes_on)
        if not talk.goes_on:  # the spare one that it took is replaced when the gateway would do it
            time.sleep(max(0.0, began + REFILL_AFTER_SECONDS - time.monotonic()))
            self.add_spare()
        return first_token

    def by_gateway(self, talk: Talk) -> float:
        body = request(words=_WORDS, history=talk.history)
        reception = self.client.ask(body)
        talk.longer = answered(body, reception.text)
        talk.session = session_seen(self.stage.sandbox)
        return reception.first_token

    def by_loop(self, talk: Talk) -> float:
        return self.loop_client.ask(request(words=_WORDS, history=talk.history)).first_token


def measure(stage: Stage, gateway: Gateway, rounds: int) -> list[Section]:
    with running_loop() as loop, Client(gateway) as client, Client(loop) as loop_client:
        bench = Bench(stage, gateway, client, loop_client, deque())
        with ExitStack() as held:
            held.callback(lambda: [worker.close() for worker in bench.spares])
            for _ in range(SPARES):
                bench.add_spare()
            talks = {
                state: held.enter_context(_talk(bench, state, gateway_first=False))
                for state in STATES
                if state.kept_for_all
            }
            for number in range(rounds):
                for state in STATES:
                    gateway_first = number % 2 == 1
                    if state in talks:
                        _round(bench, state, talks[state], gateway_first=gateway_first)
                        continue
                    with _talk(bench, state, gateway_first=gateway_first) as talk:
                        _round(bench, state, talk, gateway_first=gateway_first)
    return [_section(bench)]


def _round(bench: Bench, state: State, talk: Talk, *, gateway_first: bool) -> None:
    for name, way in bench.ways(gateway_first=gateway_first):
        bench.settle()
        before = talk.session
        bench.times.setdefault((state.name, name), []).append(way(talk))
        if name == GATEWAY:
            bench.same_process.setdefault(state.name, []).append(talk.session == before)
    if state.goes_on:  # else all are asked with the same history
        talk.history = talk.longer


@contextmanager
def _talk(bench: Bench, state: State, *, gateway_first: bool) -> Iterator[Talk]:
    """Ready for its question."""
    with closing(bench.spares.popleft()) as worker:
        talk = Talk(worker, turns(state.turns - state.goes_on))
        if state.goes_on:  # the last turn before the question is a real one
            for _, way in bench.warm_ways(gateway_first=gateway_first):
                bench.settle()
                way(talk)
            talk.goes_on, talk.history = True, talk.longer
        yield talk


def _section(bench: Bench) -> Section:
    section = Section(
        "Time to first token", _HOW, ("conversation", "way", "rounds", "fastest", "median", "p95", "/ (a)", "- (b)")
    )
    middle = {key: median(values) * 1000 for key, values in bench.times.items()}
    added = {state.name: _added(bench, state) for state in STATES}
    for (state, way), values in bench.times.items():
        share = middle[state, way] / middle[state, PER_REQUEST]
        shown = (fine_ms(min(values)), fine_ms(median(values)), fine_ms(p95(values)), f"{share:.3f}")
        more = f"{added[state]:+.1f} ms" if way == GATEWAY else ""
        section.rows.append((state, way, str(len(values)), *shown, more))
    section.targets += _targets(middle, added)
    section.notes += [*_who_answered(bench), _beside_litellm(middle, added)]
    section.bars += [_bars(state, middle) for state in STATES]
    return section


def _added(bench: Bench, state: State) -> float:
    """ms"""
    pairs = zip(bench.times[state.name, GATEWAY], bench.times[state.name, RAW], strict=True)
    return median([gateway - raw for gateway, raw in pairs]) * 1000


def _targets(middle: dict[tuple[str, str], float], added: dict[str, float]) -> Iterator[Target]:
    """In ms."""
    new = STATES[0].name
    share = middle[new, GATEWAY] / middle[new, PER_REQUEST]
    yield at_most(f"first token, {new}, gateway / process per request", share, 0.3, "times")
    for state in STATES:
        if state.goes_on:
            yield at_most(f"first token, {state.name}, gateway - warm process", added[state.name], 5, "ms")
        elif not state.turns:
            yield at_most(f"first token, {new}, gateway - warm process", added[new], 8, "ms")


def _who_answered(bench: Bench) -> Iterator[str]:
    for state in STATES:
        if state.goes_on:
            same = bench.same_process[state.name]
            yield (
                f"{state.name.capitalize()}: {sum(same)} of {len(same)} questions to the gateway were answered by the "
                "process that had given the answer before, as the sessions tell that the CLI names upstream."
            )


def _beside_litellm(middle: dict[tuple[str, str], float], added: dict[str, float]) -> str:
    told = [
        f"{state.name} it is {total:.1f} ms ({total / _LITELLM_MS:.1f} times as much), {_against(added[state.name])}"
        for state in STATES
        if state.goes_on and (total := middle[state.name, GATEWAY])
    ]
    return (
        f"{_LITELLM_MS} ms is what LiteLLM is said to add to a request that it forwards, without any CLI; it was not "
        f"measured here. The whole time to the first token here, the CLI's own work included, at the median: "
        f"{'; '.join(told)}."
    )


def _against(added: float) -> str:
    return f"{abs(added):.1f} ms {'more' if added > 0 else 'less'} than the warm process in the same round"


def _bars(state: State, middle: dict[tuple[str, str], float]) -> Bars:
    title = f"Time to first token, {state.name}"
    values = {short: middle[state.name, way] for way, short in _SHORT.items()}
    return Bars(title, "ms, median", values, frozenset({_SHORT[GATEWAY]}))

"""One process of the real CLI for several conversations: what upstream receives of each is what a fresh one sends."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.claude.completion import Completion, Order
from app.claude.counting import count_tokens
from app.claude.turn import Patience
from app.claude.worker import Worker
from app.errors import CliCrashed, CliError, CliRefused, CliTimeout, PosternError
from app.protocols.prompt import Prompt
from tests.security.driver import installation
from tests.security.login import sign_in
from tests.support import stub_claude
from tests.support.alone import Alone
from tests.support.sandbox import Sandbox, running_sandbox

Json = dict[str, Any]
CANARY = "kanarienvogel"
NEWEST = "2.1.330"
# What names the process, the request or the account, and so differs between any two.
OF_ITS_OWN = re.compile(r' (cch|cc_prompt_id|cc_prompt_index|cc_turn_index)=[^;]*;|\\"session_id\\":\\"[^"]*\\"')


@pytest.fixture
def own_sandbox() -> Iterator[Sandbox]:
    with running_sandbox() as running:
        yield running


Start = Callable[[], Worker]


@pytest.fixture(params=("key", "login"))
def start(request: pytest.FixtureRequest, own_sandbox: Sandbox, tmp_path: Path) -> Iterator[Start]:
    with starting(own_sandbox, tmp_path, NEWEST, request.param) as starter:
        yield starter


@contextmanager
def starting(sandbox: Sandbox, root: Path, version: str, mode: str) -> Iterator[Start]:
    if mode == "login":
        sign_in(sandbox, root / "data/claude")
    place = installation(root, version, sandbox, mode)
    workers: list[Worker] = []

    def starter() -> Worker:
        workers.append(Worker(place, tuple(map(int, version.split("."))), "sonnet"))
        return workers[-1]

    try:
        yield starter
    finally:
        for worker in workers:
            worker.close()


def text(said: str) -> Json:
    return {"type": "text", "text": said}


def user(said: str, **behaviour: Any) -> Json:
    order = f" [[sandbox: {json.dumps(behaviour)}]]" if behaviour else ""
    return {"role": "user", "content": [text(said + order)]}


def tool(name: str, description: str = "Does it.") -> Json:
    schema = {"type": "object", "properties": {"what": {"type": "string", "description": description}}}
    return {"name": name, "description": description, "input_schema": schema}


SECRET = Prompt(
    [f"You are a {CANARY}."],
    [user(f"{CANARY} 1"), {"role": "assistant", "content": [text(f"{CANARY} 2")]}, user(f"{CANARY} 3", answer=CANARY)],
    {"max_tokens": 4242, "stop_sequences": [f"{CANARY} 4"], "metadata": {"user_id": f"{CANARY} 5"}, "temperature": 0.5},
    # Of some names the CLI has something to say by itself.
    [tool(name, f"A tool of the {CANARY}.") for name in (f"{CANARY}_tool", "Bash", "Agent", "get_weather")],
)
NEXT = {
    "a question": Prompt([], [user("Hello.")]),
    "a history": Prompt([], [user("One."), {"role": "assistant", "content": [text("Two.")]}, user("Three.")]),
    "a system prompt": Prompt(["Be kind."], [user("Hello.")], {"max_tokens": 77_000}),
    "a tool of the same name": Prompt([], [user("Hello.")], {}, [tool("get_weather"), tool("other")]),
}


def told(lender: Alone, prompt: Prompt, owner: str = "key-2") -> list[Json]:
    """The events of a whole answer."""
    completion = Completion(lender, Order("sonnet", prompt, owner), 1, Patience())
    try:
        return [event for batch in completion.batches() for _, event in batch]
    finally:
        completion.cancel()


def words(events: list[Json]) -> str:
    return "".join(event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta")


def comparable(body: Json) -> str:
    return OF_ITS_OWN.sub("", json.dumps(body, sort_keys=True))


def shared(headers: Json) -> Json:
    """But for the values that differ between any two."""
    own = {"content-length", "host", "x-claude-code-prompt-id", "x-claude-code-session-id", "x-client-request-id"}
    return {name.lower(): "" if name.lower() in own else value for name, value in headers.items()}


@pytest.mark.parametrize("following", NEXT.values(), ids=NEXT)
def test_after_a_wipe_upstream_gets_what_a_fresh_process_sends(  # threat 9
    start: Start, own_sandbox: Sandbox, following: Prompt
):
    lender = Alone(start())
    assert words(told(lender, SECRET, "key-1")) == CANARY
    assert CANARY in str(own_sandbox.requests())
    lender.worker.wipe()
    own_sandbox.clear()
    events = told(lender, following)
    count = count_tokens(lender, Order("sonnet", following, "key-2"))
    lender.worker.wipe()
    again = told(lender, following)
    requests = own_sandbox.requests()
    assert CANARY not in str(requests) + str(events)
    assert words(again) == words(events) != ""
    own_sandbox.clear()
    fresh = Alone(start())
    told(fresh, following)
    (expected,) = own_sandbox.messages()
    first, second = (entry for entry in requests if entry["path"].split("?")[0] == "/v1/messages")
    assert comparable(first["body"]) == comparable(second["body"]) == comparable(expected["body"])
    assert shared(first["headers"]) == shared(second["headers"]) == shared(expected["headers"])
    assert count > 0


def test_a_count_leaves_nothing_behind(start: Start, own_sandbox: Sandbox):  # threat 9
    lender = Alone(start())
    plain = count_tokens(lender, Order("sonnet", NEXT["a history"], "key-2"))
    lender.worker.wipe()
    assert count_tokens(lender, Order("sonnet", SECRET, "key-1")) > plain
    lender.worker.wipe()
    own_sandbox.clear()
    assert count_tokens(lender, Order("sonnet", NEXT["a history"], "key-2")) == plain
    assert CANARY not in str(own_sandbox.requests())


def test_a_process_whose_tools_were_called_is_not_wiped(start: Start):  # threat 9
    """Under a login it goes on to name them upstream, in the header `x-claude-code-sandy-plover`."""
    lender = Alone(start())
    calling = user(CANARY, tool_use=[{"name": name, "input": {"what": CANARY}} for name in ("get_weather", "Bash")])
    told(lender, Prompt([], [calling], {}, SECRET.tools), "key-1")
    assert lender.kept
    assert not lender.worker.can_be_wiped
    with pytest.raises(CliRefused):
        lender.worker.wipe()


def test_every_conversation_of_a_process_has_its_own_tools(start: Start, own_sandbox: Sandbox):  # threat 9
    lender = Alone(start())
    for number in range(3):
        offered = [tool(f"tool_{number}"), tool("get_weather")]
        own_sandbox.clear()
        assert words(told(lender, Prompt([], [user("Hello.")], {}, offered))) != ""
        (call,) = own_sandbox.messages()
        assert call["body"]["tools"] == offered
        lender.worker.wipe()


@pytest.mark.parametrize("after", [0, 3])
def test_an_answer_that_is_broken_off_is_wiped(start: Start, own_sandbox: Sandbox, after: int):  # threat 9
    lender = Alone(start())
    slow = user(CANARY, answer=f"{CANARY} " * 200, first_delay=0 if after else 5, delta_delay=0.05)
    completion = Completion(lender, Order("sonnet", Prompt([], [slow]), "key-1"), 1, Patience())
    batches = completion.batches()
    came = 0
    while came < after or not own_sandbox.messages():
        came += len(next(batches))
    completion.cancel()
    lender.worker.wipe()
    assert own_sandbox.messages()[-1]["outcome"] == "client_closed"
    own_sandbox.clear()
    events = told(lender, NEXT["a question"])
    assert CANARY not in str(own_sandbox.requests()) + str(events)
    assert len(own_sandbox.messages()) == 1


def test_a_failed_turn_is_wiped(start: Start, own_sandbox: Sandbox):  # threat 9
    lender = Alone(start())
    own_sandbox.script(status=400, times=2)
    with pytest.raises(PosternError):
        told(lender, SECRET, "key-1")
    lender.worker.wipe()
    own_sandbox.clear()
    told(lender, NEXT["a question"])
    assert CANARY not in str(own_sandbox.requests())


def test_a_process_that_has_held_nothing_is_wiped(start: Start, own_sandbox: Sandbox):
    lender = Alone(start())
    lender.worker.write(lender.worker.configure(SECRET))
    lender.worker.wipe()
    told(lender, NEXT["a question"])
    assert CANARY not in str(own_sandbox.requests())


def test_many_conversations_one_after_the_other(start: Start, own_sandbox: Sandbox):  # threat 9
    lender = Alone(start())
    for number in range(25):
        own_sandbox.clear()
        told(lender, Prompt([f"<{number}> system"], [user(f"<{number}> question")]), f"key-{number}")
        (call,) = own_sandbox.messages()
        assert set(re.findall(r"<\d+>", json.dumps(call))) == {f"<{number}>"}
        lender.worker.wipe()


def test_nothing_of_a_wiped_conversation_is_on_disk(start: Start, tmp_path: Path):  # threat 10
    lender = Alone(start())
    told(lender, SECRET, "key-1")
    lender.worker.wipe()
    told(lender, NEXT["a question"])
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]
    assert kept == []


def test_what_cannot_be_wiped_says_so(start: Start):  # threat 9
    begun_by_the_model = Prompt([], [{"role": "assistant", "content": [text(CANARY)]}, user("Hello.")])
    lender = Alone(start())
    with suppress(PosternError):  # whether upstream takes it is another matter
        told(lender, begun_by_the_model, "key-1")
    assert not lender.worker.can_be_wiped
    with pytest.raises(CliRefused):
        lender.worker.wipe()
    ended = Alone(start())
    told(ended, NEXT["a history"], "key-1")
    ended.worker.kill()
    with pytest.raises(CliError):
        ended.worker.wipe()


def test_the_older_version_cannot(own_sandbox: Sandbox, tmp_path: Path):  # threats 9, 25
    with starting(own_sandbox, tmp_path, "2.1.197", "key") as start:
        lender = Alone(start())
        told(lender, NEXT["a history"])
        assert not lender.worker.can_be_wiped
        with pytest.raises(CliRefused):
            lender.worker.wipe()


@pytest.mark.parametrize(
    ("action", "error"),
    [
        ("", CliRefused),
        ("hang", CliTimeout),
        ("exit", (CliCrashed, CliRefused)),  # it ends after its answer: before it is asked to forget, or then
        ("result", CliTimeout),
    ],
)
def test_a_process_that_does_not_say_that_it_has_forgotten_is_not_used_again(  # threats 9, 17, 18
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: str, error: type[CliError] | tuple[type[CliError], ...]
):
    monkeypatch.setattr("app.claude.worker._WIPE_SECONDS", 1.0)
    if action == "result":  # it says so, but has ended a turn that nobody has begun
        monkeypatch.setattr("app.claude.worker.is_taken_back", lambda response: True)
    place = replace(
        installation(tmp_path, NEWEST, Sandbox("", "", "", 0)), binary=stub_claude.install(tmp_path / "bin")
    )
    worker = Worker(place, (2, 1, 330), "sonnet")
    try:
        told(Alone(worker), Prompt([], [{"role": "user", "content": [text(stub_claude.prompt(action, at="end"))]}]))
        with pytest.raises(error):
            worker.wipe()
    finally:
        worker.close()

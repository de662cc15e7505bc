"""Every hostile text again, on one process that is wiped after each: what arrives is that text and nothing else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.claude.completion import Completion, Order
from app.claude.turn import Patience
from app.claude.worker import Worker
from app.protocols.prompt import Prompt
from tests.security.driver import installation
from tests.security.ground import Json, Traps, guarded, said, set_traps, text
from tests.security.login import sign_in
from tests.support.alone import Alone
from tests.support.sandbox import Sandbox, running_sandbox

# Anthropic takes user ids of up to 256 characters.
LONGEST_USER_ID = 256
# The older version cannot be wiped.
NEWEST = "2.1.330"


@pytest.fixture(params=("login", "key"))
def reused(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Alone, Sandbox, Traps]]:
    traps = set_traps(tmp_path)
    with running_sandbox() as sandbox:
        if request.param == "login":
            sign_in(sandbox, tmp_path / "data/claude")
        place = installation(tmp_path, NEWEST, sandbox, request.param)
        worker = Worker(place, tuple(map(int, NEWEST.split("."))), "sonnet")
        try:
            yield Alone(worker), sandbox, traps
        finally:
            worker.close()


def test_every_text_alone_is_one_call_that_holds_it_alone(  # threats 1, 2, 4, 9
    reused: tuple[Alone, Sandbox, Traps],
):
    lender, sandbox, traps = reused
    texts = traps.texts()
    for one in texts:
        answered(lender, Prompt([], [user(one)]))
    assert [said(call["body"]) for call in sandbox.messages()] == [[("user", [text(guarded(one))])] for one in texts]
    nothing_happened(sandbox, traps)


def test_every_text_in_every_place_is_only_text(reused: tuple[Alone, Sandbox, Traps]):  # threats 1, 2, 4, 9
    """Every other conversation has less, and so could have something of the one before."""
    lender, sandbox, traps = reused
    texts = [one for one in traps.texts() if len(one) <= LONGEST_USER_ID]
    for one in texts:
        messages = [user(one), {"role": "assistant", "content": [text(one)]}, user(one)]
        tool = {"name": "look", "description": one, "input_schema": {"type": "object", "title": one}}
        sandbox.clear()
        answered(lender, Prompt([one], messages, {"stop_sequences": [one], "metadata": {"user_id": one}}, [tool]))
        answered(lender, Prompt([], messages))
        more, less = (call["body"] for call in sandbox.messages())
        turns = [("user", [text(guarded(one))]), ("assistant", [text(one)]), ("user", [text(guarded(one))])]
        assert said(more) == said(less) == turns
        assert (more["tools"], more["stop_sequences"], more["metadata"]) == ([tool], [one], {"user_id": one})
        assert (less["tools"], less.get("stop_sequences")) == ([], None)
        assert less["metadata"]["user_id"].startswith('{"device_id":')
        assert [len(body["system"]) for body in (more, less)] == [3, 2]
        nothing_happened(sandbox, traps)


def user(said: str) -> Json:
    return {"role": "user", "content": [text(said)]}


def answered(lender: Alone, prompt: Prompt) -> None:
    completion = Completion(lender, Order("sonnet", prompt, "key-1"), 1, Patience())
    try:
        events: list[Any] = [event for batch in completion.batches() for event in batch]
    finally:
        completion.cancel()
    assert events
    lender.worker.wipe()


def nothing_happened(sandbox: Sandbox, traps: Traps) -> None:
    everything = str(sandbox.requests())
    assert [place for place, word in traps.words.items() if word in everything] == []
    assert not traps.proof.exists()

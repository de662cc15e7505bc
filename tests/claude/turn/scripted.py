"""A process that follows a script, and a turn on it. Time is the script's."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from app.claude.events import (
    Line,
    ResultLine,
    StreamEvent,
    StreamEventLine,
    SystemLine,
)
from app.claude.turn import Patience, Turn
from app.errors import (
    PosternError,
)
from app.protocols.prompt import Prompt

PATIENCE = Patience(retrying=6.0, first_event=20.0, between_events=10.0, whole_turn=100.0)
NOON = 1_700_000_000.0  # by the wall clock

Step = list[Line] | float | Exception


class ScriptedProcess:
    """Each step is a batch of lines, seconds of silence, or an error. After the last one: silence."""

    def __init__(self, *steps: Step) -> None:
        self._steps = list(steps)
        self.now = 1000.0
        self.killed = 0
        self.calls: dict[str, Any] = {}
        self.log: list[Any] = []  # what was written, and "read" for each batch that was taken

    full_model = "claude-x"

    def clock(self) -> float:
        return self.now

    def configure(self, prompt: Prompt) -> list[dict[str, Any]]:
        return [{"type": "control_request", "body": dict(prompt.parameters)}]

    def reconfigure(self, prompt: Prompt) -> list[dict[str, Any]]:
        return self.configure(prompt)

    def await_settled(self, seconds: float) -> bool:
        self.log.append("settled")
        return True

    def write(self, messages: Sequence[Mapping[str, Any]]) -> None:
        self.log.append([outline(message) for message in messages])

    def read(self, timeout: float) -> list[Line]:
        assert timeout > 0
        step = self._steps.pop(0) if self._steps else timeout
        if isinstance(step, Exception):
            raise step
        if isinstance(step, float):
            self.now += min(step, timeout)
            if step > timeout:
                self._steps.insert(0, step - timeout)
            return []
        self.log.append("read")
        return step

    def forbid_further_requests(self) -> None:
        self.log.append("forbidden")

    def tap(self, wanted: Callable[[Line], bool]) -> "ScriptedTap":
        return ScriptedTap(self._steps, wanted)

    def kill(self) -> None:
        self.killed += 1

    @property
    def steps_left(self) -> int:
        return len(self._steps)


class ScriptedTap:
    """Until the next step with something that is not wanted, or silence."""

    def __init__(self, steps: list[Step], wanted: Callable[[Line], bool]):
        self._steps = steps
        self._wanted = wanted

    def fileno(self) -> int:
        return -1

    def read(self) -> list[Line] | None:
        if self._steps and isinstance(step := self._steps[0], list) and all(map(self._wanted, step)):
            self._steps.pop(0)
            return step
        return None

    def close(self) -> None:
        pass


def outline(message: Mapping[str, Any]) -> str:
    if message["type"] == "control_request":
        return "control"
    said = message["message"]["content"][0]["text"]
    return f"{message['type']} {said}{'' if message.get('shouldQuery', True) else ' (history)'}"


def event(kind: str, **members: Any) -> Line:
    return StreamEventLine({"type": kind, **members})


START = event("message_start", message={"model": "claude-x"})
STOP = event("message_stop")
RESULT = ResultLine("success", num_turns=1)
TAKEN = ResultLine("success", num_turns=0)


def text(said: str) -> Line:
    return event("content_block_delta", index=0, delta={"type": "text_delta", "text": said})


def delta(stop_reason: str | None = "end_turn") -> Line:
    return event("message_delta", delta={"stop_reason": stop_reason}, usage={"output_tokens": 5})


def retry(delay: float, status: int | None = 529, attempt: int = 1) -> Line:
    return SystemLine("api_retry", attempt, delay * 1000, status)


def failed(status: int | None, said: str = "") -> Line:
    return ResultLine("success", is_error=True, api_error_status=status, result=said)


def prompt(*roles: str) -> Prompt:
    """Messages "0", "1" and so on with these roles, and the user's question after them."""
    messages = [
        {"role": role, "content": [{"type": "text", "text": str(number)}]}
        for number, role in enumerate([*roles, "user"])
    ]
    return Prompt(["be"], messages, {"max_tokens": 5})


def turn(process: ScriptedProcess, asked: Prompt | None = None) -> Turn:
    return Turn(process, asked or prompt(), PATIENCE, clock=process.clock, wall_clock=lambda: NOON)


def batches(*steps: Step) -> list[list[StreamEvent]]:
    return list(turn(ScriptedProcess(*steps)).events())


def events(*steps: Step) -> list[str]:
    """A word for each event: the text of a delta, else the type."""
    return [
        found["delta"]["text"] if found["type"] == "content_block_delta" else found["type"].removeprefix("message_")
        for batch in batches(*steps)
        for found in batch
    ]


def full(found: Iterator[list[StreamEvent]]) -> Iterator[list[StreamEvent]]:
    """Without the ticks."""
    return filter(None, found)


def failure(*steps: Step, process: ScriptedProcess | None = None) -> PosternError:
    with pytest.raises(PosternError) as raised:
        list(turn(process or ScriptedProcess(*steps)).events())
    return raised.value

"""What is written to a process up to the moment in which it asks upstream."""

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any, Protocol

from app.claude import continuity, conversation, tools
from app.claude.conversation import Block, JsonLine, Prompt
from app.claude.events import ControlResponseLine, Line, ResultLine, UserLine
from app.claude.failures import failure
from app.claude.tools import Call
from app.errors import CliCrashed, CliTimeout

_CONFIGURE_SECONDS = 15.0
# A call comes to the gateway within milliseconds of its tool_use.
_CALL_SECONDS = 5.0
_COUNT_SECONDS = 30.0
# A turn is over some milliseconds after its answer; else another process is the quicker one.
_END_OF_TURN_SECONDS = 0.5
# How often a process that says nothing lets its reader look about.
TICK_SECONDS = 0.25


class Asked(Protocol):
    """A `claude` process that has been made ready (app.claude.worker)."""

    @property
    def full_model(self) -> str: ...
    @property
    def calls(self) -> dict[str, Call]: ...
    def configure(self, prompt: Prompt) -> list[JsonLine]: ...
    def reconfigure(self, prompt: Prompt) -> list[JsonLine]: ...
    def await_settled(self, seconds: float) -> bool: ...
    def write(self, messages: Sequence[Mapping[str, Any]]) -> None: ...
    def read(self, timeout: float) -> list[Line]: ...


class Asking:
    """Its iterators yield whenever time may have passed, so that whoever waits can look about."""

    def __init__(self, process: Asked, prompt: Prompt, clock: Callable[[], float] = time.monotonic):
        self._process = process
        self._prompt = prompt
        self._clock = clock

    def anew(self) -> Iterator[None]:
        """On a process that holds nothing yet."""
        pending = yield from self._tell(self._process.configure(self._prompt), self._prompt.messages)
        self._process.write([*pending, conversation.question(self._prompt.messages)])

    def go_on(self) -> Iterator[None]:
        """On a process that holds all but the last message."""
        if continuity.brings_results(self._prompt):
            yield from self._go_on_with_results(self._prompt.messages[-1]["content"])
            return
        deadline = self._clock() + _END_OF_TURN_SECONDS
        while not self._process.await_settled(TICK_SECONDS):
            if self._clock() >= deadline:
                raise CliTimeout("The claude CLI did not end its turn in time.")
            yield
        self._process.write([*self._process.reconfigure(self._prompt), conversation.question(self._prompt.messages)])

    def _go_on_with_results(self, results: Sequence[Block]) -> Iterator[None]:
        """One after the other: so they stand in this order upstream."""
        self._process.write(self._process.reconfigure(self._prompt))
        *earlier, last = results
        for block in earlier:
            yield from self._hand_over(block)
            yield from self._await_its_place(block["tool_use_id"])
        yield from self._hand_over(last)

    def count(self) -> Generator[None, None, int]:
        """The tokens of the prompt, by upstream's own count, which the CLI asks for. Asks no model."""
        all_of_them = [*self._prompt.messages, {"role": "user", "content": []}]
        pending = yield from self._tell(self._process.configure(self._prompt), all_of_them)
        self._process.write([*pending, conversation.control_request("count", "get_context_usage")])
        for line in self._lines(_COUNT_SECONDS):
            if isinstance(line, ControlResponseLine) and line.response.request_id == "count":
                return _total(line.response.response or {})
            yield
        raise CliTimeout("The claude CLI did not count the tokens in time.")

    def _tell(
        self, pending: list[JsonLine], messages: Sequence[Mapping[str, Any]]
    ) -> Generator[None, None, list[JsonLine]]:
        """All but the last message, in as few pieces as the order allows. Gives what is still to be written."""
        for batch in conversation.history(messages, self._process.full_model):
            pending = [*pending, *batch]
            if batch[-1]["type"] == "user":
                self._process.write(pending)
                pending = []
                yield from self._await_result()
                yield
        return pending

    def _await_result(self) -> Iterator[None]:
        for line in self._lines(_CONFIGURE_SECONDS):
            if isinstance(line, ResultLine):
                if line.is_error:
                    raise failure(line.api_error_status, line.result)
                return
            yield
        raise CliTimeout("The claude CLI did not take the conversation's history in time.")

    def _hand_over(self, block: Block) -> Iterator[None]:
        use = block["tool_use_id"]
        lines = self._lines(_CALL_SECONDS)
        while use not in self._process.calls:
            if next(lines, lines) is lines:
                raise CliTimeout("The claude CLI has not called the tool.", detail=f"no call for {use}")
            yield
        self._process.write([tools.result(self._process.calls.pop(use), block)])

    def _await_its_place(self, use: str) -> Iterator[None]:
        for line in self._lines(_CALL_SECONDS):
            content = line.message.content if isinstance(line, UserLine) else ""
            if not isinstance(content, str) and any(block.tool_use_id == use for block in content):
                return
            yield
        raise CliTimeout("The claude CLI did not take a tool's result in time.")

    def _lines(self, seconds: float) -> Iterator[Line | None]:
        """Each line that comes within so many seconds; None when a tick brought nothing."""
        deadline = self._clock() + seconds
        while (left := deadline - self._clock()) > 0:
            lines = self._process.read(min(TICK_SECONDS, left))
            for line in lines:
                check_control(line)
            yield from lines
            if not lines:
                yield None


def _total(usage: Mapping[str, Any]) -> int:
    total = usage.get("totalTokens")
    if not isinstance(total, int):
        raise CliCrashed("The claude CLI did not count the tokens.", detail=f"it told {sorted(usage)}")
    return total


def check_control(line: Line) -> None:
    """Raises CliCrashed."""
    if isinstance(line, ControlResponseLine) and line.response.subtype == "error":
        raise CliCrashed("The claude CLI refused its configuration.", detail=line.response.error)

"""One completion on one process: configure it, replay the history, ask, and give upstream's events as they come."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from app.claude.asking import TICK_SECONDS, Asked, Asking, check_control
from app.claude.conversation import Block, Prompt
from app.claude.cut_off import CutOff
from app.claude.events import (
    AssistantLine,
    Line,
    RateLimitLine,
    ResultLine,
    StreamEvent,
    StreamEventLine,
    SystemLine,
)
from app.claude.failures import failure
from app.errors import CliCrashed, CliTimeout, PosternError

log = logging.getLogger(__name__)

# After one of these the CLI is done, and can be asked more. After others it goes on upstream by itself: max_tokens
# ("Output token limit hit. Resume directly"), model_context_window_exceeded, tool_use, whatever comes tomorrow. It is
# told not to on the way to a limit, and it is killed at the end besides.
_ANSWERED = frozenset({"end_turn", "stop_sequence"})

# Upstream began again: what came so far of the message belongs to no answer. Ours, not Anthropic's.
RESTART: StreamEvent = {"type": "postern_restart"}


class Tapped(Protocol):
    """app.claude.process.Tap"""

    def fileno(self) -> int: ...
    def read(self) -> list[Line] | None: ...
    def close(self) -> None: ...


class Process(Asked, Protocol):
    """What a turn needs of a `claude` process that has been made ready (app.claude.worker)."""

    def forbid_further_requests(self) -> None: ...
    def tap(self, wanted: Callable[[Line], bool]) -> Tapped | None: ...
    def kill(self) -> None: ...


@dataclass(frozen=True)
class Patience:
    """Seconds. `retrying` bounds what the CLI may spend on asking a failing upstream again."""

    retrying: float = 6.0
    first_event: float = 120.0
    between_events: float = 120.0
    whole_turn: float = 1800.0


class Turn:
    """Iterate `events()`; each item is a batch that arrived together, empty when a tick brought nothing.

    `goes_on`: the process holds all but the last message already. `ahead`: the CLI may be far ahead of who iterates.
    """

    def __init__(
        self,
        process: Process,
        prompt: Prompt,
        patience: Patience,
        *,
        goes_on: bool = False,
        ahead: bool = False,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ):
        self.answer: list[Block] = []  # the blocks of the assistant's message, as far as they are whole
        self.asked = False  # upstream has been, as far as is known
        self.waits_for_results = False  # it has ended with tool calls, and the process can go on when it has results
        self.waits_for_question = False  # it has ended, and the process can be asked something more
        self._process = process
        self._prompt = prompt
        self._goes_on = goes_on
        self._patience = patience
        self._clock = clock
        self._wall_clock = wall_clock
        self._begun_at = self._heard_at = clock()
        self._started = False  # a message_start was given
        self._stop_reason: str | None = None
        self._silent = True  # no delta came yet
        self._blank = True  # and none with something to see: after such an answer, too, the CLI goes on
        self._cut_off = CutOff(prompt.parameters, ahead=ahead)
        self._forbidden = False  # to go on upstream by itself
        self._done = False
        self._failing_since: float | None = None
        self._limit_resets_at: float | None = None

    def events(self) -> Iterator[list[StreamEvent]]:
        """Ends after upstream's message_stop. Raises PosternError when there is no answer, or no whole one."""
        asking = Asking(self._process, self._prompt, self._clock)
        for _ in asking.go_on() if self._goes_on else asking.anew():
            self._check_whole_time()
            yield []
        self.asked = True
        self._heard_at = self._clock()
        while not self._done:
            lines = self._process.read(TICK_SECONDS)
            if lines:
                self._heard_at = self._clock()
            self._check_time()
            batch = [event for line in lines for event in self._interpret(line)]
            if batch or not lines:
                yield batch
                self._forbid_where_needed()
            if lines:
                # Again when the batch is taken: a reader that is slow makes no silence of the CLI's.
                self._heard_at = self._clock()

    def deltas(self) -> "Deltas | None":
        """The deltas that come until there is another event: `events()` gives that one.

        To be called between two items of `events()`, and read in another thread. None while there is nothing that could
        be read so. Raises CliTimeout.
        """
        if self._silent or self._done:
            return None
        self._heard_at = self._clock()
        self._check_time()
        self._forbid_where_needed()
        tap = self._process.tap(_is_delta)
        return None if tap is None else Deltas(tap, None if self._forbidden else self._cut_off)

    def _interpret(self, line: Line) -> Iterator[StreamEvent]:
        if self._done:
            return
        match line:
            case StreamEventLine(event=event):
                yield from self._stream_event(event)
            case SystemLine(subtype="api_retry"):
                self._weigh_retry(line)
            case AssistantLine(message=message):
                self.answer += message.content
            case RateLimitLine(rate_limit_info=info) if info.status == "rejected":
                self._limit_resets_at = info.resets_at
            case ResultLine():
                raise self._failed(line)
            case _:
                check_control(line)

    def _stream_event(self, event: StreamEvent) -> Iterator[StreamEvent]:
        self._cut_off.hear(event)
        match event.get("type"):
            case "message_start":
                if self._started:
                    yield RESTART
                self._started = True
                self._failing_since = None
                self._stop_reason = None
                self._silent = self._blank = True
                self.answer = []
            case "content_block_delta":
                self._silent = False
                self._blank = self._blank and not _is_visible(event["delta"])
            case "message_delta":
                yield event
                if self._ends_here(event.get("delta", {}).get("stop_reason")):
                    yield {"type": "message_stop"}
                return
            case "message_stop":
                # 2.1.330 closes a message that broke with a message_stop of its own, without a stop reason.
                if self._stop_reason is None:
                    return
                self._done = True
                self.waits_for_question = bool(self.answer) and self._stop_reason in _ANSWERED
        yield event

    def _forbid_where_needed(self) -> None:
        """Where it may be needed, and not before the first words are on their way: it costs the CLI milliseconds."""
        if not self._silent and not self._done and self._cut_off.may_come:
            self.forbid_further_requests()

    def forbid_further_requests(self) -> None:
        """By the CLI itself, behind this answer. To be called when whoever reads it is slow; twice does no harm."""
        if self._forbidden:
            return
        self._forbidden = True
        with suppress(CliCrashed):  # what it wrote before its end still counts; the next read tells of the end
            self._process.forbid_further_requests()

    def _ends_here(self, stop_reason: str | None) -> bool:
        """Ends the process before it can go on by itself, without waiting for the message_stop."""
        self._stop_reason = stop_reason
        if stop_reason == "tool_use" and self._calls_reach_us():
            self.waits_for_results = True
        elif stop_reason and (stop_reason not in _ANSWERED or self._is_blank()):
            self._process.kill()
            self._done = True
        return self._done

    def _is_blank(self) -> bool:
        """Deltas that were read in another thread stand in the answer."""
        return self._blank and not any(map(_is_visible, self.answer))

    def _calls_reach_us(self) -> bool:
        """The CLI answers a call of a tool that nobody offered by itself, and goes on."""
        offered = {tool["name"] for tool in self._prompt.tools}
        called = [block["name"] for block in self.answer if block["type"] == "tool_use"]
        return bool(called) and offered.issuperset(called)

    def _weigh_retry(self, line: SystemLine) -> None:
        """The CLI is about to wait and ask again: let it, while that can succeed soon."""
        delay = line.retry_delay_ms / 1000
        if self._failing_since is None:
            self._failing_since = self._clock()
        elapsed = self._clock() - self._failing_since
        log.info("upstream failed (status %s), attempt %s, next in %.1f s", line.error_status, line.attempt, delay)
        if line.error_status in (401, 403) or elapsed + delay > self._patience.retrying:
            raise failure(line.error_status, "", delay)

    def _failed(self, line: ResultLine) -> PosternError:
        if not line.is_error:
            return CliCrashed("The claude CLI ended the turn without an answer.", detail=f"result {line.subtype}")
        wait = None if self._limit_resets_at is None else self._limit_resets_at - self._wall_clock()
        return failure(line.api_error_status, line.result, wait)

    def _check_time(self) -> None:
        self._check_whole_time()
        silent = self._clock() - self._heard_at
        if silent > (self._patience.between_events if self._started else self._patience.first_event):
            raise CliTimeout("The claude CLI did not answer in time.", detail=f"silent for {silent:.0f} s")

    def _check_whole_time(self) -> None:
        if self._clock() - self._begun_at > self._patience.whole_turn:
            raise CliTimeout("The claude CLI did not answer in time.", detail="the turn took too long")


class Deltas:
    """Never waits. Gives the stream back when a limit comes near that was far `until` then."""

    def __init__(self, tap: Tapped, until: CutOff | None = None):
        self._tap = tap
        self._until = until
        self.fileno = tap.fileno
        self.close = tap.close

    def read(self) -> list[StreamEvent] | None:
        """None when there is something else, or the end. Raises CliCrashed."""
        if self._until and self._until.may_come:
            return None
        lines = self._tap.read()
        if lines is None:
            return None
        events = [line.event for line in lines if isinstance(line, StreamEventLine)]
        if self._until:
            for event in events:
                self._until.hear(event)
        return events


def _is_delta(line: Line) -> bool:
    return isinstance(line, StreamEventLine) and line.event.get("type") == "content_block_delta"


def _is_visible(part: Block) -> bool:
    """Of a block, or a delta of one: what the CLI takes for an answer."""
    match part["type"]:
        case "text" | "text_delta":
            return bool(part["text"].strip())
        case "thinking" | "thinking_delta" | "signature_delta" | "redacted_thinking":
            return False
    return True

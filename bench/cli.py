"""What the gateway is compared with: the CLI driven directly, by the lines that the gateway writes."""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from app.claude.asking import Asked, Asking
from app.claude.command import Installation, command_line, environment
from app.claude.conversation import JsonLine, Prompt
from app.claude.events import Line, ResultLine, StreamEventLine, parse_line
from app.claude.framing import LineFramer

_READ = 1 << 18
_ANSWER_SECONDS = 120.0


def is_delta(line: Line) -> bool:
    return isinstance(line, StreamEventLine) and line.event["type"] == "content_block_delta"


class OneShot:
    """`claude -p` for one request: the history and the question on its standard input, and the lines that it prints."""

    full_model = ""
    calls: Mapping[str, Any] = {}

    def __init__(self, process: subprocess.Popen[bytes]):
        self._process = process
        self._framer = LineFramer()

    def configure(self, prompt: Prompt) -> list[JsonLine]:
        return []

    def write(self, lines: Sequence[Mapping[str, Any]]) -> None:
        assert self._process.stdin
        self._process.stdin.write(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
        self._process.stdin.flush()

    def ask(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Nothing follows, and the process ends with its answer."""
        assert self._process.stdin
        self.write(lines)
        self._process.stdin.close()

    def read(self, timeout: float) -> list[Line]:
        assert self._process.stdout
        chunk = os.read(self._process.stdout.fileno(), _READ)
        assert chunk, "claude -p ended without an answer"
        return [line for line in map(parse_line, self._framer.feed(chunk)) if line]


@contextmanager
def one_shot(installation: Installation, model: str) -> Iterator[OneShot]:
    """Returns when the process is gone."""
    process = subprocess.Popen(
        command_line(installation, model),
        env=environment(installation),
        cwd=installation.empty_dir,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        yield OneShot(process)


def ask(process: Asked, prompt: Prompt, *, goes_on: bool = False) -> None:
    """`goes_on`: the process holds all but the last message, and has told its last turn's result."""
    asking = Asking(process, prompt)
    for _ in asking.go_on() if goes_on else asking.anew():
        pass


def lines_of_answer(process: Asked) -> Iterator[Line]:
    """To the end of the turn. Fails when it was no answer."""
    deadline = time.monotonic() + _ANSWER_SECONDS
    while time.monotonic() < deadline:
        for line in process.read(1.0):
            yield line
            if isinstance(line, ResultLine):
                assert not line.is_error, line
                return
    raise AssertionError("the claude process did not answer in time")


def answer(process: Asked, prompt: Prompt, *, goes_on: bool = False) -> None:
    ask(process, prompt, goes_on=goes_on)
    for _ in lines_of_answer(process):
        pass


def first_token(process: Asked, prompt: Prompt, *, goes_on: bool = False) -> float:
    """Seconds from the first byte written to the first delta. Returns when the turn is over."""
    began, first = time.perf_counter(), None
    ask(process, prompt, goes_on=goes_on)
    for line in lines_of_answer(process):
        if first is None and is_delta(line):
            first = time.perf_counter() - began
    assert first is not None, "the claude process printed no delta"
    return first


def first_token_of_one_shot(installation: Installation, model: str, prompt: Prompt) -> float:
    """Seconds from before the spawn to the first delta. Returns when the process is gone."""
    began = time.perf_counter()
    with one_shot(installation, model) as process:
        spawned = time.perf_counter() - began
        return spawned + first_token(process, prompt)

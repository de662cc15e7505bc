"""What the gateway is compared with: the CLI driven directly."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from app.claude import conversation
from app.claude.command import Installation, command_line, environment
from app.claude.conversation import Prompt
from app.claude.events import Line, ResultLine, StreamEventLine, parse_line
from app.claude.framing import LineFramer
from app.claude.worker import Worker

_READ = 1 << 18
_ANSWER_SECONDS = 60.0


def is_delta(line: Line) -> bool:
    return isinstance(line, StreamEventLine) and line.event["type"] == "content_block_delta"


@contextmanager
def _process_per_request(installation: Installation, model: str, prompt: Prompt) -> Iterator[Iterator[Line]]:
    """`claude -p` with the prompt on its standard input, and the lines that it prints."""
    process = subprocess.Popen(
        command_line(installation, model),
        env=environment(installation),
        cwd=installation.empty_dir,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(msgspec.json.encode(conversation.question(prompt.messages)) + b"\n")
        process.stdin.close()
        yield _lines(process.stdout.fileno())


def _lines(source: int) -> Iterator[Line]:
    framer = LineFramer()
    while chunk := os.read(source, _READ):
        yield from filter(None, map(parse_line, framer.feed(chunk)))


def first_token_of_a_process_per_request(installation: Installation, model: str, prompt: Prompt) -> float:
    """Seconds from before the spawn to the first delta. Returns when the process is gone."""
    began, first = time.perf_counter(), None
    with _process_per_request(installation, model, prompt) as lines:
        for line in lines:
            if first is None and is_delta(line):
                first = time.perf_counter() - began
    assert first is not None, "claude -p printed no delta"
    return first


def answer_by_a_process_per_request(installation: Installation, model: str, prompt: Prompt) -> None:
    """Returns when the process is gone. Fails when it did not answer."""
    with _process_per_request(installation, model, prompt) as lines:
        results = [line for line in lines if isinstance(line, ResultLine)]
    assert [result.is_error for result in results] == [False], results


def first_token_of_a_spare(worker: Worker, prompt: Prompt) -> float:
    """Seconds from the first byte written to the first delta; the gateway's own lines, and no gateway."""
    began = time.perf_counter()
    worker.write([*worker.configure(prompt), conversation.question(prompt.messages)])
    while time.perf_counter() - began < _ANSWER_SECONDS:
        if any(map(is_delta, worker.read(1.0))):
            return time.perf_counter() - began
    raise AssertionError("the spare process printed no delta")

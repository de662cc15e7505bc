"""A completion as a response: streamed or whole, from the same iterator."""

import logging
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from flask import Response, jsonify, request

from app.api import errors
from app.api.relay import Passage, Relay
from app.claude import line_json
from app.claude.completion import Batch, Completion
from app.claude.events import StreamEvent
from app.claude.line_json import is_long
from app.errors import PosternError
from app.pace import STEP_BYTES, give_way
from app.protocols import sse
from app.services import services

log = logging.getLogger(__name__)

# linux/tcp.h: the first byte of struct tcp_info is the state; include/net/tcp_states.h: 7 (CLOSE) and 8 (CLOSE_WAIT).
# A client that closes only its own direction after the request is in CLOSE_WAIT, too, and counts as gone: that it still
# reads cannot be seen. It is what nginx and other servers of HTTP make of it.
_CLOSED_BY_CLIENT = (7, 8)

_BEGINNINGS = frozenset({"message_start", "ping", "content_block_start"})


class Answer(Protocol):
    """What a protocol makes of the events. `keep_alive` is what a silent stream says from time to time."""

    @property
    def keep_alive(self) -> bytes: ...
    def encode(self, index: int, event: Mapping[str, Any]) -> bytes: ...
    def end(self) -> bytes: ...
    def failed(self, error: PosternError) -> bytes: ...
    def take(self, index: int, event: Mapping[str, Any]) -> None: ...
    def whole(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Timing:
    """Seconds: that a stream's beginning is held in the queue, and after it; between two signs of life; until a slow
    reader is cut off.
    """

    queue_hold: float
    status_hold: float
    keepalive: float
    write_timeout: float


def whole(completion: Completion, answer: Answer, gone: Callable[[], bool]) -> Response:
    try:
        for batch in completion.batches():
            if gone():
                return _nobody()
            for index, event in batch:
                answer.take(index, event)
    finally:
        completion.cancel()
    return as_json(answer.whole())


def as_json(value: dict[str, Any]) -> Response:
    """In steps where it is large: /v1/responses tells the instructions again."""
    if not is_long(value, STEP_BYTES):
        return jsonify(value)
    pieces = []
    for piece in line_json.pieces([value]):
        pieces.append(piece)
        give_way()
    return Response(services().off_loop(b"".join, pieces), mimetype="application/json")


def stream(
    completion: Completion,
    answer: Answer,
    gone: Callable[[], bool],
    timing: Timing,
    carry: Callable[[Passage], None] | None = None,
) -> Response:
    """Waits up to `timing.status_hold` seconds for the first event, so that a failure before it keeps its true status.

    Up to `timing.queue_hold` in the queue come before: who is refused there learns it by the status.
    `gone` tells that the client left, and raises what else ends the answer. With `carry`, the bulk of the deltas goes
    through another thread.
    """
    relay = _relay(completion, answer, carry)
    batches = completion.batches()
    try:
        first = _first(completion, gone, timing)
    except BaseException:
        completion.cancel()
        raise
    chunks = _with_error(_chunks(batches, first, answer, timing.keepalive, gone, relay), answer)
    body = _Body(chunks, completion.cancel, timing.write_timeout)
    return Response(body, content_type=sse.CONTENT_TYPE, headers=sse.HEADERS, direct_passthrough=True)


class _Body:
    """An iterator that the server closes in any case. (A generator that was never begun does not run its `finally`.)

    A client that does not read what is sent is cut off after `write_timeout` seconds: it holds a process meanwhile.
    """

    def __init__(self, chunks: Iterator[bytes], cancel: Callable[[], None], write_timeout: float):
        self._chunks = chunks
        self._cancel = cancel
        self._connection = request.environ.get("gunicorn.socket")
        self._patience = self._connection and self._connection.gettimeout()
        self._corked = False
        if self._connection:
            self._connection.settimeout(write_timeout)
            self._cork(True)

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            yield chunk
            if self._corked:
                self._cork(False)

    def close(self) -> None:
        self._cancel()
        if self._connection:
            if self._corked:
                self._cork(False)
            self._connection.settimeout(self._patience)

    def _cork(self, corked: bool) -> None:
        """The headers go out with the first chunk, in one packet."""
        self._corked = corked
        if self._connection:
            with suppress(OSError):  # no TCP connection, or none any more
                self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, corked)


def client_gone() -> Callable[[], bool]:
    """A look at the connection itself: the client is missed within a tick, also while there is nothing to send it."""
    connection = request.environ.get("gunicorn.socket")

    def gone() -> bool:
        if connection is None:
            return False
        try:
            info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
        except OSError:
            return False  # no TCP connection; the next write will tell
        return struct.unpack("B", info)[0] in _CLOSED_BY_CLIENT

    return gone


def _first(completion: Completion, gone: Callable[[], bool], timing: Timing) -> Batch:
    deadline = time.monotonic() + timing.status_hold
    in_queue = time.monotonic() + timing.queue_hold
    first: Batch = []
    for batch in completion.batches():
        if completion.queued and time.monotonic() < in_queue:
            deadline = time.monotonic() + timing.status_hold
        first += batch
        # What only begins waits for the first words, a tick at the most: each write costs as much as all else here.
        if any(event["type"] not in _BEGINNINGS for _, event in batch):
            return first
        if not batch and (first or gone() or time.monotonic() >= deadline):
            return first
    return first


def _relay(completion: Completion, answer: Answer, carry: Callable[[Passage], None] | None) -> Callable[[], bool]:
    connection = request.environ.get("gunicorn.socket")
    if carry is None or connection is None or request.environ["SERVER_PROTOCOL"] != "HTTP/1.1":
        return lambda: False

    def encode(events: list[StreamEvent]) -> bytes:
        return b"".join([answer.encode(0, event) for event in events])

    return Relay(connection, carry, completion.deltas, encode, completion.reader_is_slow).run


def _chunks(
    batches: Iterator[Batch],
    first: Batch,
    answer: Answer,
    keepalive: float,
    gone: Callable[[], bool],
    relay: Callable[[], bool],
) -> Iterator[bytes]:
    # A late beginning begins with a comment: the headers alone would wait for the first chunk.
    yield _encode(answer, first) if first else answer.keep_alive
    sent_at = time.monotonic()
    for batch in batches:
        if gone():
            return
        if data := _encode(answer, batch):
            yield data
            # Not after a sign of life: the relay takes each of its calls for a sign that the CLI lives.
            while relay():
                if gone():
                    return
        elif time.monotonic() - sent_at >= keepalive:
            yield answer.keep_alive
        else:
            continue
        sent_at = time.monotonic()
    yield answer.end()


def _with_error(chunks: Iterator[bytes], answer: Answer) -> Iterator[bytes]:
    """A stream that cannot be completed ends with an error event."""
    try:
        yield from chunks
    except OSError:  # the connection's: nobody could be told
        raise
    except PosternError as error:
        errors.log_failure(error)
        yield answer.failed(error)
    except Exception:
        log.exception("unexpected error in a stream")
        yield answer.failed(PosternError("The gateway made an error. Its log says more."))


def _encode(answer: Answer, batch: Batch) -> bytes:
    return b"".join([answer.encode(index, event) for index, event in batch])


def _nobody() -> Response:
    return Response(status=499)  # nginx's "client closed request": nobody reads it

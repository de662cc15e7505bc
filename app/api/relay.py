"""The deltas of all streams, from the CLIs to the clients, in one system thread.

To wait for each of them in the event loop costs more than all that is done with them (docs/architecture.md). Whatever
is not the usual is left to the loop: every other event, an end, a silence, a client that is slow or gone.
"""

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Protocol, TypeAlias

from app.claude.events import StreamEvent

# So often the loop looks whether the stream may go on: one whose key has ended is cut within a second (threat 44).
SLICE_SECONDS = 0.5
# A stream that says nothing for so long is the loop's again, which may have to tell its client that it lives.
SILENT_SECONDS = 0.25
_SWEEP_SECONDS = 0.25
# Of select, which gevent takes away. The second one: the client has closed its end, or its direction at least.
_EPOLLIN, _EPOLLRDHUP = 1, 0x2000

Encode: TypeAlias = Callable[[list[StreamEvent]], bytes]


class Source(Protocol):
    """What a CLI says, read without waiting (app.claude.turn.Deltas)."""

    def fileno(self) -> int: ...
    def read(self) -> list[StreamEvent] | None: ...
    def close(self) -> None: ...


class Poller(Protocol):
    """select.epoll"""

    def register(self, fd: int, eventmask: int = ...) -> None: ...
    def unregister(self, fd: int) -> None: ...
    def poll(self, timeout: float) -> list[tuple[int, int]]: ...


class Passage:
    """One stream in the thread: chunks of HTTP/1.1 in between those that the server writes."""

    def __init__(self, source: Source, client: IO[bytes], encode: Encode):
        self.over = threading.Event()
        self.given_up = False
        self.sent = False
        self.unsent = b""
        self.error: Exception | None = None
        self.source = source
        self.client = client
        self.numbers = self.source_number, self.client_number = source.fileno(), client.fileno()
        self._encode = encode
        self._begun_at = self._heard_at = time.monotonic()

    def step(self) -> bool:
        """Passes on what has come; False when the loop must go on. Logs nothing and takes no lock: these are its."""
        try:
            events = self.source.read()
            if events is None:
                return False
            self._heard_at = time.monotonic()
            if data := self._encode(events):  # an empty chunk would be the last
                self.sent = True
                self.unsent = self._write(b"%x\r\n%b\r\n" % (len(data), data))
        except Exception as error:  # raised anew in the loop
            self.error = error
        return not self.error and not self.unsent

    def may_stay(self, now: float) -> bool:
        timely = now - self._heard_at < SILENT_SECONDS and now - self._begun_at < SLICE_SECONDS
        return timely and not self.given_up

    def close(self) -> None:
        self.source.close()
        self.client.close()

    def _write(self, chunk: bytes) -> bytes:
        """What the client does not take at once. All of it when it is gone: the loop's write tells of that."""
        try:
            return chunk[self.client.write(chunk) or 0 :]
        except OSError:
            return chunk


class NotCarried(Exception):
    """The loop can do it all by itself."""


class RelayThread:
    """`run` is its whole life, in a system thread of its own; `carry` is called in the loop.

    `in_loop` has a function called in the event loop, soon; it may be called from any thread.
    """

    def __init__(self, poller: Poller, in_loop: Callable[[Callable[[], None]], object]):
        self._poller = poller
        self._in_loop = in_loop
        self._passages: dict[int, Passage] = {}

    def carry(self, passage: Passage) -> None:
        """Returns when the loop must go on with it. Raises NotCarried where the system has no room for it."""
        try:
            self._poller.register(passage.client_number, _EPOLLRDHUP)
            self._poller.register(passage.source_number, _EPOLLIN)
        except OSError as error:
            with suppress(OSError):
                self._poller.unregister(passage.client_number)
            raise NotCarried from error
        # Last: what the thread knows it may end, and unregister, at once. An event before that comes again.
        self._passages.update(dict.fromkeys(passage.numbers, passage))
        try:
            passage.over.wait()
        except BaseException:  # the request is broken off; the thread may be reading at this moment
            passage.given_up = True
            passage.over.wait()
            raise

    @property
    def carried(self) -> int:
        return len(set(self._passages.values()))

    def run(self) -> None:
        sweep_at = 0.0
        while True:
            # Also while there is none: one that comes meanwhile and says nothing wakes nobody.
            for number, _ in self._poller.poll(_SWEEP_SECONDS):
                passage = self._passages.get(number)
                if passage and (number == passage.client_number or not passage.step()):
                    self._end(passage)
            now = time.monotonic()
            if now >= sweep_at:
                sweep_at = now + _SWEEP_SECONDS
                for passage in {passage for passage in list(self._passages.values()) if not passage.may_stay(now)}:
                    self._end(passage)

    def _end(self, passage: Passage) -> None:
        """Whatever happens, the passage is told to be over: without this thread all streams would stand still."""
        for number in passage.numbers:
            self._passages.pop(number, None)
            with suppress(OSError, ValueError):
                self._poller.unregister(number)
        self._in_loop(passage.over.set)


class Relay:
    """Of one stream."""

    def __init__(
        self,
        connection: socket.socket,
        carry: Callable[[Passage], None],
        deltas: Callable[[], Source | None],
        encode: Encode,
        client_is_slow: Callable[[], None],
    ):
        self._connection = connection
        self._carry = carry
        self._deltas = deltas
        self._encode = encode
        self._client_is_slow = client_is_slow

    def run(self) -> bool:
        """Sends what comes for a while; False when nothing was sent.

        Raises PosternError, and OSError where a write of the server's would.
        """
        source = self._deltas()
        if source is None:
            return False
        try:
            passage = self._passage(source)
        except OSError:  # no descriptor is left, or the client is: the loop goes on and sees
            source.close()
            return False
        try:
            self._carry(passage)
        except NotCarried:
            return False
        finally:
            passage.close()
        if passage.error:
            raise passage.error
        if passage.unsent:
            self._client_is_slow()
            self._connection.sendall(passage.unsent)
        return passage.sent

    def _passage(self, source: Source) -> Passage:
        # A descriptor of its own: when the request is broken off meanwhile, the number may become another client's.
        client = open(os.dup(self._connection.fileno()), "wb", buffering=0)  # noqa: SIM115  # the passage closes it
        return Passage(source, client, self._encode)

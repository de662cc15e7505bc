"""The deltas of a stream, from the CLI to the client in a system thread.

To wait for each of them in the event loop costs more than all that is done with them (docs/architecture.md). Whatever
is not the usual is left to the loop: every other event, an end, a client that is slow or gone.
"""

import os
import socket
from collections.abc import Callable
from contextlib import closing
from typing import IO, Any, TypeAlias

from app.claude.events import Events, StreamEvent

# So often the loop looks whether the stream may go on. A tick of the CLI's silence comes on top.
SLICE_SECONDS = 0.5

Threads: TypeAlias = Callable[[Callable[[], Any]], Any]
Encode: TypeAlias = Callable[[list[StreamEvent]], bytes]
Outcome: TypeAlias = tuple[bool, bytes | Exception]


class Relay:
    """Writes chunks of HTTP/1.1 in between those that the server writes."""

    def __init__(
        self, connection: socket.socket, threads: Threads, deltas: Callable[[float], Events | None], encode: Encode
    ):
        self._connection = connection
        self._threads = threads
        self._deltas = deltas
        self._encode = encode

    def run(self) -> bool:
        """Sends what comes within a slice; False when nothing was sent.

        Raises PosternError, and OSError where a write of the server's would.
        """
        deltas = self._deltas(SLICE_SECONDS)
        if deltas is None:
            return False
        # A descriptor of its own: when the request is broken off meanwhile, the number may become another client's.
        client = open(os.dup(self._connection.fileno()), "wb", buffering=0)  # noqa: SIM115  # _send closes it
        outcome: Outcome = self._threads(lambda: _send(deltas, self._encode, client))
        sent, unsent = outcome
        if isinstance(unsent, Exception):
            raise unsent
        if unsent:
            self._connection.sendall(unsent)
        return sent


def _send(deltas: Events, encode: Encode, client: IO[bytes]) -> Outcome:
    """In the thread: logs nothing and takes no lock, for those are the loop's.

    Gives whether anything was sent, and what could not be, or an exception.
    """
    sent = False
    try:
        with client, closing(deltas):
            for events in deltas:
                if data := encode(events):  # an empty chunk would be the last
                    sent = True
                    if unsent := _write(client, b"%x\r\n%b\r\n" % (len(data), data)):
                        return sent, unsent
    except Exception as error:  # raised anew in the loop
        return sent, error
    return sent, b""


def _write(client: IO[bytes], chunk: bytes) -> bytes:
    """What the client does not take at once. All of it when the client is gone: the loop's write tells of that."""
    try:
        return chunk[client.write(chunk) or 0 :]
    except OSError:
        return chunk

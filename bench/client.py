"""A streaming client that costs next to nothing: it notes what came when, and reads the text from it afterwards."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

_READ = 1 << 16
_TIMEOUT = 120.0


class Server(Protocol):
    """A gateway, or what stands in its place (bench.loop)."""

    @property
    def port(self) -> int: ...
    @property
    def key(self) -> str: ...


@dataclass
class Reception:
    """`began` is the moment before the request was sent; `events` may be watched while it grows."""

    began: float = 0.0
    ended: float = 0.0
    events: int = 0
    pieces: list[tuple[float, bytes]] = field(default_factory=list)

    def take(self, data: bytes, at: float) -> None:
        self.pieces.append((at, data))
        self.events += data.count(b"\n\n")

    def deltas(self) -> Iterator[tuple[float, str]]:
        """Each content delta, with the moment at which its event was complete."""
        held = b""
        for at, data in self.pieces:
            *events, held = (held + data).split(b"\n\n")
            for event in events:
                if text := _content(event):
                    yield at, text

    @property
    def first_token(self) -> float:
        """Seconds."""
        for at, _ in self.deltas():
            return at - self.began
        raise AssertionError(f"no content came: {self.pieces!r}"[:1000])

    @property
    def text(self) -> str:
        return "".join(text for _, text in self.deltas())

    @property
    def whole(self) -> bool:
        return b"".join(data for _, data in self.pieces[-3:]).endswith(b"data: [DONE]\n\n")


def _content(event: bytes) -> str | None:
    line = event.rpartition(b"\n")[2]  # a comment may stand before it
    if not line.startswith(b"data: {"):
        return None
    chunk = json.loads(line[6:])
    if "error" in chunk:
        raise AssertionError(chunk["error"])
    return next((choice["delta"].get("content") for choice in chunk["choices"]), None)


class _Connection(socket.socket):
    """Tells when what was read last came: what the reader makes of it is no part of a server's time."""

    came_at = 0.0

    def recv_into(self, *arguments: Any) -> int:
        count = super().recv_into(*arguments)
        self.came_at = time.perf_counter()
        return count


class Client:
    """One connection, kept alive from request to request."""

    def __init__(self, server: Server):
        self._socket = _Connection()
        self._socket.settimeout(_TIMEOUT)
        self._socket.connect(("127.0.0.1", server.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {server.key}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        ).encode()

    def ask(self, body: bytes, reception: Reception | None = None) -> Reception:
        """Returns at the end of the stream. A `reception` that is given may be watched meanwhile."""
        reception = reception or Reception()
        for data in self.stream(body, reception):
            reception.take(data, self._socket.came_at)
        reception.ended = time.perf_counter()
        return reception

    def stream(self, body: bytes, reception: Reception) -> Iterator[bytes]:
        request = self._head + f"{len(body)}\r\n\r\n".encode() + body
        reception.began = time.perf_counter()
        self._socket.sendall(request)
        with http.client.HTTPResponse(self._socket, method="POST") as response:
            response.begin()
            if response.status != 200:
                raise AssertionError(f"status {response.status}: {response.read()!r}")
            while data := response.read1(_READ):
                yield data

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()


class Crowd:
    """Streams that are asked for at once, each in a thread of its own, and may be watched meanwhile."""

    def __init__(self, asks: Sequence[Callable[[Reception], None]], receptions: Sequence[Reception]):
        self.receptions = receptions
        self._failures: list[BaseException] = []
        self._start = threading.Barrier(len(asks))
        self._threads = [
            threading.Thread(target=self._ask, args=pair, daemon=True) for pair in zip(asks, receptions, strict=True)
        ]

    def begin(self) -> None:
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        for thread in self._threads:
            thread.join()
        self.demand_well()

    def demand_well(self) -> None:
        if self._failures:
            raise self._failures[0]

    def demand_more_than(self, events: int) -> None:
        """Of every stream that has ended."""
        self.demand_well()
        if short := [reception for reception in self.receptions if reception.ended and reception.events < events]:
            raise RuntimeError(f"a stream ended too early, after {short[0].events} events: {short[0].text[-200:]!r}")

    def _ask(self, ask: Callable[[Reception], None], reception: Reception) -> None:
        try:
            self._start.wait()
            ask(reception)
        except BaseException as error:  # raised anew by whoever waits
            self._failures.append(error)


def crowd_at(server: Server, bodies: Sequence[bytes]) -> Crowd:
    """Each on a connection of its own."""
    return Crowd([_asker(server, body) for body in bodies], [Reception() for _ in bodies])


def _asker(server: Server, body: bytes) -> Callable[[Reception], None]:
    client = Client(server)

    def ask(reception: Reception) -> None:
        with client:
            client.ask(body, reception)

    return ask

"""An HTTP proxy that answers CONNECT for any host with the sandbox's own TLS server, and connects nowhere else."""

import asyncio
from typing import cast

MAX_HEAD = 16 * 1024
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
REFUSED = (
    b"HTTP/1.1 405 Method Not Allowed\r\nAllow: CONNECT\r\nConnection: close\r\nContent-Length: 40\r\n\r\n"
    b"The Postern sandbox only knows CONNECT.\n"
)


class Pipe(asyncio.Protocol):
    """One direction's end: what arrives here goes out at the peer, slowed down when the peer is full."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.peer: Pipe | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.peer and self.peer.transport:
            self.peer.transport.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.peer or not self.peer.transport:
            return
        # A cut must arrive as a cut, an orderly end as one.
        if error:
            self.peer.transport.abort()
        else:
            self.peer.transport.close()

    def pause_writing(self) -> None:
        if self.peer and self.peer.transport:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer and self.peer.transport:
            self.peer.transport.resume_reading()


class Tunnel(Pipe):
    """A client's side of the proxy: first the CONNECT, then a pipe."""

    def __init__(self, tls_port: int) -> None:
        super().__init__()
        self.tls_port = tls_port
        self.head = b""
        self.opening: asyncio.Task[None] | None = None

    def data_received(self, data: bytes) -> None:
        if self.peer:
            super().data_received(data)
            return
        self.head += data
        if self.opening is None and (b"\r\n\r\n" in self.head or len(self.head) > MAX_HEAD):
            self.opening = asyncio.ensure_future(self.open())

    async def open(self) -> None:
        assert self.transport  # noqa: S101 - data came over it
        if not self.head.startswith(b"CONNECT ") or b"\r\n\r\n" not in self.head:
            self.transport.write(REFUSED)
            self.transport.close()
            return
        _, peer = await asyncio.get_running_loop().create_connection(Pipe, "127.0.0.1", self.tls_port)
        peer.peer, self.peer = self, peer
        if self.transport.is_closing():
            self.connection_lost(None)
            return
        self.transport.write(ESTABLISHED)
        super().data_received(self.head.partition(b"\r\n\r\n")[2])


async def start_proxy(port: int, tls_port: int) -> asyncio.Server:
    return await asyncio.get_running_loop().create_server(lambda: Tunnel(tls_port), "127.0.0.1", port)

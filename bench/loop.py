"""The floor: a gevent server that starts nothing and sends the deltas of the sandbox's script itself, as the gateway
would: `python -m bench.loop`. What it costs, every gateway on gevent costs; no claude process stands behind it."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import gevent
from gevent.server import StreamServer
from gevent.socket import socket

from bench.child import running
from sandbox.__main__ import die_with_parent

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_MARKER = re.compile(r"\[\[sandbox:(.*?)\]\]")


@dataclass(frozen=True)
class Loop:
    """In place of a gateway, for a client."""

    port: int
    pid: int
    key: str = "none"


@contextmanager
def running_loop() -> Iterator[Loop]:
    with running("bench.loop") as (line, pid):
        yield Loop(int(line), pid)


def _serve(connection: socket, address: Any) -> None:
    with connection, connection.makefile("rb") as requests:
        while body := _body(requests):
            script = json.loads(_MARKER.findall(body["messages"][-1]["content"])[-1])
            connection.sendall(_HEAD)
            for chunk in _chunks(script["words"], script.get("delta_delay", 0.0)):
                connection.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            connection.sendall(b"0\r\n\r\n")


def _body(requests: IO[bytes]) -> dict[str, Any]:
    """Empty at the end of the connection."""
    length = 0
    while (line := requests.readline()) not in (b"", b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return json.loads(requests.read(length)) if length else {}


def _chunks(words: int, pace: float) -> Iterator[bytes]:
    """At their times by an absolute clock, as the sandbox's. Each tells when it was sent."""
    due = time.monotonic()
    for number in range(words):
        due += pace
        gevent.sleep(max(0.0, due - time.monotonic()))
        yield _event({"choices": [{"delta": {"content": f"{' ' * bool(number)}w{number}@{time.monotonic_ns()}"}}]})
    yield b"data: [DONE]\n\n"


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % json.dumps(chunk).encode()


if __name__ == "__main__":
    die_with_parent()
    server = StreamServer(("127.0.0.1", 0), _serve)
    server.start()
    print(server.server_port, flush=True)
    server.serve_forever()

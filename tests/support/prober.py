"""A client that asks again and again, and how long it waited; and beside it a server that has nothing else to do."""

import http.client
import math
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

# What the machine itself takes: a process that works three milliseconds for each answer, as the gateway does.
IDLE_SERVER = """
import http.server, time
class Idle(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 4096
    def do_GET(self):
        end = time.thread_time() + 0.003
        while time.thread_time() < end:
            pass
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Idle)
print(server.server_port, flush=True)
server.serve_forever()
"""
EVERY_SECONDS = 0.02


@dataclass
class Waits:
    """Milliseconds."""

    taken: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def at(self, share: float) -> float:
        ordered = sorted(self.taken)
        return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]

    def __str__(self) -> str:
        return (
            f"{len(self.taken)} requests, median {self.at(0.5):.1f} ms, p99 {self.at(0.99):.1f} ms, "
            f"longest {max(self.taken):.1f} ms"
        )


@contextmanager
def idle_server() -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-c", IDLE_SERVER], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield int(process.stdout.readline())
        finally:
            process.kill()


@contextmanager
def asking(port: int, paths: Sequence[str], headers: Mapping[str, str] | None = None) -> Iterator[Waits]:
    """Steadily, on one connection, until the end of the block."""
    waits, over = Waits(), threading.Event()
    thread = threading.Thread(target=_ask, args=(port, paths, headers or {}, waits, over))
    thread.start()
    try:
        yield waits
    finally:
        over.set()
        thread.join(30)


def _ask(port: int, paths: Sequence[str], headers: Mapping[str, str], waits: Waits, over: threading.Event) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    number = 0
    while not over.wait(EVERY_SECONDS):
        path = paths[number % len(paths)]
        number += 1
        begun = time.perf_counter()
        try:
            connection.request("GET", path, headers=dict(headers))
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                waits.failed.append(f"{path}: {answer.status}")
        except (OSError, http.client.HTTPException) as error:
            waits.failed.append(f"{path}: {error!r}")
            connection.close()
        waits.taken.append((time.perf_counter() - begun) * 1000)
    connection.close()

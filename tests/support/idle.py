"""Very many connections on which nobody asks, held by a process of their own.

python -m tests.support.idle PORT COUNT    opens them, prints how many, and holds them until its input ends
"""

import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.processes import die_with_parent
from tests.support.sandbox import ROOT

_PER_ADDRESS = 10_000  # ports of one address of our own
_ASK = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@contextmanager
def idle_connections(port: int, count: int) -> Iterator[subprocess.Popen[str]]:
    """Each has had an answer and is kept open; their holder ends with the thread that asked for it."""
    command = [sys.executable, "-m", "tests.support.idle", str(port), str(count)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=die_with_parent,  # noqa: PLW1509  # one system call
    ) as holder:
        try:
            assert holder.stdout
            said = holder.stdout.readline().strip()
            assert said == str(count), f"{said or 'none'} of {count} connections"
            yield holder
        finally:
            holder.kill()


def _open(port: int, number: int) -> socket.socket:
    connection = socket.create_connection(
        ("127.0.0.1", port), timeout=20, source_address=(f"127.0.1.{1 + number // _PER_ADDRESS}", 0)
    )
    connection.sendall(_ASK)
    answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    return connection


def main() -> None:
    port, count = map(int, sys.argv[1:])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count + 100), hard))
    held = [_open(port, number) for number in range(count)]
    print(len(held), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()

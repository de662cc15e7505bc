"""Deltas from one end of a socket to another, in a thread as under gunicorn."""

import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app.api.relay import Relay
from app.errors import CliCrashed
from tests.support.processes import open_files

MEGABYTE = 1 << 20


def in_thread(work: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The server's and the client's."""
    ours, client = socket.socketpair()
    with ours, client:
        ours.settimeout(1)
        client.settimeout(5)
        yield ours, client


def relay(ours: socket.socket, *steps: list[str] | Exception, threads: Callable[..., Any] = in_thread) -> Relay:
    def deltas(seconds: float) -> Iterator[list[dict[str, str]]]:
        for step in steps:
            if isinstance(step, Exception):
                raise step
            yield [{"text": text} for text in step]

    def encode(events: list[dict[str, str]]) -> bytes:
        return "".join(event["text"] for event in events).encode()

    return Relay(ours, threads, deltas, encode)


def test_each_batch_is_a_chunk_and_one_without_anything_none(ends):
    ours, client = ends
    assert relay(ours, ["a", "b"], [], [""], ["c" * 17]).run() is True
    assert client.recv(100) == b"2\r\nab\r\n11\r\n" + b"c" * 17 + b"\r\n"


def test_nothing_sent_is_told(ends):
    ours, _ = ends
    assert relay(ours, [""]).run() is False


def test_where_nothing_can_be_read_so_no_thread_is_asked_for(ends):
    ours, _ = ends
    assert Relay(ours, pytest.fail, lambda seconds: None, pytest.fail).run() is False


def test_what_a_slow_client_does_not_take_at_once_is_sent_by_the_caller_and_nothing_is_read_meanwhile(ends):
    ours, client = ends

    def slowly(work: Callable[[], Any]) -> Any:
        outcome = in_thread(work)
        reader.append(ThreadPoolExecutor(1).submit(read))
        return outcome

    def read() -> bytes:
        found = b""
        while not found.endswith(b"a\r\n"):
            found += client.recv(MEGABYTE)
        return found

    reader: list[Any] = []
    assert relay(ours, ["a" * 8 * MEGABYTE], ["c"], threads=slowly).run() is True
    assert reader[0].result() == b"800000\r\n" + b"a" * 8 * MEGABYTE + b"\r\n"


def test_a_client_that_does_not_read_is_given_up_after_the_time_of_its_connection(ends):
    ours, _ = ends
    with pytest.raises(TimeoutError):
        relay(ours, ["a" * 8 * MEGABYTE]).run()


def test_a_client_that_is_gone_is_an_error_of_the_connection(ends):
    ours, client = ends
    client.close()
    with pytest.raises(BrokenPipeError):
        relay(ours, ["a"], ["b"]).run()


def test_a_failure_is_raised_where_the_relay_was_called(ends):
    ours, client = ends
    with pytest.raises(CliCrashed):
        relay(ours, ["a"], CliCrashed("It ended.")).run()
    assert client.recv(100) == b"1\r\na\r\n"


def test_a_connection_that_is_closed_meanwhile_is_no_other_clients(ends):
    ours, client = ends

    def interrupted(work: Callable[[], Any]) -> Any:
        number = ours.fileno()
        ours.close()
        os.dup2(other.fileno(), number)
        try:
            return in_thread(work)
        finally:
            os.close(number)

    other, others_client = socket.socketpair()
    with other, others_client:
        relay(ours, ["a"], threads=interrupted).run()
        assert client.recv(100) == b"1\r\na\r\n"
        others_client.setblocking(False)
        with pytest.raises(BlockingIOError):
            others_client.recv(100)


def test_no_descriptor_is_left_over(ends):
    ours, _ = ends
    before = open_files(os.getpid())
    relay(ours, ["a"]).run()
    with pytest.raises(CliCrashed):
        relay(ours, CliCrashed("It ended.")).run()
    assert open_files(os.getpid()) == before

"""Deltas from one end of a socket to another, in the thread that carries those of all streams."""

import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from app.api.relay import SILENT_SECONDS, SLICE_SECONDS, Passage, Relay, RelayThread
from app.errors import CliCrashed
from tests.support.processes import open_files

MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def thread() -> RelayThread:
    made = RelayThread(select.epoll(), lambda do: do())
    threading.Thread(target=made.run, daemon=True).start()
    return made


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The server's and the client's."""
    ours, client = socket.socketpair()
    with ours, client:
        ours.settimeout(1)
        client.settimeout(5)
        yield ours, client


class Source:
    """What is said to it comes out, word by word; "end" is something that is not for the thread."""

    def __init__(self, *said: str):
        self._in, self._out = socket.socketpair()
        self._out.setblocking(False)
        self.reads = 0
        self.fileno = self._out.fileno
        self.say(*said)

    def say(self, *said: str) -> None:
        for word in said:
            self._in.send(word.encode() + b" ")

    def read(self) -> list[Any] | None:
        self.reads += 1
        try:
            words = self._out.recv(1 << 16).decode().split()
        except BlockingIOError:
            return []
        if "crash" in words:
            raise CliCrashed("It ended.")
        return None if not words or "end" in words else [{"text": word} for word in words]

    def close(self) -> None:
        self._in.close()
        self._out.close()


def encode(events: list[Any]) -> bytes:
    return "".join(event["text"] for event in events if event["text"] != "nothing").encode()


def relay(ours: socket.socket, source: Source, carry: Callable[[Passage], None]) -> Relay:
    return Relay(ours, carry, lambda: source, encode, lambda: None)


def test_what_comes_together_is_a_chunk(ends, thread):
    ours, client = ends
    with ThreadPoolExecutor(1) as pool:
        source = Source("a", "b")
        running = pool.submit(relay(ours, source, thread.carry).run)
        assert client.recv(100) == b"2\r\nab\r\n"
        source.say("c" * 17)
        assert client.recv(100) == b"11\r\n" + b"c" * 17 + b"\r\n"
        source.say("end")
        assert running.result(5) is True


def test_nothing_sent_is_told(ends, thread):
    ours, client = ends
    assert relay(ours, Source("nothing", "end"), thread.carry).run() is False
    client.setblocking(False)
    with pytest.raises(BlockingIOError):
        client.recv(100)


def test_where_nothing_can_be_read_so_nothing_is_carried(ends):
    ours, _ = ends
    assert Relay(ours, pytest.fail, lambda: None, pytest.fail, pytest.fail).run() is False


@pytest.mark.parametrize("said", [(), ("a",)])
def test_a_stream_that_says_nothing_is_the_callers_again_soon(ends, thread, said):
    ours, _ = ends
    time.sleep(0.5)  # the thread has nothing to do
    began = time.monotonic()
    assert relay(ours, Source(*said), thread.carry).run() is bool(said)
    assert 0.2 < time.monotonic() - began < 1.5


def test_a_stream_that_goes_on_and_on_is_the_callers_again_from_time_to_time(ends, thread):
    ours, client = ends
    source, over = Source(), threading.Event()

    def talk() -> None:
        while not over.wait(0.02):
            source.say("a")

    with ThreadPoolExecutor(1) as pool:
        talking = pool.submit(talk)
        began = time.monotonic()
        assert relay(ours, source, thread.carry).run() is True
        over.set()
        with suppress(OSError):  # it is closed by then
            talking.result(5)
    assert SLICE_SECONDS - 0.1 < time.monotonic() - began < SLICE_SECONDS + 1.5
    assert len(client.recv(MEGABYTE)) > 10 * len(b"1\r\na\r\n")


def test_many_streams_at_once_do_not_mix(thread):
    pairs = [socket.socketpair() for _ in range(40)]
    with ThreadPoolExecutor(40) as pool:
        sources = [Source() for _ in pairs]
        running = [
            pool.submit(relay(ours, source, thread.carry).run) for (ours, _), source in zip(pairs, sources, strict=True)
        ]
        for round_ in range(20):
            for number, source in enumerate(sources):
                source.say(f"{number}:{round_},")
            time.sleep(0.005)
        for source in sources:
            source.say("end")
        assert all(outcome.result(5) for outcome in running)
    for number, (ours, client) in enumerate(pairs):
        with ours, client:
            ours.shutdown(socket.SHUT_WR)
            told = b"".join(iter(lambda client=client: client.recv(MEGABYTE), b""))
            said = "".join(line for line in told.decode().split("\r\n")[1::2])
            # What came in the same moment as the end is left to the caller, with it.
            assert f"{number}:0,{number}:1,".startswith(said[:4])
            assert said == "".join(f"{number}:{round_}," for round_ in range(said.count(",")))


def test_what_a_slow_client_does_not_take_at_once_is_sent_by_the_caller_and_nothing_is_read_meanwhile(ends, thread):
    ours, client = ends
    large, source = "a" * 8 * MEGABYTE, Source("large", "c")

    def read() -> bytes:
        found = b""
        while not found.endswith(b"a\r\n"):
            found += client.recv(MEGABYTE)
        return found

    reader: list[Any] = []

    def slowly(passage: Passage) -> None:
        thread.carry(passage)
        reader.append(ThreadPoolExecutor(1).submit(read))

    told: list[str] = []
    slow = Relay(ours, slowly, lambda: source, lambda events: large.encode(), lambda: told.append("slow"))
    assert slow.run() is True
    assert told == ["slow"]
    assert reader[0].result() == b"800000\r\n" + large.encode() + b"\r\n"
    assert source.reads == 1


def test_a_client_that_does_not_read_is_given_up_after_the_time_of_its_connection(ends, thread):
    ours, _ = ends
    with pytest.raises(TimeoutError):
        Relay(ours, thread.carry, lambda: Source("large"), lambda events: b"a" * 8 * MEGABYTE, lambda: None).run()


def test_a_client_that_leaves_is_missed_at_once_also_while_nothing_is_said(ends, thread):
    ours, client = ends
    with ThreadPoolExecutor(1) as pool:
        source = Source("a")
        running = pool.submit(relay(ours, source, thread.carry).run)
        client.recv(100)
        source.say("b")  # from now on a silence is long enough for the caller
        client.recv(100)
        left = time.monotonic()
        client.close()
        assert running.result(5) is True
        assert time.monotonic() - left < SILENT_SECONDS


def test_a_client_that_is_gone_already_is_told_by_the_next_write(ends, thread):
    ours, client = ends
    client.close()

    def write_twice() -> None:
        relay(ours, Source("a"), thread.carry).run()
        ours.sendall(b"a")

    with pytest.raises(BrokenPipeError):
        write_twice()
    assert thread.carried == 0


def test_a_failure_is_raised_where_the_relay_was_called(ends, thread):
    ours, client = ends
    with ThreadPoolExecutor(1) as pool:
        source = Source("a")
        running = pool.submit(relay(ours, source, thread.carry).run)
        assert client.recv(100) == b"1\r\na\r\n"
        source.say("crash")
        with pytest.raises(CliCrashed):
            running.result(5)


def test_a_connection_that_is_closed_meanwhile_is_no_other_clients(ends, thread):
    ours, client = ends

    def interrupted(passage: Passage) -> None:
        number = ours.fileno()
        ours.close()
        os.dup2(other.fileno(), number)
        try:
            thread.carry(passage)
        finally:
            os.close(number)

    other, others_client = socket.socketpair()
    with other, others_client:
        relay(ours, Source("a"), interrupted).run()
        assert client.recv(100) == b"1\r\na\r\n"
        others_client.setblocking(False)
        with pytest.raises(BlockingIOError):
            others_client.recv(100)


def test_no_descriptor_is_left_over(ends, thread):  # threat 24
    ours, _ = ends
    before = open_files(os.getpid())
    relay(ours, Source("a", "end"), thread.carry).run()
    with pytest.raises(CliCrashed):
        relay(ours, Source("crash"), thread.carry).run()
    assert open_files(os.getpid()) <= before


def test_where_the_system_has_no_room_the_caller_goes_on_and_nothing_stays_registered(ends):
    ours, _ = ends
    known: set[int] = set()

    class Full:
        def register(self, number: int, events: int = 0) -> None:
            if known:
                raise OSError(28, "No space left on device")  # epoll_ctl(2): max_user_watches
            known.add(number)

        def unregister(self, number: int) -> None:
            known.remove(number)

        def poll(self, timeout: float) -> list[tuple[int, int]]:
            raise AssertionError("nothing runs")

    source = Source("a")
    assert relay(ours, source, RelayThread(Full(), lambda do: do()).carry).run() is False
    assert known == set()
    assert source.fileno() == -1, "it is closed"

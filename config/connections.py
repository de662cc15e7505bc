"""How the server keeps connections on which nobody asks: as a descriptor that the event loop watches.

gunicorn's own worker keeps a greenlet for each, with its stack and its parser. Here a connection has a greenlet from
the first byte of a request to the end of its answer.
"""

import time
from collections import OrderedDict
from contextlib import contextmanager
from functools import partial
from socket import MSG_DONTWAIT, MSG_PEEK, SOCK_STREAM
from typing import NamedTuple

from gevent import Timeout, get_hub, getcurrent, monkey, socket
from gevent.baseserver import _handle_and_close_when_done
from gevent.server import StreamServer
from gunicorn.http.body import ChunkedReader
from gunicorn.http.errors import InvalidChunkSize
from gunicorn.workers.ggevent import GeventWorker

from app.pace import give_way

_PlainSocket = monkey.get_original("socket", "socket")  # a third of the cost of gevent's, which can wait
_READ = 1  # of the event loop's watchers
_HEADER_SECONDS = 30  # from the first byte of a request to the end of its headers
_NO_GREENLET_SECONDS = 0.01
_CLOSED_IN_A_ROW = 200  # then others have their turn
_DISCARDED_AT_ONCE = 1 << 20  # as much as gunicorn reads at once
_CHUNKS_IN_A_ROW = 256
# Of a body, each of which costs as much as some kilobytes: 33 MB in pieces of one network packet are half as many.
_MOST_CHUNKS = 50_000


class _Connection(NamedTuple):
    socket: object
    peer: object
    watcher: object
    since: float


class Idle:
    """Connections without a request, the longest idle one first. For the thread of the event loop only."""

    def __init__(self, serve):
        """`serve` takes a socket and its peer, and does not wait: it is called by the loop."""
        self._serve = serve
        self._connections = OrderedDict()  # by descriptor

    def __len__(self):
        return len(self._connections)

    def take(self, connection, peer):
        """The caller's socket is closed from now on, the connection is not."""
        plain = _PlainSocket(connection.family, SOCK_STREAM, 0, connection.detach())
        watcher = get_hub().loop.io(plain.fileno(), _READ)
        self._connections[plain.fileno()] = _Connection(plain, peer, watcher, time.monotonic())
        watcher.start(self._wake, plain.fileno())

    def close_longest(self):
        """False when there is none."""
        descriptor = next(iter(self._connections), None)
        if descriptor is None:
            return False
        self._forget(descriptor).socket.close()
        return True

    def close_idle_for(self, seconds):
        until = time.monotonic() - seconds
        closed = 0
        while self._connections and next(iter(self._connections.values())).since <= until:
            self.close_longest()
            closed += 1
            if closed % _CLOSED_IN_A_ROW == 0:
                give_way()

    def _forget(self, descriptor):
        connection = self._connections.pop(descriptor)
        connection.watcher.stop()
        connection.watcher.close()
        return connection

    def _wake(self, descriptor):
        """Called by the loop: a request begins, or the client has left, which needs no greenlet to be seen."""
        known = self._forget(descriptor)
        if _state(known.socket) == "left":
            known.socket.close()
        else:
            self._serve(socket.socket(known.socket.family, SOCK_STREAM, 0, known.socket.detach()), known.peer)


def _state(connection):
    """Of a plain socket whose next request is waited for: "silent", "asking" or "left"."""
    try:
        return "asking" if connection.recv(1, MSG_PEEK | MSG_DONTWAIT) else "left"
    except BlockingIOError:
        return "silent"
    except OSError:
        return "left"


def _state_of_greenlets(connection):
    connection.setblocking(False)  # a gevent socket would wait in spite of the flag
    try:
        return _state(connection)
    finally:
        connection.setblocking(True)


class Awaited:
    """Headers that have begun and are not whole: each keeps a greenlet. One too many, and the longest awaited is given
    up: those of an honest client come together."""

    def __init__(self, most):
        self._most = most
        self._timeouts = OrderedDict()  # by greenlet

    def __len__(self):
        return len(self._timeouts)

    @contextmanager
    def one(self, seconds):
        """What is done in it is broken off after so many seconds, silently."""
        greenlet = getcurrent()
        with Timeout(seconds, False) as timeout:
            self._timeouts[greenlet] = timeout
            if len(self) > self._most:
                get_hub().loop.run_callback(self._give_up_longest)
            try:
                yield
            finally:
                self._timeouts.pop(greenlet, None)

    def _give_up_longest(self):
        """Called by the loop. Meanwhile one may have come to its end."""
        if len(self) > self._most:
            greenlet, timeout = self._timeouts.popitem(last=False)
            greenlet.throw(timeout)


class _Closed(NamedTuple):
    """What gunicorn asks of a listener, of one that may be closed by then."""

    name: object

    def getsockname(self):
        return self.name


class Server(StreamServer):
    """Accepts up to `worker_connections`. When there are as many, the longest idle one makes room."""

    def __init__(self, listener, *, spawn, handler_class, **of_gunicorn):
        worker = handler_class
        ssl = {name: value for name, value in of_gunicorn.items() if name == "ssl_context"}
        super().__init__(listener, handle=partial(worker.handle, listener), spawn=spawn, **ssl)
        worker.server = self
        # Of its own: what the server itself has of these is gone when it no longer listens, and requests come still.
        self._handled, self._greenlets = partial(worker.handle, _Closed(listener.getsockname())), spawn
        self.idle = Idle(self._serve)
        self.full = self._is_full

    def _serve(self, *client):
        """Called by the loop, which cannot wait for a greenlet that is just about to end."""
        if self._greenlets.free_count() > 0:
            self._greenlets.spawn(_handle_and_close_when_done, self._handled, self.do_close, client)
        else:
            get_hub().loop.timer(_NO_GREENLET_SECONDS).start(self._serve, *client)

    @property
    def connections(self):
        return self.pool.size - self.pool.free_count() + len(self.idle)

    def _is_full(self):
        return self.connections >= self.pool.size and not self.idle.close_longest()


class Worker(GeventWorker):
    server_class = Server
    server = None  # there is one, for there is one address to listen on
    # Given before the first connection.
    awaited = None  # Awaited
    write_seconds = None  # for each piece of an answer
    largest_body = 0  # bytes

    @property
    def wsgi_handler(self):
        """What gunicorn hands on to the server."""
        return self

    def notify(self):
        super().notify()
        if self.server:
            self.server.idle.close_idle_for(self.cfg.keepalive)

    def timeout_ctx(self):
        return self.awaited.one(_HEADER_SECONDS)

    def handle(self, listener, client, addr):
        if self._may_idle and _state_of_greenlets(client) == "silent":
            self.server.idle.take(client, addr)
        else:
            super().handle(listener, client, addr)

    def handle_request(self, listener_name, req, sock, addr):
        """Raises StopIteration when gunicorn is not to wait for another request."""
        if isinstance(req.body.reader, ChunkedReader):
            req.body.reader.parser = _by_turns(req.body.reader.parser)
        if not _wants_upgrade(req):  # a WebSocket has its own pings
            sock.settimeout(self.write_seconds)
        try:
            super().handle_request(listener_name, req, sock, addr)
        except TimeoutError:  # of a write
            self.log.info("A client was cut off: it does not read its answer.")
            raise StopIteration from None
        if not self._may_idle:
            return
        if not self._is_read(req):
            raise StopIteration
        if not req.unreader.buf.getbuffer().nbytes and _state_of_greenlets(sock) == "silent":
            self.server.idle.take(sock, addr)
            raise StopIteration

    @property
    def _may_idle(self):
        return self.alive and not self.cfg.is_ssl  # a descriptor alone knows no TLS

    def _is_read(self, req):
        """What nobody wanted of the body stands before the next request. False: where that begins is not known."""
        with self.timeout_ctx():
            discarded = 0
            while not req.body.failed and discarded <= self.largest_body:
                try:
                    data = req.body.read(_DISCARDED_AT_ONCE)
                except Exception:  # it breaks off, or is malformed: the answer to the request was given
                    return False
                if not data:
                    return not req.body.failed
                discarded += len(data)
                give_way()
        return False


def _by_turns(chunks):
    """Of a chunked body. gunicorn takes them apart in a row as long as the client is the faster one."""
    for number, chunk in enumerate(chunks, 1):
        if number > _MOST_CHUNKS:
            raise InvalidChunkSize(b"too many chunks")
        if number % _CHUNKS_IN_A_ROW == 0:
            give_way()
        yield chunk


def _wants_upgrade(req):
    return any(name == "UPGRADE" for name, _ in req.headers)

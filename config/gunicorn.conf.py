"""How gunicorn runs the gateway. config/ alone knows gevent: app/ is written with plain threads, locks and sockets,
which the gevent worker replaces by its own before the application is loaded."""

from _thread import start_new_thread  # before gevent replaces it
from collections import deque
from select import epoll  # before gevent takes it away

from gevent import Timeout, get_hub, monkey, spawn

# Before anything of the application is imported, and so all below stand late.
# ruff: noqa: E402
monkey.patch_all()

import ctypes
import dataclasses
import errno
import faulthandler
import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from app import services, settings  # found by the line above
from app.api.relay import RelayThread
from app.errors import PosternError
from app.services.delays import LONG, Delays
from app.services.ground import limits, prepare
from app.services.open_files import room_for_connections
from app.web.bodies import TimedBodies
from config.connections import Awaited

try:
    # Here, in the master, so that what is wrong is told in one sentence and ends the start.
    _settings = settings.load(os.environ)
    prepare(_settings)
except PosternError as error:
    sys.exit(f"postern: {error}")

_PR_SET_PDEATHSIG = 1
_WORTH_NOTING_SECONDS = 0.005
# How long a thread that writes a fast stream may go on while the event loop waits for its turn (seconds).
sys.setswitchinterval(0.001)

bind = f"[{_settings.bind}]:{_settings.port}" if ":" in _settings.bind else f"{_settings.bind}:{_settings.port}"
worker_class = "config.connections.Worker"
workers = 1  # one process holds the pool of claude processes
worker_connections = _settings.http.connections  # when_ready lowers it if the system has not room for as many
timeout = 60  # seconds without a sign of life of the event loop, not of a request
graceful_timeout = int(_settings.http.drain) + 10  # then the master kills
keepalive = 75  # seconds
# To take headers apart costs the square of their length: these bounds together 10-30 ms, gunicorn's own 80-160.
limit_request_fields = 64
limit_request_field_size = 4094  # bytes
# Forwarded headers are believed by the application itself, from the proxies in the setting trusted_proxies.
forwarded_allow_ips = ""
control_socket_disable = True  # it would be opened in $HOME
loglevel = _settings.log_level
accesslog = None
errorlog = "-"
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"level": "WARNING", "handlers": ["stderr"]},
    "loggers": {
        "app": {"level": _settings.log_level.upper()},
        "gunicorn.error": {"level": _settings.log_level.upper(), "propagate": True, "handlers": []},
    },
}


def _without_the_request(record):
    """What cannot be parsed may be a header with a key in it: the log tells only that it came (threat 32)."""
    if str(record.msg).startswith("Invalid request from ip"):
        record.msg, record.args = "a request that cannot be parsed was refused", ()
    return True


def on_starting(server):
    """Gunicorn tries an address that it cannot have for five seconds, and then does not tell what to do."""
    if server.LISTENERS or server.master_pid or "LISTEN_FDS" in os.environ:
        return  # it has its sockets from the gunicorn before it, or from systemd
    for host, port in (address for address in server.cfg.address if isinstance(address, tuple)):
        if (error := _why_not(host, port)) is None:
            continue
        if error.errno == errno.EADDRINUSE:
            sys.exit(f"postern: Port {port} is in use. Choose another one: GATEWAY_PORT={port + 1} make run")
        sys.exit(f"postern: cannot listen on {host}, port {port}: {error.strerror}. See GATEWAY_BIND and GATEWAY_PORT.")


def _why_not(host, port):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error
    return None


def when_ready(server):
    logging.getLogger("gunicorn.error").addFilter(_without_the_request)
    # Here, where there is a log and no worker yet, which has the limit from the master.
    server.cfg.set("worker_connections", room_for_connections(_settings.http.connections, limits(_settings).most))


def post_fork(server, worker):
    """The worker, and so its claude processes, end with the master, however that ends (threat 14)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server.pid:
        os._exit(1)


def _within(seconds):
    return Timeout(seconds, TimeoutError)


def _calls_in_loop():
    """A function that has others called in the event loop; it may be called from any thread."""
    waiting = deque()
    watcher = get_hub().loop.async_()

    def call():
        while waiting:
            waiting.popleft()()

    def in_loop(do):
        waiting.append(do)
        watcher.send()

    watcher.start(call)
    return in_loop


def post_worker_init(worker):
    worker.awaited = Awaited(_settings.http.requests)
    worker.write_seconds, worker.largest_body = _settings.http.write_timeout, _settings.http.max_body_bytes
    worker.wsgi.wsgi_app = TimedBodies(worker.wsgi.wsgi_app, _settings.http.body_timeout, _within)
    running = worker.wsgi.extensions[services.EXTENSION]
    delays = Delays()
    worker.wsgi.extensions[services.EXTENSION] = running = dataclasses.replace(
        running, serving=lambda: services.Serving(worker.server.connections, len(worker.server.idle), *delays.longest())
    )
    for template in worker.wsgi.jinja_env.list_templates():
        worker.wsgi.jinja_env.get_template(template)  # to compile one takes a moment in which nobody is served
    running.off_loop.use(get_hub().threadpool.apply)
    running.off_loop(running.keys.close_expired)  # its thread and descriptors are there from now on
    if not worker.cfg.is_ssl:  # what is written to an encrypted connection's descriptor would go out in the clear
        relay = RelayThread(epoll(), _calls_in_loop())
        start_new_thread(relay.run, ())
        running = worker.wsgi.extensions[services.EXTENSION] = dataclasses.replace(running, carry=relay.carry)
    told = threading.Event()
    threading.Thread(target=_drain, args=(worker, running, told), daemon=True, name="drain").start()
    gunicorns_own = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, lambda *how: (gunicorns_own(*how), told.set()))
    signal.siginterrupt(signal.SIGTERM, False)  # as gunicorn has it
    if not worker.alive:  # it was told in this very moment
        told.set()
    _watch_the_loop(delays)
    gc.collect()
    gc.freeze()  # what is there now stays: to look through it takes 20 ms, in which nobody is served


def _watch_the_loop(delays):
    """Times what the loop does between two waits for something to happen: meanwhile nobody else is served."""
    loop = get_hub().loop
    woken, about_to_wait = loop.check(ref=False), loop.prepare(ref=False)
    about_to_wait.priority = loop.MINPRI  # after all that gevent itself does there
    began, worked = time.monotonic(), time.process_time()

    def begin():
        nonlocal began, worked
        began, worked = time.monotonic(), time.process_time()
        if _settings.log_level == "debug":
            faulthandler.dump_traceback_later(LONG)

    def end():
        held = time.monotonic() - began
        if _settings.log_level == "debug":
            faulthandler.cancel_dump_traceback_later()
        if held < _WORTH_NOTING_SECONDS:
            return
        done = min(held, time.process_time() - worked)
        if delays.note(held, done):
            spawn(_tell_of, held, done)  # the loop itself cannot wait for the log

    woken.start(begin)
    about_to_wait.start(end)


def _tell_of(late, work):
    logging.getLogger("app").warning(
        "the event loop was held up for %.0f ms, in which the gateway worked for %.0f ms: nobody was served meanwhile "
        "(log_level debug shows where it stood)",
        late * 1000,
        work * 1000,
    )


def _drain(worker, running, told):
    """When the worker is told to stop: nothing new, time for what runs, then an error event instead of a bare end."""
    told.wait()
    running.drain()
    deadline = time.monotonic() + _settings.http.drain
    while running.busy and time.monotonic() < deadline:
        time.sleep(0.1)
    running.close()
    time.sleep(0.5)  # for the last words of the streams
    # What is open now are connections on which nobody asks: gunicorn would wait for them.
    worker.cfg.set("graceful_timeout", 0)


def worker_exit(server, worker):
    application = getattr(worker, "wsgi", None)
    if application is not None:
        application.extensions[services.EXTENSION].close()

"""One `claude` process: start it, write lines, read lines, end it.

Its standard streams are socket pairs, so that a read has a time limit and, under gevent, gives way to other requests.
"""

import ctypes
import logging
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from app.claude import line_json
from app.claude.events import Line, parse_line
from app.claude.framing import LineFramer
from app.errors import CliCrashed, CliTimeout
from app.pace import give_way

log = logging.getLogger(__name__)

_CHUNK = 1 << 16
# In one turn. An answer of 128,000 tokens, a line of 400 bytes for each, is within it (threat 21).
MOST_OUTPUT = 64 * 1024 * 1024
_STDERR_KEPT = 4096
_WRITE_SECONDS = 30.0
_GRACE_SECONDS = 2.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_FIRST_OWN, _LAST, _CLOSE_RANGE_CLOEXEC = 3, 0xFFFFFFFF, 1 << 2  # linux/close_range.h


def _marks_all() -> bool:
    """Has the system a call that marks all descriptors as not to be inherited? Linux 5.11, glibc 2.34."""
    return hasattr(_libc, "close_range") and _libc.close_range(_LAST, _LAST, _CLOSE_RANGE_CLOEXEC) == 0


# Popen itself closes each descriptor for itself: 30 ms of processor for ten thousand connections.
_MARKS_ALL = _marks_all()


class LineProcess:
    """A process that speaks in lines. Owned by whoever started it, who must `close()` it."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], cwd: Path, *, grace: float = _GRACE_SECONDS):
        """Raises CliCrashed when the program cannot be started at all."""
        _require_main_thread()
        self._grace = grace
        self._framer = LineFramer()
        self._stderr_tail = b""
        self._taken = 0
        self._io, child_io = socket.socketpair()
        self._err, child_err = socket.socketpair()
        try:
            self._popen = subprocess.Popen(
                command,
                stdin=child_io.fileno(),
                stdout=child_io.fileno(),
                stderr=child_err.fileno(),
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
                close_fds=not _MARKS_ALL,
                preexec_fn=_before_exec(os.getpid()),  # noqa: PLW1509  # system calls alone, no lock is taken
            )
        except OSError as error:
            self._io.close()
            self._err.close()
            raise CliCrashed("The claude CLI could not be started.", detail=f"{command[0]}: {error}") from error
        finally:
            child_io.close()
            child_err.close()
        self.pid = self._popen.pid
        self.started_at = time.monotonic()
        # A full pipe would stop the CLI (threat 20), so what it says there is always taken.
        threading.Thread(target=self._drain_stderr, daemon=True, name=f"claude-{self.pid}-stderr").start()

    @property
    def alive(self) -> bool:
        return self._popen.poll() is None

    def fileno(self) -> int:
        return self._io.fileno()

    def write(self, messages: Iterable[Mapping[str, Any]]) -> None:
        """One JSON line a message. Raises CliCrashed, CliTimeout."""
        self._io.settimeout(_WRITE_SECONDS)
        try:
            for number, data in enumerate(line_json.pieces(messages)):
                if number:
                    give_way()
                self._io.sendall(data)
        except TimeoutError as error:
            raise CliTimeout("The claude CLI does not take its input.", detail=f"pid {self.pid}") from error
        except OSError as error:
            raise self._crashed() from error

    def read_lines(self, timeout: float) -> list[bytes]:
        """The lines that have come; none when `timeout` seconds passed without any. Raises CliCrashed at the end."""
        if timeout != self._io.gettimeout():
            self._io.settimeout(max(timeout, 0.001))
        try:
            chunk = self._io.recv(_CHUNK)
        except TimeoutError:
            return []
        except OSError as error:
            raise self._crashed() from error
        if not chunk:
            raise self._crashed()
        return self._lines(chunk)

    def _lines(self, chunk: bytes) -> list[bytes]:
        """Raises CliCrashed."""
        self._taken += len(chunk)
        if self._taken > MOST_OUTPUT:
            raise CliCrashed(
                "The claude CLI does not stop talking.", detail=f"pid {self.pid}: over {MOST_OUTPUT} bytes"
            )
        return self._framer.feed(chunk)

    def begin_anew(self) -> None:
        """What it has said so far no longer counts against MOST_OUTPUT."""
        self._taken = 0

    def terminate(self) -> None:
        """Asks it to end, now: SIGTERM stops a turn in flight within 60 ms, the end of its input does not."""
        with suppress(OSError):
            self._io.shutdown(socket.SHUT_WR)
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def close(self) -> None:
        """Returns when the process is gone: SIGTERM, a bounded wait, SIGKILL to the group, then reaped."""
        try:
            if not self._wait(0):
                self.terminate()
                if not self._wait(self._grace):
                    log.warning("claude %s did not end on SIGTERM; killed", self.pid)
            # Also when it has ended: whatever it started shares its group (threat 14).
            self._signal_group(signal.SIGKILL)
            if not self._wait(self._grace):
                raise CliTimeout("A claude process does not end.", detail=f"pid {self.pid} lives on after SIGKILL")
        finally:
            self._io.close()
            # Something that it has started may hold the other end open; its reader here ends all the same.
            with suppress(OSError):
                self._err.shutdown(socket.SHUT_RDWR)

    def _wait(self, seconds: float) -> bool:
        try:
            self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _signal(self, number: int) -> None:
        if self._popen.poll() is None:
            self._signal_group(number)

    def _signal_group(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def _drain_stderr(self) -> None:
        with suppress(OSError), self._err:
            while chunk := self._err.recv(_CHUNK):
                self._stderr_tail = (self._stderr_tail + chunk)[-_STDERR_KEPT:]

    def _crashed(self) -> CliCrashed:
        self._wait(0.2)
        tail = self._stderr_tail.decode("utf-8", "replace").strip()
        detail = f"pid {self.pid}, exit code {self._popen.poll()}, stderr: {tail or 'nothing'}"
        return CliCrashed("The claude CLI ended unexpectedly.", detail=detail)


class ClaudeProcess(LineProcess):
    """The CLI in its stream-json mode. What is not needed of it is left out."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], cwd: Path, *, grace: float = _GRACE_SECONDS):
        super().__init__(command, env, cwd, grace=grace)
        self._unread: list[Line] = []

    def pass_on(self, chunk: bytes, wanted: Callable[[Line], bool]) -> list[Line] | None:
        """The lines of a chunk that was read from its tap; None when not all are wanted, and `read` gives them."""
        lines = _parsed(self._lines(chunk))
        if all(map(wanted, lines)):
            return lines
        self._unread = lines
        return None

    def read(self, timeout: float) -> list[Line]:
        """As `read_lines`."""
        if self._unread:
            lines, self._unread = self._unread, []
            return lines
        return _parsed(self.read_lines(timeout))

    def tap(self, wanted: Callable[[Line], bool]) -> "Tap | None":
        """To be read in place of `read`, in another thread. None while only `read` can go on."""
        if self._unread:
            return None
        try:
            # A descriptor of its own: the process may be closed meanwhile, and the number be another's.
            own = open(os.dup(self._io.fileno()), "rb", buffering=0)  # noqa: SIM115  # the tap closes it
        except OSError:  # it has been closed
            return None
        os.set_blocking(own.fileno(), False)  # a socket with a time limit is so anyway
        return Tap(self, own, wanted)


class Tap:
    """What a process says, for as long as each line is wanted."""

    def __init__(self, process: ClaudeProcess, source: IO[bytes], wanted: Callable[[Line], bool]):
        self._process = process
        self._source = source
        self._wanted = wanted

    def fileno(self) -> int:
        return self._source.fileno()

    def read(self) -> list[Line] | None:
        """What there is, without waiting. None when only the process's own `read` can go on: at its end, too.

        Raises CliCrashed.
        """
        try:
            chunk = self._source.read(_CHUNK)
        except OSError:
            return None
        if not chunk:
            return [] if chunk is None else None
        return self._process.pass_on(chunk, self._wanted)

    def close(self) -> None:
        self._source.close()


def _parsed(lines: Iterable[bytes]) -> list[Line]:
    return [line for line in map(parse_line, lines) if line is not None]


def run_and_read(command: Sequence[str], env: Mapping[str, str], cwd: Path, timeout: float = 20.0) -> str:
    """What a short command prints. Raises CliCrashed, also when it takes longer than `timeout` seconds."""
    try:
        done = subprocess.run(
            command, env=dict(env), cwd=cwd, capture_output=True, text=True, timeout=timeout, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise CliCrashed(f"{command[0]} cannot be run: {error}", detail=str(error)) from error
    return done.stdout


def _require_main_thread() -> None:
    # PDEATHSIG is bound to the thread that forks: when a pool thread ends, its children would be killed (threat 15).
    if threading.get_native_id() != os.getpid():
        raise RuntimeError("a claude process must be started from the main thread")


def _before_exec(parent: int) -> Callable[[], None]:
    lives_no_longer = die_with_parent(parent)

    def before_exec() -> None:
        lives_no_longer()
        if _MARKS_ALL:
            _libc.close_range(_FIRST_OWN, _LAST, _CLOSE_RANGE_CLOEXEC)

    return before_exec


def die_with_parent(parent: int) -> Callable[[], None]:
    """What a process does between its fork and its exec, so that it does not outlive `parent`."""

    def before_exec() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)

    return before_exec

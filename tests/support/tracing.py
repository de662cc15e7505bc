"""A process that is stopped at every system call, and killed at the one that is asked for: kill -9 at every step."""

import ctypes
import os
import signal
from collections.abc import Callable

_libc = ctypes.CDLL(None, use_errno=True)
_TRACEME, _SYSCALL, _SETOPTIONS, _EXITKILL = 0, 24, 0x4200, 0x100000


def run_killed_at(do: Callable[[], object], step: int) -> bool:
    """Forks a process that does it, and kills that at the entry or exit of a system call. False: it ended before.

    An error of `do` is an AssertionError here.
    """
    pid = os.fork()
    if pid == 0:
        _run(do)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSTOPPED(status), "it cannot be traced here"
    _ptrace(_SETOPTIONS, pid, _EXITKILL)
    for _ in range(step):
        _ptrace(_SYSCALL, pid, 0)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSTOPPED(status):
            assert os.WIFEXITED(status), status
            assert os.WEXITSTATUS(status) == 0, status
            return False
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return True


def _run(do: Callable[[], object]) -> None:
    status = 1
    try:
        _ptrace(_TRACEME, 0, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
        do()
        status = 0
    finally:
        os._exit(status)


def _ptrace(request: int, pid: int, data: int) -> None:
    if _libc.ptrace(request, pid, None, ctypes.c_void_p(data)) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")

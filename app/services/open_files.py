"""How many files the process may have open: each connection is one."""

import logging
import resource

log = logging.getLogger(__name__)

_OWN = 256  # the database, the log, threads, answers that are being written
_PER_PROCESS = 8  # of the CLI: its streams at both ends while it starts, and what waits for its end
_FEWEST = 64


def needed(connections: int, processes: int) -> int:
    return _OWN + _PER_PROCESS * processes + connections


def room_for_connections(wanted: int, processes: int) -> int:
    """Raises the process's own limit as far as the system lets it, and gives how many connections there is room for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    want = needed(wanted, processes)
    if soft < want:
        soft = min(want, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft >= want:
        return wanted
    there = max(_FEWEST, soft - needed(0, processes))
    log.warning(
        "http.connections is %d, but there is room for %d: this process may have %d files open and would need %d. "
        "Raise the system's limit (ulimit -Hn, LimitNOFILE= of systemd, --ulimit nofile= of the container)",
        wanted,
        there,
        soft,
        want,
    )
    return min(there, wanted)

"""A file of lines, read from its end."""

import os
from collections.abc import Iterator

_CHUNK = 65_536


def lines_backwards(file: int) -> Iterator[bytes]:
    """The lines of an open file, the last one first, without their ends. What has no end is no line yet."""
    position = os.fstat(file).st_size - len(unended(file)) - 1
    if position < 0:
        return
    later = b""
    while position:
        size = min(_CHUNK, position)
        position -= size
        later, *lines = (os.pread(file, size, position) + later).split(b"\n")
        yield from reversed(lines)
    yield later


def unended(file: int) -> bytes:
    """What stands behind the last end of a line."""
    position = os.fstat(file).st_size
    found = b""
    while position:
        size = min(_CHUNK, position)
        position -= size
        _, end, last = os.pread(file, size, position).rpartition(b"\n")
        found = last + found
        if end:
            break
    return found

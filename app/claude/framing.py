"""Bytes to lines. The only step that sees chunks."""

from app.errors import CliCrashed

# The CLI repeats a whole answer in one `assistant` line: 128,000 tokens are well under 4 MB.
MAX_LINE = 16 * 1024 * 1024


class LineFramer:
    """Collects chunks of NDJSON and gives whole lines, without their newline."""

    def __init__(self, max_line: int = MAX_LINE) -> None:
        self._max_line = max_line
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Raises CliCrashed when a line grows beyond the limit; what was held is let go."""
        *whole, rest = chunk.split(b"\n")
        if whole:
            whole[0] = b"".join((*self._parts, whole[0]))
            self._parts, self._size = [], 0
        if rest:
            self._parts.append(rest)
            self._size += len(rest)
        if self._size > self._max_line or any(len(line) > self._max_line for line in whole):
            self._parts, self._size = [], 0
            raise CliCrashed(
                "The claude CLI wrote a line that is too long.", detail=f"line over {self._max_line} bytes"
            )
        return [line for line in whole if line]

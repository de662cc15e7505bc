"""Clients' names of tools to names that the CLI carries, and back. Pure."""

import hashlib
import re
from collections.abc import Iterable

# One capitalised word is what the CLI's own tools are called (Bash, Agent): a client's tool of such a name would bring
# the CLI's notes about that tool into the conversation (docs/claude-cli.md).
_LEGAL = re.compile(r"(?![A-Z][a-zA-Z]*\Z)[a-zA-Z0-9_-]{1,64}")
_ILLEGAL_CHARACTERS = re.compile(r"[^a-zA-Z0-9_-]+")
_READABLE = 48  # with an underscore and the digits of the hash it stays below 64


class ToolNames:
    """Made once for a request, from all names in it: the same names always give the same mapping, in whatever order."""

    def __init__(self, names: Iterable[str]):
        given = set(names)
        self._upstream = {name: name for name in given if _LEGAL.fullmatch(name)}
        taken = set(self._upstream)
        for name in sorted(given - taken):
            self._upstream[name] = _free(name, taken)
            taken.add(self._upstream[name])
        self._client = {upstream: name for name, upstream in self._upstream.items()}

    def to_upstream(self, name: str) -> str:
        return self._upstream.get(name) or _free(name, self._client.keys())

    def from_upstream(self, name: str) -> str:
        """A name that was never given is the model's own invention, and comes back as it is."""
        return self._client.get(name, name)


def _free(name: str, taken: Iterable[str]) -> str:
    if _LEGAL.fullmatch(name) and name not in taken:
        return name
    readable = _ILLEGAL_CHARACTERS.sub("_", name)[:_READABLE].strip("_") or "tool"
    salt = 0
    while (candidate := f"{readable}_{_digits(name, salt)}") in taken:
        salt += 1
    return candidate


def _digits(name: str, salt: int) -> str:
    return hashlib.sha256(f"{salt}:{name}".encode()).hexdigest()[:12]

"""Ids of tool calls to what Anthropic takes: letters, digits, _ and -, and each only once in a conversation. Pure."""

import hashlib
import re

_LEGAL = re.compile(r"[a-zA-Z0-9_-]+")


class ToolIds:
    """Ask once for each call, in the conversation's order: a longer conversation gives its beginning the same ids.

    Clients bring ids of other providers along, and some of those number the calls of each answer anew.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._tried: dict[str, int] = {}  # how many ids were made of the same given one

    def to_upstream(self, given: str) -> str:
        found, salt = given, self._tried.get(given, 0)
        while found in self._taken or not _LEGAL.fullmatch(found):
            found = f"call_{hashlib.sha256(f'{salt}:{given}'.encode()).hexdigest()[:24]}"
            salt += 1
        self._taken.add(found)
        self._tried[given] = salt
        return found

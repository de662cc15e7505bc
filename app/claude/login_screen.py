"""What a terminal shows while the CLI signs in, as data. Pure.

The words around the link differ from version to version, so the link is known by its own shape, and the outcome by how
the process ends. Words are looked at only to be quicker, and to be passed on as plain text.
"""

import re
from collections.abc import Iterable

LONGEST_SAID = 300

_OSC = re.compile(r"\x1b\](?:[^\x07\x1b]|\x1b(?!\\))*(?:\x07|\x1b\\)")
_OTHER_STRINGS = re.compile(r"\x1b[PX^_](?:[^\x1b]|\x1b(?!\\))*\x1b\\")
_GAP = re.compile(r"\x1b\[\d*[CG]")  # the cursor goes to the right: so the spaces of some lines are written
_CSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_TWO_BYTES = re.compile(r"\x1b[ -/]*[0-~]")
# What is left of broken sequences, all other control characters, and the ones that turn or hide text.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
_HYPERLINK = re.compile(r"\x1b\]8;[^;\x07\x1b]*;([^\x07\x1b]+)(?:\x07|\x1b\\)")
# With what ends it: on a screen that is still being written, a link may be there in part.
_URL = re.compile(r"https?://[^\s<>\"'`]+(?=[\s<>\"'`])", re.IGNORECASE)
_SECRET = re.compile(r"sk-ant-[A-Za-z0-9_-]+")
_ASKS_AGAIN = re.compile(r"look like the full code|invalid code", re.IGNORECASE)
_PROMPT = re.compile(r"^.*prompted\s*>\s*")
# A link to a page of help may be told, one of a sign-in not.
_LONG_URL = re.compile(r"https?://\S{80,}", re.IGNORECASE)
_PROGRESS = re.compile(r"^[^:]{1,40}…$")
_UNREACHABLE = re.compile(
    r"ECONN|ENOTFOUND|EAI_AGAIN|ENETUNREACH|EHOSTUNREACH|ETIMEDOUT|EPROTO|timed? ?out|certificate|socket hang up"
    r"|fetch failed|network|status code 5\d\d",
    re.IGNORECASE,
)


def plain(screen: str) -> str:
    """Without escape sequences and control characters: newlines are all that is left of them (threat 31)."""
    screen = _GAP.sub(" ", screen)
    for sequence in (_OSC, _OTHER_STRINGS, _CSI, _TWO_BYTES):
        screen = sequence.sub("", screen)
    return _CONTROL.sub("", screen.replace("\r\n", "\n").replace("\r", "\n"))


def links(screen: str, columns: int) -> list[str]:
    """Every link on the screen, the targets of hyperlinks first, each once. None of them is to be trusted."""
    found = [*_HYPERLINK.findall(screen), *_URL.findall(_unwrapped(plain(screen), columns))]
    return list(dict.fromkeys(found))


def _unwrapped(text: str, columns: int) -> str:
    """Lines that were broken only because the terminal is no wider are joined again."""
    *lines, rest = text.split("\n")
    return "".join(line if len(line) >= columns else line + "\n" for line in lines) + rest


def asks_again(said: str) -> bool:
    """True when the CLI did not take the code and waits for another one."""
    return bool(_ASKS_AGAIN.search(plain(said)))


def is_unreachable(said: str) -> bool:
    """True when it was not the code that was refused: Anthropic could not be asked."""
    return bool(_UNREACHABLE.search(said))


def words(said: str, *secrets: str) -> str:
    """What the CLI said, as one bounded line without escape sequences and secrets (threats 31, 32)."""
    lines = (_without_secrets(line, secrets).strip() for line in plain(said).split("\n"))
    text = " ".join(" ".join(_PROGRESS.sub("", _PROMPT.sub("", line)) for line in lines).split())
    return text if len(text) <= LONGEST_SAID else text[: LONGEST_SAID - 1].rstrip() + "…"


def _without_secrets(line: str, secrets: Iterable[str]) -> str:
    """The whole line goes when it repeats what was typed: its rest is the prompt."""
    return "" if any(secret and secret in line for secret in secrets) else _SECRET.sub("…", _LONG_URL.sub("…", line))

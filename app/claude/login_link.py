"""The sign-in link: is it Anthropic's own, and may it be shown? Pure."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, urlsplit

GENUINE_HOSTS = frozenset({"claude.com", "claude.ai", "platform.claude.com", "console.anthropic.com"})

_LONGEST = 4096
_PATH = re.compile(r"(/cai)?/oauth/authorize")
_PLAIN = re.compile(r"[!-~]+")  # ASCII that can be seen
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # a SHA-256 in base64
_STATE = re.compile(r"[A-Za-z0-9_-]{8,256}")
# 2.1.330 can shorten the query to the scopes' bits and the challenge (docs/claude-cli.md). It shows no state then.
_SHORT = re.compile(r"[A-Za-z0-9_-]{1,8}[A-Za-z0-9_-]{43}(&login_(hint|method)=[^&=]*)*")


@dataclass(frozen=True)
class Link:
    """`state` is empty when the link does not tell it."""

    url: str
    state: str


def genuine(url: str, hosts: Collection[str] = GENUINE_HOSTS) -> Link | None:
    """None for whatever is not certainly a sign-in page of Anthropic's, with the safeguards of OAuth (threat 30)."""
    if len(url) > _LONGEST or not _PLAIN.fullmatch(url):
        return None
    try:
        parts = urlsplit(url)
        asked = parse_qs(parts.query, keep_blank_values=True, strict_parsing=True, max_num_fields=32)
    except ValueError:  # also what strict_parsing says of the short form
        return _short(url, hosts)
    if not _leads_home(parts, hosts):
        return None
    return Link(url, asked["state"][0]) if _is_guarded(asked, hosts) else _short(url, hosts)


def _short(url: str, hosts: Collection[str]) -> Link | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return Link(url, "") if _leads_home(parts, hosts) and _SHORT.fullmatch(parts.query) else None


def _leads_home(parts: SplitResult, hosts: Collection[str]) -> bool:
    """`netloc` as a whole is compared: no port and no user name is let through."""
    return (
        parts.scheme == "https" and parts.netloc in hosts and not parts.fragment and bool(_PATH.fullmatch(parts.path))
    )


def _is_guarded(asked: dict[str, list[str]], hosts: Collection[str]) -> bool:
    if any(len(values) != 1 for values in asked.values()):
        return False
    one = {name: values[0] for name, values in asked.items()}
    return (
        one.get("code_challenge_method") == "S256"
        and bool(_CHALLENGE.fullmatch(one.get("code_challenge", "")))
        and bool(_STATE.fullmatch(one.get("state", "")))
        and _comes_back_home(one.get("redirect_uri", ""), hosts)
    )


def _comes_back_home(address: str, hosts: Collection[str]) -> bool:
    """The code is shown by the page that `redirect_uri` names."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme == "https" and parts.netloc in hosts


def moved(link: Link, base: str) -> str:
    """The same page on the server `base`."""
    parts = urlsplit(link.url)
    return f"{base.rstrip('/')}{parts.path}?{parts.query}"

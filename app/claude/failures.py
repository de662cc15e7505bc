"""What a failed turn means: the CLI's words and upstream's status become an exception of ours. Pure."""

import math
import re

from app.errors import (
    ContextTooLong,
    InvalidRequest,
    NotSignedIn,
    Overloaded,
    PosternError,
    RateLimited,
    TooLarge,
    UnknownModel,
    UpstreamFailed,
)

# "API Error: 400 temperature: must be 1", "API Error: Overloaded", with or without a JSON body after the status
_PREFIX = re.compile(r"^(?:Failed to authenticate\.\s*)?API Error:?\s*(\d{3}\b)?\s*")
_LONGEST_SHOWN = 600
_NO_LOGIN = "Not logged in"  # what the CLI says when it has none at all, and sends nothing
_SIGNED_OUT = (_NO_LOGIN, "Please run /login", "OAuth token", "Invalid API key")
# "prompt is too long: 11 tokens > 10 maximum", "input length and `max_tokens` exceed context limit: 9 + 2 > 10",
# "Input is too long for requested model" (Bedrock). A picture that exceeds a maximum has its own words.
_TOO_LONG = re.compile(r"(prompt|input) is too long|context (window|length|limit)", re.IGNORECASE)

SIGN_IN_HINT = "An administrator can sign in on the page /auth, or with `python -m app.cli login`."
_REFUSED = "Anthropic refused the gateway's login to Claude."
_NOBODY = "The gateway is not signed in to Claude."


def failure(status: int | None, text: str, retry_after: float | None = None) -> PosternError:
    """`status` is upstream's HTTP status, None when there was none; `text` is what the CLI said of it."""
    said = _PREFIX.sub("", text)[:_LONGEST_SHOWN].strip()
    if status in (None, 403):
        status = _status_in_words(text) or status
    error = _by_status(status, said, None if retry_after is None else max(1, math.ceil(retry_after)))
    error.detail = f"upstream status {status}: {text or 'no more said'}"
    return error


def _status_in_words(text: str) -> int | None:
    """2.1.197 gives no status for an error within a stream, and neither version for a missing login.

    A conversation that the CLI itself finds too long is not sent, and so has no status either.
    """
    if any(words in text for words in _SIGNED_OUT):
        return 401
    if _TOO_LONG.search(text):
        return 400
    return 529 if "Overloaded" in text else None


def without_hint(error: PosternError) -> str:
    """For whoever is on the page, or in the shell, that the hint leads to."""
    return str(error).removesuffix(SIGN_IN_HINT).rstrip()


def _by_status(status: int | None, said: str, seconds: int | None) -> PosternError:  # noqa: C901  # a table
    match status:
        case 400 if _TOO_LONG.search(said):
            return ContextTooLong(f"The conversation is too long for this model: {said}", param="messages")
        case 400:
            return InvalidRequest(said or "Claude refused the request.")
        case 403 if said:
            return UpstreamFailed(f"Claude does not permit this: {said}")
        case 401 | 403:
            return NotSignedIn(f"{_NOBODY if _NO_LOGIN in said else _REFUSED} {SIGN_IN_HINT}")
        case 404:
            return UnknownModel(said or "The model does not exist upstream.", param="model")
        case 413:
            return TooLarge(said or "The request is too large for the model.")
        case 429:
            return RateLimited("Claude's rate limit is reached. Try again later.", retry_after=seconds or 60)
        case 503 | 529:
            return Overloaded("Claude is overloaded. Try again later.", retry_after=seconds or 10)
        case None:
            reason = said.rstrip(".") or "the connection failed again and again"
            return UpstreamFailed(f"Claude could not answer: {reason}.")
        case _:
            return UpstreamFailed(f"Claude answered with an error (status {status}).")

"""Whether an answer may come to a limit that cuts it off. Pure."""

from collections.abc import Mapping
from typing import Any

from app.claude.events import StreamEvent

# The CLI's own `max_tokens` is 128,000 for the models of today; 4096, for claude-3-haiku, is the least that was seen.
_LEAST_MAX_TOKENS = 4096
# Bytes of text that surely are far from a limit of so many tokens: meanwhile the CLI may be ahead of its reader.
_FAR_BYTES, _FAR_TOKENS = 1000, 4000
# Half of the smallest context window that a model of Anthropic's has.
_LONG_PROMPT_TOKENS = 100_000
_PROMPT_TOKENS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


class CutOff:
    """Hears the events of an answer. `may_come`: it is no longer far from every limit.

    A token is a byte of text at the least. What other blocks take, thinking above all, cannot be told from what comes.
    A text that begins blank may be a blank answer, which the CLI takes for none. With `ahead` the CLI may be far ahead
    of its reader.
    """

    def __init__(self, parameters: Mapping[str, Any], *, ahead: bool = False):
        self.may_come = ahead or parameters.get("max_tokens", _LEAST_MAX_TOKENS) < _FAR_TOKENS
        self._bytes_left = _FAR_BYTES

    def hear(self, event: StreamEvent) -> None:
        if self.may_come:
            return
        match event:
            case {"type": "message_start", "message": {"usage": dict() as usage}}:
                self.may_come = sum(usage.get(name) or 0 for name in _PROMPT_TOKENS) >= _LONG_PROMPT_TOKENS
            case {"type": "content_block_start", "content_block": {"type": kind}} if kind != "text":
                self.may_come = True
            case {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}}:
                begins_blank = self._bytes_left == _FAR_BYTES and not text.strip()
                self._bytes_left -= len(text.encode("utf-8", "surrogatepass"))
                self.may_come = begins_blank or self._bytes_left <= 0
            case {"type": "content_block_delta"}:
                self.may_come = True

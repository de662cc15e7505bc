"""Whether an answer may come to a limit that cuts it off. Pure."""

from collections.abc import Mapping
from typing import Any

from app.claude.events import StreamEvent

# The CLI's own `max_tokens` is 128,000 for the models of today; 4096, for claude-3-haiku, is the least that was seen.
_LEAST_MAX_TOKENS = 4096
# Half of the smallest context window that a model of Anthropic's has.
_LONG_PROMPT_TOKENS = 100_000
_PROMPT_TOKENS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


class CutOff:
    """Hears the events of an answer. `may_come` from the middle of the way to a limit on.

    A token is a byte of text at the least. What other blocks take, thinking above all, cannot be told from what comes.
    """

    def __init__(self, parameters: Mapping[str, Any]):
        self._bytes_left = parameters.get("max_tokens", _LEAST_MAX_TOKENS) // 2
        self.may_come = self._bytes_left <= 0

    def hear(self, event: StreamEvent) -> None:
        if self.may_come:
            return
        match event:
            case {"type": "message_start", "message": {"usage": dict() as usage}}:
                self.may_come = sum(usage.get(name) or 0 for name in _PROMPT_TOKENS) >= _LONG_PROMPT_TOKENS
            case {"type": "content_block_start", "content_block": {"type": kind}} if kind != "text":
                self.may_come = True
            case {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}}:
                self._bytes_left -= len(text.encode("utf-8", "surrogatepass"))
                self.may_come = self._bytes_left <= 0
            case {"type": "content_block_delta"}:
                self.may_come = True

"""A question of the gateway's own: only a real answer shows that a login works."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from app.claude.command import Installation
from app.claude.events import StreamEvent
from app.claude.turn import RESTART, Patience, Turn
from app.claude.worker import Worker, installed_version

_QUESTION = "Say hello in one short sentence."
_MOST_TOKENS = 200


@dataclass(frozen=True)
class Question:
    """A prompt."""

    text: str = _QUESTION

    @property
    def system(self) -> list[str]:
        return []

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [{"role": "user", "content": [{"type": "text", "text": self.text}]}]

    @property
    def tools(self) -> list[dict[str, Any]]:
        return []

    @property
    def parameters(self) -> dict[str, Any]:
        return {"max_tokens": _MOST_TOKENS}


def words(events: Iterable[StreamEvent]) -> str:
    """The text of an answer."""
    text = ""
    for event in events:
        if event == RESTART:
            text = ""
        elif event["type"] == "content_block_delta" and event["delta"].get("type") == "text_delta":
            text += event["delta"]["text"]
    return text


def ask_once(installation: Installation, model: str, patience: Patience) -> str:
    """On a process of its own, where there is no pool. From the main thread only. Raises PosternError."""
    worker = Worker(installation, installed_version(installation), model)
    try:
        return words(event for batch in Turn(worker, Question(), patience).events() for event in batch)
    finally:
        worker.close()

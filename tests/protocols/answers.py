"""Answers of POST /v1/chat/completions, checked by the official client's own types."""

import json
from collections.abc import Iterable
from typing import Any

from openai.types.chat import ChatCompletion, ChatCompletionChunk

from app.protocols.openai_answer import ChatAnswer
from tests.protocols.events import Event


def answer(n: int = 1, **options: Any) -> ChatAnswer:
    return ChatAnswer("chatcmpl-1", 1_700_000_000, "sonnet", n, **options)


def gathered(events: Iterable[Event], n: int = 1, **options: Any) -> dict[str, Any]:
    """The whole answer, checked by the official client's own types; every choice gets the same events."""
    whole = answer(n, **options)
    for event in events:
        for index in range(n):
            whole.take(index, event)
    ChatCompletion.model_validate(whole.whole(), strict=True)
    return whole.whole()


def chunks(sent: bytes) -> list[dict[str, Any]]:
    """The chunks of a stream, checked by the official client's own types. [DONE] is left out."""
    payloads = [event.removeprefix(b"data: ") for event in sent.split(b"\n\n") if event]
    found = [json.loads(payload) for payload in payloads if payload != b"[DONE]"]
    for chunk in found:
        ChatCompletionChunk.model_validate(chunk, strict=True)
    return found


def streamed(events: Iterable[tuple[int, Event]], n: int = 1, **options: Any) -> tuple[list[dict[str, Any]], bytes]:
    """(chunks, all that was sent)"""
    stream = answer(n, **options)
    sent = b"".join(stream.encode(index, event) for index, event in events) + stream.end()
    return chunks(sent), sent


def one(*events: Event) -> list[tuple[int, Event]]:
    return [(0, event) for event in events]

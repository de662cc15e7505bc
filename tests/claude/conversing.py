"""Conversations with real processes, without a gateway: what the pool does, without its threads."""

import json
from collections.abc import Callable
from typing import Any

from app.claude.completion import Completion, Order
from app.claude.lending import Place
from app.claude.turn import Patience
from app.claude.worker import Worker
from app.protocols.prompt import Prompt

Json = dict[str, Any]
PATIENCE = Patience()


class Lender:
    """A fresh worker for each place, and those that are kept."""

    def __init__(self, start: Callable[[], Worker]):
        self._start = start
        self.kept: dict[bytes, Worker] = {}
        self.workers: list[Worker] = []
        self.resumed = 0

    def queue(self, model: str) -> Place[Worker]:
        place = Place[Worker](model, 0)
        self.workers.append(self._start())
        place.worker = self.workers[-1]
        return place

    def wait(self, place: Place[Worker], seconds: float) -> Worker | None:
        return place.worker

    def leave(self, place: Place[Worker]) -> None:
        worker, place.worker = place.worker, None
        if worker:
            worker.close()

    def keep(self, place: Place[Worker], conversation: bytes) -> None:
        assert place.worker
        self.kept[conversation], place.worker = place.worker, None

    def resume(self, conversation: bytes) -> Place[Worker] | None:
        worker = self.kept.pop(conversation, None)
        if worker is None:
            return None
        self.resumed += 1
        place = Place[Worker]("", 0)
        place.worker = worker
        return place

    def close(self) -> None:
        for worker in self.workers:
            worker.close()


def text(said: str) -> Json:
    return {"type": "text", "text": said}


def user(*blocks: Json) -> Json:
    return {"role": "user", "content": list(blocks)}


def result(use: Json, *blocks: Json, **more: Any) -> Json:
    return {"type": "tool_result", "tool_use_id": use["id"], "content": list(blocks), **more}


def answered(lender: Lender, prompt: Prompt) -> Json:
    """The assistant's message, as the Messages API would give it."""
    completion = Completion(lender, Order("sonnet", prompt, "key-1"), 1, PATIENCE)
    blocks: list[Json] = []
    told: list[str] = []
    try:
        for batch in completion.batches():
            for _, event in batch:
                if event["type"] == "content_block_start":
                    blocks.append(dict(event["content_block"]))
                    told.append("")
                elif event["type"] == "content_block_delta":
                    told[-1] += next(value for name, value in event["delta"].items() if name != "type")
    finally:
        completion.cancel()
    content = [_whole(block, words) for block, words in zip(blocks, told, strict=True)]
    return {"role": "assistant", "content": content}


def _whole(block: Json, words: str) -> Json:
    if block["type"] == "tool_use":
        return block | {"input": json.loads(words or "{}")}
    return block | ({"text": words} if block["type"] == "text" else {"thinking": words})


def plain(body: Json) -> list[Json]:
    """The messages of an upstream request, less the CLI's markers and its notes of the date and the place."""
    return [
        {"role": message["role"], "content": [_plain(block) for block in message["content"] if not _is_note(block)]}
        for message in body["messages"]
        if message["role"] != "system"
    ]


def _is_note(block: Json) -> bool:
    return block.get("text", "").startswith("<system-reminder>")


def _plain(block: Json) -> Json:
    found = {name: value for name, value in block.items() if name != "cache_control"}
    if found["type"] == "tool_result" and isinstance(found["content"], str):
        found["content"] = [text(found["content"])]
    return found

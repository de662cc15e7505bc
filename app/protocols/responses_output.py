"""Upstream's content blocks as the output items of a response, and the events that tell of each. Pure.

https://platform.openai.com/docs/api-reference/responses-streaming
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from app.protocols import sse
from app.protocols.responses_thoughts import to_encrypted

Json = dict[str, Any]
Told = tuple[str, Json]  # the name of an event, and its members


class Item:
    """One block as it comes in.

    `told`: a stream has begun to speak of it. It begins with the first delta, for until then upstream may begin again.
    """

    def __init__(self, item_id: str, index: int):
        self.told = False
        self.status = "in_progress"
        self._texts: list[str] = []
        self.id = item_id
        self._index = index

    @property
    def text(self) -> str:
        return "".join(self._texts)

    @property
    def is_empty(self) -> bool:
        """Nothing was said: there is no item then."""
        return False

    def take(self, delta: Mapping[str, Any]) -> str:
        """The text that a stream tells at once, often none."""
        raise NotImplementedError

    def begin(self) -> Iterator[Told]:
        raise NotImplementedError

    def delta(self) -> Told:
        """The event that tells of a text, which is its last member."""
        raise NotImplementedError

    def finish(self) -> Iterator[Told]:
        """Once the status is known."""
        raise NotImplementedError

    def to_item(self) -> Json:
        raise NotImplementedError

    def to_block(self) -> Json | None:
        """What goes upstream again when the conversation goes on."""
        raise NotImplementedError

    def _added(self, item: Json) -> Told:
        self.told = True
        return "response.output_item.added", {"output_index": self._index, "item": item}

    def _done(self) -> Told:
        return "response.output_item.done", {"output_index": self._index, "item": self.to_item()}

    def _of_item(self, **members: Any) -> Json:
        return {"item_id": self.id, "output_index": self._index, **members}


class Message(Item):
    @property
    def is_empty(self) -> bool:
        return not any(self._texts)

    def take(self, delta: Mapping[str, Any]) -> str:
        text: str = (delta.get("text") or "") if delta.get("type") == "text_delta" else ""
        self._texts.append(text)
        return text

    def begin(self) -> Iterator[Told]:
        yield self._added(self._item([]))
        yield "response.content_part.added", self._of_item(content_index=0, part=self._part(""))

    def delta(self) -> Told:
        return "response.output_text.delta", self._of_item(content_index=0, logprobs=[], delta="")

    def finish(self) -> Iterator[Told]:
        place = self._of_item(content_index=0)
        yield "response.output_text.done", {**place, "text": self.text, "logprobs": []}
        yield "response.content_part.done", {**place, "part": self._part(self.text)}
        yield self._done()

    def to_item(self) -> Json:
        return self._item([self._part(self.text)])

    def to_block(self) -> Json | None:
        return {"type": "text", "text": self.text} if self.text.strip() else None

    def _item(self, content: list[Json]) -> Json:
        return {"id": self.id, "type": "message", "status": self.status, "role": "assistant", "content": content}

    def _part(self, text: str) -> Json:
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


class Reasoning(Item):
    """`is_shown`: the client asked for a summary, and gets the thinking as one. `is_given`: it asked for all of it."""

    def __init__(self, item_id: str, index: int, *, is_shown: bool, is_given: bool, redacted: str | None = None):
        super().__init__(item_id, index)
        self._is_shown = is_shown
        self._is_given = is_given
        self._redacted = redacted
        self._signature = ""

    def take(self, delta: Mapping[str, Any]) -> str:
        if delta.get("type") == "signature_delta":
            self._signature += delta.get("signature") or ""
            return ""
        text: str = (delta.get("thinking") or "") if delta.get("type") == "thinking_delta" else ""
        self._texts.append(text)
        return text if self._is_shown else ""

    def begin(self) -> Iterator[Told]:
        yield self._added(self._item([], None))
        if self._parts():
            yield "response.reasoning_summary_part.added", self._of_item(summary_index=0, part=_summary_part(""))

    def delta(self) -> Told:
        return "response.reasoning_summary_text.delta", self._of_item(summary_index=0, delta="")

    def finish(self) -> Iterator[Told]:
        for part in self._parts():
            place = self._of_item(summary_index=0)
            cut = {} if self.status == "completed" else {"status": "incomplete"}
            yield "response.reasoning_summary_text.done", {**place, "text": part["text"]}
            yield "response.reasoning_summary_part.done", {**place, "part": part, **cut}
        yield self._done()

    def to_item(self) -> Json:
        return self._item(self._parts(), self.thought() if self._is_given else None)

    def thought(self) -> str | None:
        block = self.to_block()
        return to_encrypted(block) if block else None

    def to_block(self) -> Json | None:
        """Without its signature, upstream would not take it back."""
        if self._redacted is not None:
            return {"type": "redacted_thinking", "data": self._redacted}
        if not self._signature:
            return None
        return {"type": "thinking", "thinking": self.text, "signature": self._signature}

    def _parts(self) -> list[Json]:
        return [_summary_part(self.text)] if self._is_shown and any(self._texts) else []

    def _item(self, summary: list[Json], encrypted: str | None) -> Json:
        base = {"id": self.id, "type": "reasoning", "status": self.status, "summary": summary}
        return {**base, "encrypted_content": encrypted}


def _summary_part(text: str) -> Json:
    return {"type": "summary_text", "text": text}


class Call(Item):
    def __init__(self, item_id: str, index: int, *, call_id: str, name: str, arguments: Mapping[str, Any]):
        super().__init__(item_id, index)
        self._call_id = call_id
        self._name = name
        self._whole = arguments  # upstream tells them piece by piece, and then this is empty

    def take(self, delta: Mapping[str, Any]) -> str:
        text: str = (delta.get("partial_json") or "") if delta.get("type") == "input_json_delta" else ""
        self._texts.append(text)
        return text

    @property
    def text(self) -> str:
        told = super().text
        return told if told or self.status != "completed" else sse.encode(self._whole).decode()

    def begin(self) -> Iterator[Told]:
        yield self._added(self._item(""))

    def delta(self) -> Told:
        return "response.function_call_arguments.delta", self._of_item(delta="")

    def finish(self) -> Iterator[Told]:
        if not any(self._texts) and self.text:
            yield self.delta()[0], self._of_item(delta=self.text)
        yield "response.function_call_arguments.done", self._of_item(name=self._name, arguments=self.text)
        yield self._done()

    def to_item(self) -> Json:
        return self._item(self.text)

    def to_block(self) -> Json | None:
        """None for one that was cut off: it is no call yet."""
        if self.status != "completed":
            return None
        try:
            arguments = msgspec.json.decode(self.text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(arguments, dict):
            return None
        return {"type": "tool_use", "id": self._call_id, "name": self._name, "input": arguments}

    def _item(self, arguments: str) -> Json:
        known = {"call_id": self._call_id, "name": self._name, "arguments": arguments}
        return {"id": self.id, "type": "function_call", "status": self.status, **known}

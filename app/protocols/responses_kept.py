"""What is kept of a response, and how clients see it. Pure.

Kept are: `response`, as it was told; `input`, the items of its own request; `messages` and `system`, the whole
conversation in the neutral form, with the client's names of tools; `known`, the ids of all items in it; `thoughts`, by
the ids of this response's items, whether they were told or not.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from app.errors import InvalidRequest
from app.protocols.responses_items import (
    AssistantMessage,
    FunctionCall,
    FunctionCallOutput,
    Item,
    ItemReference,
    ReasoningItem,
)
from app.protocols.responses_request import ResponsesCall

Json = dict[str, Any]

_MOST_ITEMS = 100
_ITEMS = 20


def to_kept(
    call: ResponsesCall, response: Mapping[str, Any], answer: Sequence[Json], thoughts: Mapping[str, str]
) -> Json:
    """`answer`: the blocks of it that go upstream again."""
    said = [{"role": "assistant", "content": answer}] if answer else []
    listed = to_input(call.items, response["id"].partition("_")[2])
    return {
        "response": response,
        "input": listed,
        "messages": [*call.messages, *said],
        "system": list(call.system),
        "known": [*call.known, *(item["id"] for item in (*listed, *response["output"]))],
        "thoughts": thoughts,
    }


def to_kept_json(
    call: ResponsesCall, response: Mapping[str, Any], answer: Sequence[Json], thoughts: Mapping[str, str]
) -> bytes:
    """The same, written member by member as JSON, for what is large."""
    kept = to_kept(call, response, answer, thoughts).items()
    members = (msgspec.json.encode(name) + b":" + msgspec.json.encode(value) for name, value in kept)
    return b"{" + b",".join(members) + b"}"


def to_input(items: Iterable[Item], token: str) -> list[Json]:
    """`token` makes ids for what came without. A reference's item is listed where it came from."""
    own = [item for item in items if not isinstance(item, ItemReference)]
    return [_to_item(item, f"{token}i{index:04x}") for index, item in enumerate(own)]


def _to_item(item: Item, token: str) -> Json:
    sent: Json = msgspec.json.decode(msgspec.json.encode(item))
    match item:
        case FunctionCall():
            sent.pop("parsed_arguments", None)
            defaults = {"id": f"fc_{token}"}
        case FunctionCallOutput():
            sent["output"] = _parts(sent["output"], "")
            defaults = {"id": f"fco_{token}"}
        case ReasoningItem():
            return {"id": f"rs_{token}", "summary": [], **sent}
        case _:
            kind = "output_text" if isinstance(item, AssistantMessage) else "input_text"
            sent["content"] = _parts(sent["content"], kind)
            defaults = {"id": f"msg_{token}", "type": "message"}
    return {"status": "completed", **defaults, **sent}


def _parts(content: Any, kind: str) -> Any:
    """With the members that OpenAI's have in any case. `kind` is what a plain text becomes, if it is to become one."""
    if isinstance(content, str):
        return _parts([{"type": kind, "text": content}], kind) if kind else content
    return [_DEFAULTS.get(part["type"], {}) | _without_parsed(part) for part in content]


def _without_parsed(part: Json) -> Json:
    return {name: value for name, value in part.items() if name != "parsed"}


_DEFAULTS: dict[str, Json] = {
    "input_image": {"detail": "auto"},
    "output_text": {"annotations": [], "logprobs": []},
}


def to_page(items: Sequence[Json], query: Mapping[str, str]) -> Json:
    """A list of items as the query wants it. Raises InvalidRequest."""
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise _refusal("order", "it must be 'asc' or 'desc'")
    ordered = list(items) if order == "asc" else list(reversed(items))
    rest = _after(ordered, query.get("after"))
    page = rest[: _limit(query.get("limit"))]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": len(rest) > len(page),
    }


def _after(items: list[Json], name: str | None) -> list[Json]:
    if name is None:
        return items
    names = [item["id"] for item in items]
    if name not in names:
        raise _refusal("after", f"there is no item {name[:100]!r} in this list")
    return items[names.index(name) + 1 :]


def _limit(text: str | None) -> int:
    if text is None:
        return _ITEMS
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= _MOST_ITEMS):
        raise _refusal("limit", f"it must be a number from 1 to {_MOST_ITEMS}")
    return int(text)


def to_deleted(name: str) -> Json:
    return {"id": name, "object": "response", "deleted": True}


def _refusal(where: str, problem: str) -> InvalidRequest:
    return InvalidRequest(f"{where}: {problem}.", param=where, code="invalid_value")

"""References to items of responses that are kept, and those items in their place. Pure."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import msgspec

from app.errors import InvalidRequest
from app.protocols.responses_items import KINDS, Item, ItemReference

Json = dict[str, Any]
Find = Callable[[str], Mapping[str, Any] | None]

_TOKEN = 32  # characters of a response's own token, which the ids of its items begin with
_LONGEST_SHOWN = 100


def with_referred(items: Sequence[Item], known: set[str], find: Find) -> list[Item]:
    """`known`: ids of what stands in the conversation already. A reference to one of those stays, and says nothing.

    The others are added: so each item comes once, however often it is named. Raises InvalidRequest.
    """
    items_of = cache(lambda name: _by_id(find(name)))
    found: list[Item] = []
    for index, item in enumerate(items):
        if isinstance(item, ItemReference) and item.id not in known:
            known.add(item.id)
            found.append(_referred(items_of(_response_of(item.id)), item.id, f"input[{index}].id"))
        else:
            found.append(item)
    return found


def _response_of(name: str) -> str:
    return "resp_" + name.partition("_")[2][:_TOKEN]


def _by_id(kept: Mapping[str, Any] | None) -> dict[str, Json]:
    if kept is None:
        return {}
    return {item["id"]: item for item in (*kept["input"], *_with_thoughts(kept))}


def _with_thoughts(kept: Mapping[str, Any]) -> list[Json]:
    """The client may not have asked for them; who goes on from the item goes on from its thought."""
    thoughts = kept["thoughts"]
    return [
        {**item, "encrypted_content": thoughts[item["id"]]} if item["id"] in thoughts else item
        for item in kept["response"]["output"]
    ]


def _referred(items: Mapping[str, Json], name: str, where: str) -> Item:
    if name not in items:
        message = f"{where}: no response that is kept has an item {name[:_LONGEST_SHOWN]!r}."
        raise InvalidRequest(message, param=where, code="invalid_value")
    item: Item = KINDS[items[name]["type"]].decode(msgspec.json.encode(items[name]))
    return item

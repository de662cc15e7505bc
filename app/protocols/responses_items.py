"""The items that the input of POST /v1/responses is made of: what they may hold, and how they are read. Pure.

https://platform.openai.com/docs/api-reference/responses/create#responses-create-input
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, field

from app.errors import InvalidRequest
from app.protocols.decode import decode
from app.protocols.openai_models import NULL, Ignored, Name, Strict, Unread

_IgnoredList: TypeAlias = Annotated[Unread, Meta(extra_json_schema={"type": ["array", "null"]})]
Status = Literal["in_progress", "completed", "incomplete"]
_LONGEST_SHOWN = 100


class _Part(Strict, tag_field="type"):
    prompt_cache_breakpoint: Ignored = NULL  # the CLI sets markers of its own


class InputText(_Part, tag="input_text", kw_only=True):
    text: str


class InputImage(_Part, tag="input_image", kw_only=True):
    image_url: str | None = None
    file_id: str | None = None
    detail: Literal["auto", "low", "high", "original"] | None = None  # a hint that Claude has no use for


class InputFile(_Part, tag="input_file", kw_only=True):
    file_data: str | None = None
    file_url: str | None = None
    file_id: str | None = None
    filename: str | None = None
    detail: Literal["auto", "low", "high"] | None = None


class OutputText(Strict, tag_field="type", tag="output_text", kw_only=True):
    text: str
    annotations: _IgnoredList = NULL
    logprobs: _IgnoredList = NULL
    parsed: Unread = NULL  # the official client's own, which it sends back


class Refusal(Strict, tag_field="type", tag="refusal"):
    refusal: str


Part: TypeAlias = InputText | InputImage | InputFile | OutputText | Refusal


class _Message(Strict, tag_field="role", kw_only=True):
    type: Literal["message"] | None = None
    id: str | None = None
    status: Status | None = None
    phase: str | None = None


class SystemMessage(_Message, tag="system", kw_only=True):
    content: str | list[InputText]


class DeveloperMessage(_Message, tag="developer", kw_only=True):
    content: str | list[InputText]


class UserMessage(_Message, tag="user", kw_only=True):
    content: str | list[InputText | InputImage | InputFile]


class AssistantMessage(_Message, tag="assistant", kw_only=True):
    content: str | list[OutputText | Refusal | InputText]


Message: TypeAlias = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage


class _Caller(Strict, tag_field="type", tag="direct"):
    """The other one is a program of OpenAI's."""


class _Item(Strict, tag_field="type", kw_only=True):
    id: str | None = None
    status: Status | None = None


class FunctionCall(_Item, tag="function_call", kw_only=True):
    call_id: Name
    name: Name
    arguments: str
    parsed_arguments: Unread = NULL  # the official client's own, which it sends back
    namespace: None = None
    caller: _Caller | None = None
    async_: Literal[False] | None = field(name="async", default=None)


class FunctionCallOutput(_Item, tag="function_call_output", kw_only=True):
    call_id: Name
    output: str | list[InputText | InputImage | InputFile]
    name: str | None = None
    namespace: None = None
    caller: _Caller | None = None


class _SummaryText(Strict, tag_field="type", tag="summary_text"):
    text: str


class _ReasoningText(Strict, tag_field="type", tag="reasoning_text"):
    text: str


class ReasoningItem(_Item, tag="reasoning", kw_only=True):
    """Of it Claude takes back what `encrypted_content` holds: its thinking with the signature."""

    summary: list[_SummaryText] | None = None
    content: list[_ReasoningText] | None = None
    encrypted_content: str | None = None


class ItemReference(Strict, kw_only=True):
    id: Name
    type: Literal["item_reference"] | None = None


Item: TypeAlias = Message | FunctionCall | FunctionCallOutput | ReasoningItem | ItemReference


class Head(msgspec.Struct):
    type: str | None = None
    role: str | None = None


_input: msgspec.json.Decoder[str | list[Head]] = msgspec.json.Decoder(str | list[Head])
_heads: msgspec.json.Decoder[list[Head] | None] = msgspec.json.Decoder(list[Head] | None)
_bodies = msgspec.json.Decoder(list[msgspec.Raw])
KINDS: dict[str, msgspec.json.Decoder[Any]] = {
    "message": msgspec.json.Decoder(Message),
    "function_call": msgspec.json.Decoder(FunctionCall),
    "function_call_output": msgspec.json.Decoder(FunctionCallOutput),
    "reasoning": msgspec.json.Decoder(ReasoningItem),
    "item_reference": msgspec.json.Decoder(ItemReference),
}


def read_input(raw: msgspec.Raw) -> list[Item]:
    """Raises InvalidRequest that names the place."""
    body = bytes(raw)
    heads = decode(body, _input, "input")
    if isinstance(heads, str):
        if not heads.strip():
            raise InvalidRequest("input is empty.", param="input", code="invalid_value")
        return [UserMessage(content=heads)]
    return [_item(head, one, where) for head, one, where in _each(heads, body, "input")]


def each(raw: msgspec.Raw | None, where: str) -> Iterator[tuple[Head, bytes, str]]:
    """The objects of a list, or of null, each with its type told before it is unfolded, and its place."""
    body = b"null" if raw is None else bytes(raw)
    heads = decode(body, _heads, where)
    return _each(heads or [], body, where)


def _each(heads: Sequence[Head], body: bytes, where: str) -> Iterator[tuple[Head, bytes, str]]:
    bodies = _bodies.decode(body) if heads else []
    for index, (head, one) in enumerate(zip(heads, bodies, strict=True)):
        yield head, bytes(one), f"{where}[{index}]"


def _item(head: Head, body: bytes, where: str) -> Item:
    """A message may come without its type, and a reference as well."""
    kind = head.type or ("item_reference" if head.role is None else "message")
    if kind not in KINDS:
        message = f"{where}: items of type {kind[:_LONGEST_SHOWN]!r} are not supported by this gateway."
        raise InvalidRequest(message, param=f"{where}.type", code="unsupported_parameter")
    item: Item = decode(body, KINDS[kind], where)
    return item

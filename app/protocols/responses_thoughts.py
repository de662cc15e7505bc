"""Claude's thinking with its signature, within the `encrypted_content` of a reasoning item. Pure.

It is encoded only, not encrypted: the signature, which Anthropic checks, keeps it from being changed.
"""

import base64
import binascii
from typing import Annotated, Any

import msgspec
from msgspec import Meta

Block = dict[str, Any]


# Upstream refuses what has none, and with it the whole request.
_Sealed = Annotated[str, Meta(min_length=1)]


class _Block(msgspec.Struct, tag_field="type", forbid_unknown_fields=True):
    pass


class _Thinking(_Block, tag="thinking"):
    thinking: str
    signature: _Sealed


class _Redacted(_Block, tag="redacted_thinking"):
    data: _Sealed


_decoder: msgspec.json.Decoder[_Thinking | _Redacted] = msgspec.json.Decoder(_Thinking | _Redacted)


def to_encrypted(block: Block) -> str:
    return base64.b64encode(msgspec.json.encode(block)).decode()


def from_encrypted(text: str | None) -> Block | None:
    """None for what is not ours: clients send along what other models thought."""
    try:
        found = _decoder.decode(binascii.a2b_base64(text or "", strict_mode=True))
    except (ValueError, RecursionError):
        return None
    block: Block = msgspec.to_builtins(found)
    return block

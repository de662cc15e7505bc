"""The messages of a request to the neutral form, which has the same blocks. Pure.

Refused is what upstream would refuse, where that is cheap to see: so it costs no process.
"""

import binascii
from collections.abc import Sequence
from typing import Any

import msgspec

from app.errors import InvalidRequest
from app.protocols import images
from app.protocols.anthropic_models import (
    AssistantMessage,
    AssistantPart,
    Base64Source,
    ContentSource,
    DocumentPart,
    FileSource,
    ImagePart,
    Message,
    ResultPart,
    SearchResultPart,
    SystemMessage,
    TextPart,
    ToolResultPart,
    ToolUsePart,
    UrlSource,
    UserPart,
)
from app.protocols.base64_text import from_base64
from app.protocols.decode import demand_shallow
from app.protocols.tool_names import ToolNames

Block = dict[str, Any]
Part = UserPart | AssistantPart


def system_texts(system: str | Sequence[TextPart] | None, messages: Sequence[Message]) -> list[str]:
    """Claude has one system prompt, at the head: messages of the role `system` are gathered there, in their order."""
    contents = [system, *(message.content for message in messages if isinstance(message, SystemMessage))]
    texts = [text for content in contents for text in _texts(content)]
    return [text for text in texts if text.strip()]


def _texts(content: Any) -> list[str]:
    return [content] if isinstance(content, str) else [part.text for part in content or []]


def to_turns(messages: Sequence[Message], names: ToolNames) -> list[Block]:
    """Neighbours of the same role are one message of several blocks."""
    turns: list[Block] = []
    for index, message in enumerate(messages):
        if isinstance(message, SystemMessage):
            continue
        role = "assistant" if isinstance(message, AssistantMessage) else "user"
        blocks = to_blocks(message.content, f"messages[{index}].content", names)
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    if not turns or turns[-1]["role"] != "user":
        said = "messages: the last one must be the user's: an answer cannot be begun for the model."
        raise InvalidRequest(said, param="messages", code="invalid_value")
    return turns


def to_blocks(content: str | Sequence[Part], where: str, names: ToolNames) -> list[Block]:
    """`where` names the content in errors, e.g. "messages[2].content"."""
    if not content:
        raise refusal(where, "is empty")
    if isinstance(content, str):
        _check_text(content, where)
        return [{"type": "text", "text": content}]
    return [_to_block(part, f"{where}[{index}]", names) for index, part in enumerate(content)]


def _to_block(part: Part, where: str, names: ToolNames) -> Block:
    _check(part, where)
    block: Block = msgspec.to_builtins(part)
    if isinstance(part, ToolUsePart):
        block["name"] = names.to_upstream(part.name)
    elif isinstance(part, ToolResultPart):
        block["content"] = _result(part.content, f"{where}.content", names)
        if not part.is_error:
            block.pop("is_error", None)
    return block


def _result(content: str | Sequence[ResultPart] | None, where: str, names: ToolNames) -> list[Block]:
    """A tool may have nothing to say."""
    if not content or (isinstance(content, str) and not content.strip()):
        return []
    return to_blocks(content, where, names)


# ---- checks


def _check(part: Part, where: str) -> None:
    match part:
        case TextPart():
            _check_text(part.text, f"{where}.text")
        case ImagePart():
            _check_image(part.source, f"{where}.source")
        case DocumentPart():
            _check_document(part, f"{where}.source")
        case ToolUsePart():
            demand_shallow(part.input, f"{where}.input")
        case SearchResultPart():
            for index, text in enumerate(part.content):
                _check_text(text.text, f"{where}.content[{index}].text")


def _check_text(text: str, where: str) -> None:
    if not text.strip():
        raise refusal(where, "must have a character that is not white space")


def _check_image(source: Base64Source | UrlSource | FileSource, where: str) -> None:
    if not isinstance(source, Base64Source):
        _check_elsewhere(source, where)
        return
    if source.media_type not in images.TYPES:
        known = ", ".join(images.TYPES)
        raise refusal(f"{where}.media_type", f"{source.media_type[:100]!r} is not taken for images; use one of {known}")
    if problem := images.problem(source.media_type, _decoded(source.data, f"{where}.data")):
        raise refusal(where, problem)


def _check_document(part: DocumentPart, where: str) -> None:
    match part.source:
        case Base64Source(media_type="application/pdf", data=data):
            _decoded(data, f"{where}.data")
        case Base64Source(media_type=media_type):
            said = f"{media_type[:100]!r} is not taken in base64; use application/pdf, or a source of type text"
            raise refusal(f"{where}.media_type", said)
        case ContentSource(content=content) if not isinstance(content, str):
            for index, inner in enumerate(content):
                _check(inner, f"{where}.content[{index}]")
        case UrlSource() | FileSource():
            _check_elsewhere(part.source, where)


def _check_elsewhere(source: UrlSource | FileSource, where: str) -> None:
    if isinstance(source, FileSource):
        said = f"{where}.file_id: files that were uploaded before are not known here; send the file itself."
        raise InvalidRequest(said, param=f"{where}.file_id", code="unsupported_parameter")
    if not source.url.startswith("https://"):
        raise refusal(f"{where}.url", "must be an https: URL")


def _decoded(data: str, where: str) -> bytes:
    try:
        decoded = from_base64(data)
    except (binascii.Error, ValueError) as error:
        raise refusal(where, f"not valid base64: {error}") from error
    if not decoded:
        raise refusal(where, "is empty")
    return decoded


def refusal(where: str, problem: str) -> InvalidRequest:
    return InvalidRequest(f"{where}: {problem}.", param=where, code="invalid_value")

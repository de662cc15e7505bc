"""OpenAI's content parts to Anthropic's content blocks. Pure."""

import binascii
import re
from collections.abc import Sequence
from typing import Any

from app.errors import InvalidRequest
from app.protocols import images
from app.protocols.base64_text import from_base64
from app.protocols.openai_models import AudioPart, FilePart, ImagePart, RefusalPart, TextPart

Block = dict[str, Any]
Part = TextPart | ImagePart | FilePart | AudioPart | RefusalPart

TEXT_TYPES = ("application/json", "application/xml", "application/yaml")
_DATA_URL = re.compile(
    r"data:(?P<type>[\w.+-]+/[\w.+-]+)?(?:;[\w-]+=[^;,]*)*(?P<base64>;base64)?,(?P<data>.*)", re.DOTALL
)


def to_blocks(content: str | Sequence[Part] | None, where: str) -> list[Block]:
    """`where` names the content in errors, e.g. "messages[2].content". Blank texts give no block."""
    if isinstance(content, str):
        return _text(content)
    return [block for index, part in enumerate(content or ()) for block in _of_part(part, f"{where}[{index}]")]


def text_of(content: str | Sequence[TextPart]) -> str:
    return content if isinstance(content, str) else "\n".join(part.text for part in content)


def _text(text: str) -> list[Block]:
    return [{"type": "text", "text": text}] if text and not text.isspace() else []


def _of_part(part: Part, where: str) -> list[Block]:
    match part:
        case TextPart(text=text) | RefusalPart(refusal=text):
            return _text(text)
        case ImagePart():
            return [{"type": "image", "source": image_source(part.image_url.url, f"{where}.image_url.url")}]
        case FilePart():
            return [_file(part, f"{where}.file")]
        case AudioPart():
            raise InvalidRequest("Claude takes no audio.", param=where, code="unsupported_parameter")


def image_source(url: str, where: str) -> Block:
    if url.startswith("https://"):
        return {"type": "url", "url": url}
    if not url.startswith("data:"):
        raise InvalidRequest(f"{where} must be an https: or a data: URL.", param=where, code="invalid_value")
    media_type, data = _data_url(url, where)
    if media_type not in images.TYPES:
        known = ", ".join(images.TYPES)
        message = f"{where}: images of type {media_type} are not taken; use one of {known}."
        raise InvalidRequest(message, param=where, code="invalid_value")
    if problem := images.problem(media_type, from_base64(data)):
        raise InvalidRequest(f"{where}: {problem}.", param=where, code="invalid_value")
    return {"type": "base64", "media_type": media_type, "data": data}


def _file(part: FilePart, where: str) -> Block:
    refuse_file_id(part.file.file_id, f"{where}.file_id")
    return document(part.file.file_data or "", part.file.filename, f"{where}.file_data")


def refuse_file_id(file_id: str | None, where: str) -> None:
    if file_id is not None:
        message = "Files that were uploaded before are not known here; send the file itself in file_data."
        raise InvalidRequest(message, param=where, code="unsupported_parameter")


def document(file_data: str, filename: str | None, where: str) -> Block:
    media_type, data = _data_url(file_data, where)
    titled = {"title": filename} if filename else {}
    if media_type == "application/pdf":
        return {"type": "document", "source": {"type": "base64", "media_type": media_type, "data": data}} | titled
    if media_type.startswith("text/") or media_type in TEXT_TYPES:
        source = {"type": "text", "media_type": "text/plain", "data": _decoded_text(data, where)}
        return {"type": "document", "source": source} | titled
    message = f"{where}: files of type {media_type} are not taken; use PDF or text."
    raise InvalidRequest(message, param=where, code="invalid_value")


def _data_url(url: str, where: str) -> tuple[str, str]:
    """(media type, canonical base64) of a data: URL (RFC 2397)."""
    found = _DATA_URL.fullmatch(url)
    if not found or not found["base64"]:
        message = f"{where} must be a data: URL such as data:application/pdf;base64,JVBERi0..."
        raise InvalidRequest(message, param=where, code="invalid_value")
    data = found["data"]
    try:
        decoded = from_base64(data)
    except (binascii.Error, ValueError):
        data = "".join(data.split())
        decoded = _decoded(data, where)
    if not decoded:
        raise InvalidRequest(f"{where} is empty.", param=where, code="invalid_value")
    return (found["type"] or "text/plain").lower(), data


def _decoded(data: str, where: str) -> bytes:
    try:
        return from_base64(data)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(f"{where}: not valid base64: {error}.", param=where, code="invalid_value") from error


def _decoded_text(data: str, where: str) -> str:
    try:
        text = from_base64(data).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{where}: the text is not UTF-8.", param=where, code="invalid_value") from error
    if not text.strip():
        raise InvalidRequest(f"{where} is empty.", param=where, code="invalid_value")
    return text

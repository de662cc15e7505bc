"""POST /v1/completions, OpenAI's legacy API: the request to a Prompt, and events to its answer. Pure.

https://platform.openai.com/docs/api-reference/completions. Claude only converses: the prompt is the user's message.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from app.errors import InvalidRequest
from app.protocols.decode import decode
from app.protocols.openai_answer import OpenAiAnswer
from app.protocols.openai_choice import Gathered, Piece
from app.protocols.openai_models import NULL, Sampled, Unread
from app.protocols.openai_parameters import (
    HARMLESS,
    Harmless,
    metadata,
    refuse_unsupported,
    sampling,
    wants_usage,
    without_none,
)
from app.protocols.prompt import Prompt
from app.protocols.tool_names import ToolNames

Json = dict[str, Any]


class CompletionRequest(Sampled, kw_only=True):
    prompt: str | list[str]

    # Taken in the values that ask for nothing.
    best_of: int | None = None
    echo: bool | None = None
    logprobs: Annotated[Unread, Meta(extra_json_schema={"enum": [False, None]})] = NULL
    suffix: str | None = None


_decoder = msgspec.json.Decoder(CompletionRequest)
_TOKEN = re.compile(r"prompt\[\d+\]")

_HARMLESS: Harmless = {
    **HARMLESS,
    "echo": lambda value: value is False,
    "logprobs": lambda value: value is False,
    "suffix": lambda value: value == "",
}


@dataclass(frozen=True)
class CompletionCall:
    """A request, understood. `model` is the public name that was asked for."""

    model: str
    prompt: Prompt
    n: int
    stream: bool
    include_usage: bool


def from_request(body: bytes) -> CompletionCall:
    """Raises InvalidRequest that names the field."""
    request = _decoded(body)
    refuse_unsupported(request, {**_HARMLESS, "best_of": lambda value: value in (1, request.n)})
    question = {"role": "user", "content": [{"type": "text", "text": _one_text(request.prompt)}]}
    parameters = {"max_tokens": request.max_tokens, **sampling(request), "metadata": metadata(request.user)}
    return CompletionCall(
        model=request.model,
        prompt=Prompt([], [question], without_none(parameters)),
        n=request.n or 1,
        stream=bool(request.stream),
        include_usage=wants_usage(request),
    )


def _decoded(body: bytes) -> CompletionRequest:
    try:
        return decode(body, _decoder)
    except InvalidRequest as error:
        if not _TOKEN.fullmatch(error.param or ""):
            raise
        message = f"{error.param}: tokens are not understood here; send a text."
        raise InvalidRequest(message, param=error.param, code="invalid_value") from error


def _one_text(prompt: str | list[str]) -> str:
    texts = [prompt] if isinstance(prompt, str) else prompt
    if len(texts) != 1:
        raise _invalid(f"prompt: one text is taken, and {len(texts)} were sent; send a request for each.")
    if not texts[0].strip():
        raise _invalid("prompt is empty.")
    return texts[0]


def _invalid(message: str) -> InvalidRequest:
    return InvalidRequest(message, param="prompt", code="invalid_value")


class CompletionAnswer(OpenAiAnswer):
    def __init__(self, answer_id: str, created: int, model: str, n: int, *, include_usage: bool = False):
        head = {"id": answer_id, "object": "text_completion", "created": created, "model": model}
        super().__init__(head, n, ToolNames([]), include_usage=include_usage)

    def beginning(self, index: int) -> bytes:
        return b""

    def piece(self, index: int, piece: Piece) -> bytes:
        return self.chunk(_choice(index, piece[1])) if piece[0] == "content" else b""

    def ending(self, index: int, finish_reason: str | None) -> bytes:
        return self.chunk(_choice(index, "", finish_reason))

    def whole_choice(self, index: int, said: Gathered, finish_reason: str | None) -> Json:
        return _choice(index, said.text, finish_reason)


def _choice(index: int, text: str, finish_reason: str | None = None) -> Json:
    """Of calls of tools this API knows nothing."""
    finish_reason = "stop" if finish_reason == "tool_calls" else finish_reason
    return {"text": text, "index": index, "logprobs": None, "finish_reason": finish_reason}

"""POST /v1/chat/completions: the request to a Prompt. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from app.errors import InvalidRequest
from app.protocols.decode import decode
from app.protocols.openai_content import text_of, to_blocks
from app.protocols.openai_models import (
    AssistantMessage,
    ChatRequest,
    DeveloperMessage,
    Message,
    SystemMessage,
    ToolMessage,
    UserMessage,
)
from app.protocols.prompt import Prompt

_decoder = msgspec.json.Decoder(ChatRequest)
_LONGEST_HARMLESS = 200
_LONGEST_USER_ID = 256  # https://docs.anthropic.com/en/api/messages, metadata.user_id

# Field -> does the value ask for nothing that Claude would have to do? Clients send such values as a matter of course.
_HARMLESS: dict[str, Callable[[Any], bool]] = {
    "audio": lambda value: False,
    "frequency_penalty": lambda value: value == 0,
    "function_call": lambda value: value in ("none", "auto"),
    "functions": lambda value: not value,
    "logit_bias": lambda value: not value,
    "logprobs": lambda value: value is False,
    "modalities": lambda value: value == ["text"],
    "moderation": lambda value: False,
    "parallel_tool_calls": lambda value: True,
    "prediction": lambda value: False,
    "presence_penalty": lambda value: value == 0,
    "reasoning_effort": lambda value: value == "none",
    "response_format": lambda value: value == {"type": "text"},
    "tool_choice": lambda value: value in ("none", "auto"),
    "tools": lambda value: not value,
    "top_logprobs": lambda value: value == 0,
    "verbosity": lambda value: value == "medium",
    "web_search_options": lambda value: False,
}


@dataclass(frozen=True)
class ChatCall:
    """A request, understood. `model` is the public name that was asked for."""

    model: str
    prompt: Prompt
    n: int
    stream: bool
    include_usage: bool


def from_request(body: bytes) -> ChatCall:
    """Raises InvalidRequest that names the field."""
    request = decode(body, _decoder)
    _refuse_unsupported(request)
    options = request.stream_options
    if options is not None and not request.stream:
        raise InvalidRequest(
            "stream_options goes with stream: true only.", param="stream_options", code="invalid_value"
        )
    return ChatCall(
        model=request.model,
        prompt=Prompt(_system(request.messages), _conversation(request.messages), _parameters(request)),
        n=request.n or 1,
        stream=bool(request.stream),
        include_usage=bool(options and options.include_usage),
    )


def _refuse_unsupported(request: ChatRequest) -> None:
    for name, harmless in _HARMLESS.items():
        value = _folded_out(getattr(request, name))
        if value is not None and not harmless(value):
            message = f"Unsupported parameter: {name!r} with this value is not supported by this gateway."
            raise InvalidRequest(message, param=name, code="unsupported_parameter")


def _folded_out(value: Any) -> Any:
    """No value that asks for nothing is long; a long one is refused as it is."""
    if isinstance(value, msgspec.Raw):
        return msgspec.json.decode(value) if len(value) < _LONGEST_HARMLESS else value
    return value


def _system(messages: Sequence[Message]) -> list[str]:
    """Claude has one system prompt, at the head: system and developer messages are gathered there, in their order."""
    texts = (text_of(m.content) for m in messages if isinstance(m, SystemMessage | DeveloperMessage))
    return [text for text in texts if text.strip()]


def _conversation(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The other messages with their roles; neighbours of the same role are one message of several blocks."""
    turns: list[dict[str, Any]] = []
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        if isinstance(message, SystemMessage | DeveloperMessage):
            continue
        role = "user" if isinstance(message, UserMessage) else "assistant"
        blocks = _blocks(message, where)
        if role == "user" and not blocks and index == len(messages) - 1:
            raise InvalidRequest(f"{where}.content is empty.", param=f"{where}.content", code="invalid_value")
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    if not turns or turns[-1]["role"] != "user":
        message_text = "The last message must be the user's: an answer cannot be begun for the model."
        raise InvalidRequest(message_text, param="messages", code="invalid_value")
    return turns


def _blocks(message: UserMessage | AssistantMessage | ToolMessage, where: str) -> list[dict[str, Any]]:
    match message:
        case UserMessage():
            return to_blocks(message.content, f"{where}.content")
        case AssistantMessage() if not message.tool_calls and not message.function_call and not message.audio:
            return to_blocks(message.content or message.refusal, f"{where}.content")
        case _:
            unsupported = f"{where}: tool calls and audio are not supported by this gateway yet."
            raise InvalidRequest(unsupported, param=where, code="unsupported_parameter")


def _parameters(request: ChatRequest) -> dict[str, Any]:
    """The members of the upstream request's body."""
    found = {
        "max_tokens": request.max_completion_tokens or request.max_tokens,
        **_sampling(request.temperature, request.top_p),
        "top_k": request.top_k,
        "stop_sequences": _stop_sequences(request.stop),
        "metadata": _metadata(request),
    }
    return {name: value for name, value in found.items() if value is not None}


def _sampling(temperature: float | None, top_p: float | None) -> dict[str, float | None]:
    """OpenAI's scale of temperatures ends at 2, Anthropic's at 1.

    Newer models refuse to have both set; many clients set both, one of them to 1, which changes nothing.
    """
    temperature = None if temperature is None else min(temperature, 1.0)
    if temperature is not None and top_p is not None:
        top_p = None if top_p == 1 else top_p
        temperature = None if temperature == 1 and top_p is not None else temperature
    return {"temperature": temperature, "top_p": top_p}


def _stop_sequences(stop: str | list[str] | None) -> list[str] | None:
    sequences = [stop] if isinstance(stop, str) else stop
    if any(not sequence.strip() for sequence in sequences or ()):
        message = "stop: a stop sequence must have a character that is not white space."
        raise InvalidRequest(message, param="stop", code="invalid_value")
    return sequences or None


def _metadata(request: ChatRequest) -> dict[str, str] | None:
    """Anthropic's metadata has one member, `user_id`: an opaque text. What OpenAI's holds besides goes in as JSON."""
    user = request.user or request.safety_identifier
    if request.metadata:
        whole = {"user": user, "metadata": request.metadata} if user else {"metadata": request.metadata}
        packed = msgspec.json.encode(whole).decode()
        if len(packed) > _LONGEST_USER_ID:
            message = f"metadata: with the user at most {_LONGEST_USER_ID} characters of JSON reach Claude."
            raise InvalidRequest(message, param="metadata", code="invalid_value")
        return {"user_id": packed}
    return {"user_id": user} if user else None


def model_page(names: Iterator[tuple[str, str, int]]) -> dict[str, Any]:
    return {"object": "list", "data": [to_model(*name) for name in names]}


def to_model(name: str, owner: str, context_window: int) -> dict[str, Any]:
    """`context_window` is not OpenAI's; clients that do not know it pass it by."""
    return {"id": name, "object": "model", "created": 0, "owned_by": owner, "context_window": context_window}

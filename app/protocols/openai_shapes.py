"""What OpenAI's protocol answers, as types. The document is made of them; the answers are put together as they come."""

from typing import Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter"]


class OpenAIFault(msgspec.Struct):
    """`code` is for programs. `param` is the member of the request that is at fault, if it is one."""

    message: str
    type: Literal["invalid_request_error", "authentication_error", "rate_limit_error", "server_error"]
    param: str | None
    code: str | None


class OpenAIError(msgspec.Struct):
    error: OpenAIFault


class PromptTokensDetails(msgspec.Struct):
    cached_tokens: int


class CompletionTokensDetails(msgspec.Struct):
    reasoning_tokens: int


class Usage(msgspec.Struct):
    """Upstream's own; nothing is estimated. `prompt_tokens` counts those in that were read from the cache."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails | UnsetType = UNSET


class AnsweredFunction(msgspec.Struct):
    """`arguments` is JSON."""

    name: str
    arguments: str


class AnsweredCall(msgspec.Struct):
    id: str
    type: Literal["function"]
    function: AnsweredFunction


class Thoughts(msgspec.Struct, tag_field="type", tag="thinking"):
    thinking: str
    signature: str
    index: int | UnsetType = UNSET  # in a stream


class RedactedThoughts(msgspec.Struct, tag_field="type", tag="redacted_thinking"):
    data: str
    index: int | UnsetType = UNSET


class ChatMessage(msgspec.Struct):
    """`thinking_blocks`, with their signatures, are to be sent back as they came."""

    role: Literal["assistant"]
    content: str | None
    refusal: None
    reasoning_content: str | UnsetType = UNSET
    thinking_blocks: list[Thoughts | RedactedThoughts] | UnsetType = UNSET
    tool_calls: list[AnsweredCall] | UnsetType = UNSET


class ChatChoice(msgspec.Struct):
    index: int
    message: ChatMessage
    logprobs: None
    finish_reason: FinishReason


class ChatCompletion(msgspec.Struct):
    """`model` is the one that really answered."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage | None


class FunctionDelta(msgspec.Struct):
    """The name comes first and once, the arguments in pieces."""

    name: str | UnsetType = UNSET
    arguments: str | UnsetType = UNSET


class CallDelta(msgspec.Struct):
    index: int
    function: FunctionDelta
    id: str | UnsetType = UNSET
    type: Literal["function"] | UnsetType = UNSET


class ChatDelta(msgspec.Struct):
    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    thinking_blocks: list[Thoughts | RedactedThoughts] | UnsetType = UNSET
    tool_calls: list[CallDelta] | UnsetType = UNSET


class ChatChunkChoice(msgspec.Struct):
    index: int
    delta: ChatDelta
    logprobs: None
    finish_reason: FinishReason | None


class ChatCompletionChunk(msgspec.Struct):
    """With `include_usage`, `usage` is null but in the last one, which has no choices."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChatChunkChoice]
    usage: Usage | UnsetType | None = UNSET


class TextChoice(msgspec.Struct):
    text: str
    index: int
    logprobs: None
    finish_reason: Literal["stop", "length", "content_filter"] | None


class TextCompletion(msgspec.Struct):
    """Whole, or a piece of a stream. With `include_usage`, `usage` is null but in the last, which has no choices."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[TextChoice]
    usage: Usage | UnsetType | None = UNSET


class Model(msgspec.Struct):
    """`context_window`, in tokens, is not OpenAI's."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    context_window: int


class ModelList(msgspec.Struct):
    object: Literal["list"]
    data: list[Model]

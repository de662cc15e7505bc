"""What OpenAI's protocol answers, as types. The document is made of them; the answers are put together as they come."""

from typing import Literal

import msgspec

FinishReason = Literal["stop", "length", "content_filter"]


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


class Usage(msgspec.Struct):
    """Upstream's own; nothing is estimated. `prompt_tokens` counts those in that were read from the cache."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails


class ChatMessage(msgspec.Struct):
    role: Literal["assistant"]
    content: str
    refusal: None


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


class ChatDelta(msgspec.Struct):
    role: Literal["assistant"] | msgspec.UnsetType = msgspec.UNSET
    content: str | msgspec.UnsetType = msgspec.UNSET


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
    usage: Usage | msgspec.UnsetType | None = msgspec.UNSET


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

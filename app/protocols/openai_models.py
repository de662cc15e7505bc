"""The bodies that POST /v1/chat/completions takes: https://platform.openai.com/docs/api-reference/chat/create.

A field that is not here is refused. `None` is what clients send for "not set".
"""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

# Left as it stands in the body: what is refused anyway is not worth the time to unfold it (threat 66). What is taken of
# it is for the document to tell.
Unread: TypeAlias = msgspec.Raw
Refused: TypeAlias = Annotated[Unread, Meta(extra_json_schema={"type": "null"})]
Ignored: TypeAlias = Annotated[Unread, Meta(extra_json_schema={"type": ["object", "null"]})]
NoBias: TypeAlias = Annotated[Unread, Meta(extra_json_schema={"type": ["object", "null"], "maxProperties": 0})]
TextOnly: TypeAlias = Annotated[Unread, Meta(extra_json_schema={"enum": [["text"], None]})]
# Where there is none. A Raw could not be told as a default in a JSON Schema.
NULL: Any = None
Positive = Annotated[int, Meta(ge=1)]


class _Strict(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    pass


class TextPart(_Strict, tag_field="type", tag="text"):
    text: str


class ImageUrl(_Strict):
    url: str
    detail: Literal["auto", "low", "high"] | None = None  # a hint that Claude has no use for


class ImagePart(_Strict, tag_field="type", tag="image_url"):
    image_url: ImageUrl


class FileSource(_Strict):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class FilePart(_Strict, tag_field="type", tag="file"):
    file: FileSource


class AudioPart(_Strict, tag_field="type", tag="input_audio"):
    input_audio: Any


class RefusalPart(_Strict, tag_field="type", tag="refusal"):
    refusal: str


class _Message(_Strict, tag_field="role"):
    name: str | None = None  # Claude tells speakers apart by their role only


class SystemMessage(_Message, tag="system", kw_only=True):
    content: str | list[TextPart]


class DeveloperMessage(_Message, tag="developer", kw_only=True):
    content: str | list[TextPart]


class UserMessage(_Message, tag="user", kw_only=True):
    content: str | list[TextPart | ImagePart | FilePart | AudioPart]


class AssistantMessage(_Message, tag="assistant", kw_only=True):
    """With the members that an answer has, so that it can be sent back as it came."""

    content: str | list[TextPart | RefusalPart] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None  # of an earlier answer; Claude takes its own thinking only with a signature
    annotations: list[Any] | None = None
    audio: dict[str, Any] | None = None
    function_call: dict[str, Any] | None = None
    tool_calls: list[Any] | None = None


class ToolMessage(_Message, tag="tool", kw_only=True):
    content: Any = None
    tool_call_id: str | None = None


Message: TypeAlias = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage


class StreamOptions(_Strict):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ChatRequest(_Strict, kw_only=True):
    model: str
    messages: Annotated[list[Message], Meta(min_length=1)]

    # Honoured: seen upstream, or in the shape of the answer.
    max_tokens: Positive | None = None
    max_completion_tokens: Positive | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Positive | None = None
    stop: str | Annotated[list[str], Meta(max_length=4)] | None = None
    n: Annotated[int, Meta(ge=1, le=8)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None
    safety_identifier: str | None = None
    metadata: Annotated[dict[str, str], Meta(max_length=16)] | None = None

    # Hints about OpenAI's own machines, which change no answer.
    prompt_cache_key: str | None = None
    prompt_cache_options: Ignored = NULL
    prompt_cache_retention: str | None = None
    seed: int | None = None
    service_tier: str | None = None
    store: bool | None = None

    # Taken in the values that ask for nothing; see _HARMLESS in openai_chat.
    audio: Refused = NULL
    frequency_penalty: float | None = None
    function_call: Unread = NULL
    functions: Unread = NULL
    logit_bias: NoBias = NULL
    logprobs: bool | None = None
    modalities: TextOnly = NULL
    moderation: Refused = NULL
    parallel_tool_calls: bool | None = None
    prediction: Refused = NULL
    presence_penalty: float | None = None
    reasoning_effort: str | None = None
    response_format: Unread = NULL
    tool_choice: Unread = NULL
    tools: Unread = NULL
    top_logprobs: int | None = None
    verbosity: str | None = None
    web_search_options: Refused = NULL

"""The bodies that POST /v1/chat/completions takes: https://platform.openai.com/docs/api-reference/chat/create.

A field that is not here is refused. `None` is what clients send for "not set".
"""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

from app.protocols.reasoning import LEAST_BUDGET

# Left as it stands in the body: what is refused or passed by is not worth the time to unfold it (threats 66 and 67).
# What is taken of it is for the document to tell.
Unread: TypeAlias = msgspec.Raw
Refused: TypeAlias = Annotated[Unread, Meta(extra_json_schema={"type": "null"})]
Ignored: TypeAlias = Annotated[Unread, Meta(extra_json_schema={"type": ["object", "null"]})]
NoBias: TypeAlias = Annotated[Unread, Meta(extra_json_schema={"type": ["object", "null"], "maxProperties": 0})]
NoFunctions: TypeAlias = Annotated[Unread, Meta(extra_json_schema={"type": ["array", "null"], "maxItems": 0})]
NoFunction: TypeAlias = Annotated[Unread, Meta(extra_json_schema={"enum": ["none", "auto", None]})]
TextOnly: TypeAlias = Annotated[Unread, Meta(extra_json_schema={"enum": [["text"], None]})]
# JSON in a form of the client's own; decode.Unfolding reads it.
Free: TypeAlias = msgspec.Raw
# Where there is none. A Raw could not be told as a default in a JSON Schema.
NULL: Any = None
Positive = Annotated[int, Meta(ge=1)]
Name = Annotated[str, Meta(min_length=1)]
LONGEST_USER_ID = 256  # https://docs.anthropic.com/en/api/messages, metadata.user_id
UserId = Annotated[str, Meta(max_length=LONGEST_USER_ID)]
_Key = Annotated[str, Meta(max_length=64)]
_Value = Annotated[str, Meta(max_length=512)]
Metadata: TypeAlias = Annotated[dict[_Key, _Value], Meta(max_length=16)]


class Strict(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    pass


# ---- parts of a message


class TextPart(Strict, tag_field="type", tag="text"):
    text: str


class ImageUrl(Strict):
    url: str
    detail: Literal["auto", "low", "high"] | None = None  # a hint that Claude has no use for


class ImagePart(Strict, tag_field="type", tag="image_url"):
    image_url: ImageUrl


class FileSource(Strict):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class FilePart(Strict, tag_field="type", tag="file"):
    file: FileSource


class AudioPart(Strict, tag_field="type", tag="input_audio"):
    input_audio: Unread


class RefusalPart(Strict, tag_field="type", tag="refusal"):
    refusal: str


class ThinkingPart(Strict, tag_field="type", tag="thinking"):
    """LiteLLM's word for what the model thought. Without a signature it is of no use upstream."""

    thinking: str
    signature: str | None = None
    index: int | None = None  # of a stream's delta


class RedactedThinkingPart(Strict, tag_field="type", tag="redacted_thinking"):
    data: str
    index: int | None = None


# ---- calls of tools


class CalledFunction(Strict):
    name: Name
    arguments: str
    parsed_arguments: Unread = NULL  # the official client's own, which it sends back


class ToolCall(Strict):
    id: str
    function: CalledFunction
    type: Literal["function"] = "function"
    index: int | None = None  # of a stream's delta


# ---- messages


class _Message(Strict, tag_field="role"):
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
    tool_calls: list[ToolCall] | None = None
    thinking_blocks: list[ThinkingPart | RedactedThinkingPart] | None = None
    reasoning_content: str | None = None  # the same without its signature
    annotations: Unread = NULL
    parsed: Unread = NULL  # the official client's own
    audio: Unread = NULL
    function_call: Unread = NULL


class ToolMessage(_Message, tag="tool", kw_only=True):
    tool_call_id: str
    content: str | list[TextPart | ImagePart | FilePart] | None = None


Message: TypeAlias = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage

# ---- tools


class FunctionDefinition(Strict):
    name: Name
    description: str | None = None
    parameters: Annotated[Free, Meta(extra_json_schema={"type": ["object", "null"]})] = NULL
    strict: bool | None = None


class FunctionTool(Strict, tag_field="type", tag="function"):
    function: FunctionDefinition


class FunctionName(Strict):
    name: Name


class FunctionChoice(Strict, tag_field="type", tag="function"):
    function: FunctionName


class AllowedTools(Strict):
    mode: Literal["auto", "required"]
    tools: Annotated[list[FunctionChoice], Meta(min_length=1)]


class AllowedToolsChoice(Strict, tag_field="type", tag="allowed_tools"):
    allowed_tools: AllowedTools


ToolChoice: TypeAlias = Literal["none", "auto", "required"] | FunctionChoice | AllowedToolsChoice

# ---- the form of the answer, and the thinking before it


class TextFormat(Strict, tag_field="type", tag="text"):
    pass


class JsonObjectFormat(Strict, tag_field="type", tag="json_object"):
    pass


class JsonSchema(Strict):
    name: Name
    schema: Annotated[Free, Meta(extra_json_schema={"type": "object"})]
    description: str | None = None
    strict: bool | None = None  # an answer follows its schema in any case


class JsonSchemaFormat(Strict, tag_field="type", tag="json_schema"):
    json_schema: JsonSchema


ResponseFormat: TypeAlias = TextFormat | JsonObjectFormat | JsonSchemaFormat


class EnabledThinking(Strict, tag_field="type", tag="enabled"):
    budget_tokens: Annotated[int, Meta(ge=LEAST_BUDGET)]


class AdaptiveThinking(Strict, tag_field="type", tag="adaptive"):
    pass


class DisabledThinking(Strict, tag_field="type", tag="disabled"):
    pass


Thinking: TypeAlias = EnabledThinking | AdaptiveThinking | DisabledThinking


class StreamOptions(Strict):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


# ---- requests


class Sampled(Strict, kw_only=True):
    """What both kinds of completions take."""

    model: str

    # Honoured: seen upstream, or in the shape of the answer.
    max_tokens: Positive | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    stop: str | Annotated[list[str], Meta(max_length=4)] | None = None
    n: Annotated[int, Meta(ge=1, le=8)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: UserId | None = None

    seed: int | None = None  # a hint about OpenAI's own machines, which changes no answer

    # Taken in the values that ask for nothing; see HARMLESS in openai_parameters.
    frequency_penalty: float | None = None
    logit_bias: NoBias = NULL
    presence_penalty: float | None = None


class ChatRequest(Sampled, kw_only=True):
    messages: Annotated[list[Message], Meta(min_length=1)]

    max_completion_tokens: Positive | None = None
    top_k: Positive | None = None
    safety_identifier: UserId | None = None
    metadata: Metadata | None = None
    tools: list[FunctionTool] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: str | None = None
    thinking: Thinking | None = None  # LiteLLM's

    # Hints about OpenAI's own machines, which change no answer.
    prompt_cache_key: str | None = None
    prompt_cache_options: Ignored = NULL
    prompt_cache_retention: str | None = None
    service_tier: str | None = None
    store: bool | None = None

    # Taken in the values that ask for nothing.
    audio: Refused = NULL
    function_call: NoFunction = NULL
    functions: NoFunctions = NULL
    logprobs: bool | None = None
    modalities: TextOnly = NULL
    moderation: Refused = NULL
    prediction: Refused = NULL
    top_logprobs: int | None = None
    verbosity: str | None = None
    web_search_options: Refused = NULL

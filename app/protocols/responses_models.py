"""The bodies that POST /v1/responses takes: https://platform.openai.com/docs/api-reference/responses/create.

A field that is not here is refused. `None` is what clients send for "not set". The items of the input are in
responses_items.
"""

from typing import Annotated, Literal

from msgspec import Meta, field

from app.protocols.openai_models import (
    NULL,
    Free,
    Ignored,
    JsonObjectFormat,
    Metadata,
    Name,
    Positive,
    Refused,
    Strict,
    TextFormat,
    Unread,
    UserId,
)

Summary = Literal["auto", "concise", "detailed"]
Include = Literal[
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
    "file_search_call.results",
    "message.input_image.image_url",
    "message.output_text.logprobs",
    "reasoning.encrypted_content",
    "web_search_call.action.sources",
    "web_search_call.results",
]


class FunctionTool(Strict, tag_field="type", tag="function", kw_only=True):
    name: Name
    description: str | None = None
    parameters: Annotated[Free, Meta(extra_json_schema={"type": ["object", "null"]})] = NULL
    strict: bool | None = None  # true by default at OpenAI, which makes optional members required; not here
    # Taken in the values that ask for nothing.
    allowed_callers: list[str] | None = None
    async_: Literal[False] | None = field(name="async", default=None)
    defer_loading: bool | None = None
    output_schema: Refused = NULL


class ChosenFunction(Strict, tag_field="type", tag="function"):
    name: str


class AllowedTools(Strict, tag_field="type", tag="allowed_tools"):
    mode: Literal["auto", "required"]
    tools: Annotated[list[ChosenFunction], Meta(min_length=1)]


class JsonSchemaFormat(Strict, tag_field="type", tag="json_schema", kw_only=True):
    name: Name
    schema: Annotated[Free, Meta(extra_json_schema={"type": "object"})]
    description: str | None = None
    strict: bool | None = None  # an answer follows its schema in any case


class TextConfig(Strict):
    format: TextFormat | JsonObjectFormat | JsonSchemaFormat | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class Reasoning(Strict):
    effort: str | None = None
    summary: Summary | None = None
    generate_summary: Summary | None = None  # the earlier name
    context: str | None = None
    mode: str | None = None


class StreamOptions(Strict):
    include_obfuscation: bool | None = None


class ResponsesRequest(Strict, kw_only=True):
    model: str
    input: Annotated[Free, Meta(extra_json_schema={"type": ["string", "array"], "items": {"type": "object"}})]

    # Honoured: seen upstream, or in the shape of the answer.
    include: list[Include] | None = None
    instructions: str | None = None
    max_output_tokens: Positive | None = None
    metadata: Metadata | None = None
    parallel_tool_calls: bool | None = None
    previous_response_id: str | None = None
    reasoning: Reasoning | None = None
    safety_identifier: UserId | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    text: TextConfig | None = None
    tool_choice: Literal["none", "auto", "required"] | ChosenFunction | AllowedTools | None = None
    tools: Annotated[Free, Meta(extra_json_schema={"type": ["array", "null"], "items": {"type": "object"}})] = NULL
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    user: UserId | None = None

    # Hints about OpenAI's own machines, which change no answer.
    prompt_cache_key: str | None = None
    prompt_cache_options: Ignored = NULL
    prompt_cache_retention: str | None = None
    service_tier: str | None = None

    # Taken in the values that ask for nothing; see HARMLESS in responses_request.
    access_programs: Refused = NULL
    background: bool | None = None
    background_options: Refused = NULL
    context_management: Annotated[Unread, Meta(extra_json_schema={"type": ["array", "null"], "maxItems": 0})] = NULL
    conversation: Refused = NULL
    image: Refused = NULL
    max_tool_calls: int | None = None
    moderation: Refused = NULL
    prompt: Refused = NULL
    top_logprobs: int | None = None
    truncation: str | None = None

"""The bodies that POST /v1/messages takes: https://docs.anthropic.com/en/api/messages.

A field that is not here is refused. `None` is what clients send for "not set".
"""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

# Left as it stands in the body: what is refused anyway is not worth the time to unfold it (threat 66). What is taken of
# it is for the document to tell.
Unread: TypeAlias = msgspec.Raw
Refused: TypeAlias = Annotated[Unread, Meta(extra_json_schema={"type": "null"})]
NoEdits: TypeAlias = Annotated[Unread, Meta(extra_json_schema={"enum": [{}, {"edits": []}, None]})]
NoServers: TypeAlias = Annotated[Unread, Meta(extra_json_schema={"type": ["array", "null"], "maxItems": 0})]
Standard: TypeAlias = Annotated[Unread, Meta(extra_json_schema={"enum": ["standard", None]})]
# Where there is none. A Raw could not be told as a default in a JSON Schema.
NULL: Any = None
Positive = Annotated[int, Meta(ge=1)]


class _Strict(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    pass


class CacheControl(_Strict):
    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] | None = None


class _Block(_Strict, tag_field="type"):
    """As dicts these are the blocks that go upstream, for what equals its default is left out."""

    cache_control: CacheControl | None = None

    def __post_init__(self) -> None:
        self.cache_control = None  # the CLI sets markers of its own, and upstream takes no more than four


class CitationsConfig(_Strict):
    enabled: bool | None = None


class TextPart(_Block, tag="text", kw_only=True):
    text: str
    citations: list[Any] | None = None  # of an earlier answer; the CLI does not carry them

    def __post_init__(self) -> None:
        super().__post_init__()
        self.citations = None


class Base64Source(_Strict, tag_field="type", tag="base64"):
    media_type: str
    data: str


class UrlSource(_Strict, tag_field="type", tag="url"):
    url: str


class FileSource(_Strict, tag_field="type", tag="file"):
    file_id: str


class TextSource(_Strict, tag_field="type", tag="text"):
    media_type: Literal["text/plain"]
    data: str


class ImagePart(_Block, tag="image", kw_only=True):
    source: Base64Source | UrlSource | FileSource


class ContentSource(_Strict, tag_field="type", tag="content"):
    content: str | list[TextPart | ImagePart]


class DocumentPart(_Block, tag="document", kw_only=True):
    source: Base64Source | UrlSource | FileSource | TextSource | ContentSource
    title: str | None = None
    context: str | None = None
    citations: CitationsConfig | None = None


class SearchResultPart(_Block, tag="search_result", kw_only=True):
    source: str
    title: str
    content: list[TextPart]
    citations: CitationsConfig | None = None


ResultPart: TypeAlias = TextPart | ImagePart | DocumentPart | SearchResultPart


class ToolResultPart(_Block, tag="tool_result", kw_only=True):
    tool_use_id: str
    content: str | list[ResultPart] | None = None
    is_error: bool | None = None
    toolset_name: None = None


class DirectCaller(_Strict):
    type: Literal["direct"]


class ToolUsePart(_Block, tag="tool_use", kw_only=True):
    id: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]+$")]
    name: Annotated[str, Meta(min_length=1)]
    input: dict[str, Any]
    caller: DirectCaller | None = None  # what an answer says of every call that the model makes itself
    toolset_name: None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.caller = None


class ThinkingPart(_Strict, tag_field="type", tag="thinking"):
    thinking: str
    signature: str


class RedactedThinkingPart(_Strict, tag_field="type", tag="redacted_thinking"):
    data: str


UserPart: TypeAlias = ToolResultPart | TextPart | ImagePart | DocumentPart | SearchResultPart
AssistantPart: TypeAlias = TextPart | ToolUsePart | ThinkingPart | RedactedThinkingPart


class UserMessage(_Strict, tag_field="role", tag="user"):
    content: str | list[UserPart]


class AssistantMessage(_Strict, tag_field="role", tag="assistant"):
    content: str | list[AssistantPart]


class SystemMessage(_Strict, tag_field="role", tag="system"):
    content: str | list[TextPart]


Message: TypeAlias = UserMessage | AssistantMessage | SystemMessage


class Tool(_Strict):
    """A client's tool. Those of Anthropic's own have a `type`, and are refused before they are read as this."""

    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,128}$")]
    input_schema: dict[str, Any]
    type: Literal["custom"] | None = None
    description: str | None = None
    strict: bool | None = None
    cache_control: CacheControl | None = None
    eager_input_streaming: bool | None = None  # how the arguments are cut into pieces, not what they are

    # Taken in the values that ask for nothing; see anthropic_tools.
    allowed_callers: list[str] | None = None
    defer_loading: bool | None = None
    input_examples: list[Any] | None = None


class _ToolChoice(_Strict, tag_field="type"):
    pass


class ChoiceAuto(_ToolChoice, tag="auto"):
    disable_parallel_tool_use: bool | None = None


class ChoiceAny(_ToolChoice, tag="any"):
    disable_parallel_tool_use: bool | None = None


class ChoiceTool(_ToolChoice, tag="tool"):
    name: str
    disable_parallel_tool_use: bool | None = None


class ChoiceNone(_ToolChoice, tag="none"):
    pass


ToolChoice: TypeAlias = ChoiceAuto | ChoiceAny | ChoiceTool | ChoiceNone
Display: TypeAlias = Literal["summarized", "omitted"]


class ThinkingEnabled(_Strict, tag_field="type", tag="enabled"):
    budget_tokens: Positive
    display: Display | None = None


class ThinkingAdaptive(_Strict, tag_field="type", tag="adaptive"):
    display: Display | None = None


class ThinkingDisabled(_Strict, tag_field="type", tag="disabled"):
    pass


class OutputFormat(_Strict):
    type: Literal["json_schema"]
    schema: dict[str, Any]


class OutputConfig(_Strict):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: OutputFormat | None = None


class Metadata(_Strict):
    user_id: Annotated[str, Meta(max_length=256)] | None = None


class CountRequest(_Strict):
    """What both routes take: all that makes a prompt."""

    model: str
    messages: Annotated[list[Message], Meta(min_length=1)]
    system: str | list[TextPart] | None = None
    tools: list[Unread] | None = None
    tool_choice: ToolChoice | None = None
    thinking: ThinkingEnabled | ThinkingAdaptive | ThinkingDisabled | None = None
    output_config: OutputConfig | None = None
    output_format: OutputFormat | None = None  # its name before it moved into output_config
    cache_control: CacheControl | None = None

    # Taken in the values that ask for nothing; see _HARMLESS in anthropic.
    container: Refused = NULL
    context_management: NoEdits = NULL
    diagnostics: Refused = NULL
    inference_geo: Refused = NULL
    mcp_servers: NoServers = NULL
    speed: Standard = NULL


class MessagesRequest(CountRequest, kw_only=True):
    max_tokens: Positive
    metadata: Metadata | None = None
    service_tier: Literal["auto", "standard_only"] | None = None  # a choice of the account that the CLI uses
    stop_sequences: list[str] | None = None
    stream: bool | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None

"""What OpenAI's Responses API answers, as types. The document is made of them."""

from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

Status = Literal["in_progress", "completed", "incomplete", "failed"]


class OutputTextPart(msgspec.Struct, tag_field="type", tag="output_text"):
    text: str
    annotations: list[Any]
    logprobs: list[Any]


class MessageOutput(msgspec.Struct, tag_field="type", tag="message"):
    id: str
    status: Status
    role: Literal["assistant"]
    content: list[OutputTextPart]


class SummaryPart(msgspec.Struct, tag_field="type", tag="summary_text"):
    text: str


class ReasoningOutput(msgspec.Struct, tag_field="type", tag="reasoning"):
    """`encrypted_content`, if `include` asks for it, holds Claude's thinking: send the item back as it came."""

    id: str
    status: Status
    summary: list[SummaryPart]
    encrypted_content: str | None


class CallOutput(msgspec.Struct, tag_field="type", tag="function_call"):
    """`arguments` is JSON."""

    id: str
    status: Status
    call_id: str
    name: str
    arguments: str


Output: TypeAlias = MessageOutput | ReasoningOutput | CallOutput


class InputTokensDetails(msgspec.Struct):
    cached_tokens: int
    cache_write_tokens: int


class OutputTokensDetails(msgspec.Struct):
    reasoning_tokens: int


class ResponseUsage(msgspec.Struct):
    """Upstream's own; nothing is estimated. `input_tokens` counts cached ones in."""

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int


class ResponseFailure(msgspec.Struct):
    code: str
    message: str


class IncompleteDetails(msgspec.Struct):
    reason: Literal["max_output_tokens", "content_filter"]


class ToldReasoning(msgspec.Struct):
    effort: str | None
    summary: str | None


class ResponseObject(msgspec.Struct):
    """`model` is the one that really answered. What was asked for is repeated."""

    id: str
    object: Literal["response"]
    created_at: int
    completed_at: int | None
    status: Status
    model: str
    output: list[Output]
    usage: ResponseUsage | None
    error: ResponseFailure | None
    incomplete_details: IncompleteDetails | None
    service_tier: str | None
    # As it was asked for.
    background: bool
    instructions: str | None
    max_output_tokens: int | None
    max_tool_calls: None
    metadata: dict[str, str]
    parallel_tool_calls: bool
    previous_response_id: str | None
    prompt_cache_key: str | None
    reasoning: ToldReasoning
    safety_identifier: str | None
    store: bool
    temperature: float | None
    text: dict[str, Any]
    tool_choice: str | dict[str, Any]
    tools: list[dict[str, Any]]
    top_logprobs: int
    top_p: float | None
    truncation: str
    user: str | None


class InputItems(msgspec.Struct):
    object: Literal["list"]
    data: list[dict[str, Any]]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedResponse(msgspec.Struct):
    id: str
    object: Literal["response"]
    deleted: Literal[True]


# ---- the events of a stream


class _Event(msgspec.Struct, tag_field="type"):
    sequence_number: int


class _OfResponse(_Event):
    response: ResponseObject


class ResponseCreated(_OfResponse, tag="response.created"):
    pass


class ResponseInProgress(_OfResponse, tag="response.in_progress"):
    pass


class ResponseCompleted(_OfResponse, tag="response.completed"):
    pass


class ResponseIncomplete(_OfResponse, tag="response.incomplete"):
    pass


class ResponseFailed(_OfResponse, tag="response.failed"):
    pass


class _OfOutput(_Event):
    output_index: int


class OutputItemAdded(_OfOutput, tag="response.output_item.added"):
    item: Output


class OutputItemDone(_OfOutput, tag="response.output_item.done"):
    item: Output


class _OfItem(_OfOutput):
    item_id: str


class ContentPartAdded(_OfItem, tag="response.content_part.added"):
    content_index: int
    part: OutputTextPart


class ContentPartDone(_OfItem, tag="response.content_part.done"):
    content_index: int
    part: OutputTextPart


class OutputTextDelta(_OfItem, tag="response.output_text.delta"):
    content_index: int
    delta: str
    logprobs: list[Any]


class OutputTextDone(_OfItem, tag="response.output_text.done"):
    content_index: int
    text: str
    logprobs: list[Any]


class SummaryPartAdded(_OfItem, tag="response.reasoning_summary_part.added"):
    summary_index: int
    part: SummaryPart


class SummaryPartDone(_OfItem, tag="response.reasoning_summary_part.done", kw_only=True):
    summary_index: int
    part: SummaryPart
    status: Literal["incomplete"] | UnsetType = UNSET


class SummaryTextDelta(_OfItem, tag="response.reasoning_summary_text.delta"):
    summary_index: int
    delta: str


class SummaryTextDone(_OfItem, tag="response.reasoning_summary_text.done"):
    summary_index: int
    text: str


class ArgumentsDelta(_OfItem, tag="response.function_call_arguments.delta"):
    delta: str


class ArgumentsDone(_OfItem, tag="response.function_call_arguments.done"):
    name: str
    arguments: str


class StreamError(_Event, tag="error"):
    code: str | None
    message: str
    param: str | None


ResponseEvent: TypeAlias = (
    ResponseCreated
    | ResponseInProgress
    | OutputItemAdded
    | OutputItemDone
    | ContentPartAdded
    | ContentPartDone
    | OutputTextDelta
    | OutputTextDone
    | SummaryPartAdded
    | SummaryPartDone
    | SummaryTextDelta
    | SummaryTextDone
    | ArgumentsDelta
    | ArgumentsDone
    | ResponseCompleted
    | ResponseIncomplete
    | ResponseFailed
    | StreamError
)

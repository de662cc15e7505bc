"""POST /v1/responses, and what is asked of those that are kept."""

from typing import Annotated, Literal

from msgspec import Meta

from app.api.descriptions.common import OF_A_COMPLETION
from app.errors import UnknownResponse
from app.protocols.openai_shapes import OpenAIError
from app.protocols.responses_items import FunctionCall, FunctionCallOutput, ItemReference, Message, ReasoningItem
from app.protocols.responses_models import FunctionTool, ResponsesRequest
from app.protocols.responses_shapes import DeletedResponse, InputItems, ResponseEvent, ResponseObject
from app.web.describe import Answer, Group, ListOf, Operation, Parameter

_GROUP = Group(
    "Responses",
    "OpenAI's newer API, answered by the official `claude` CLI. A response is kept for an hour, for the key that made "
    "it, unless `store` is `false`.",
    OpenAIError,
    place=3,
)
_NAME = Parameter("name", "The `id` of a response.", place="path", example="resp_0a1b2c3d4e5f60718293a4b5c6d7e8f9")
_IGNORED = "Accepted, and changes nothing."
_WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "The weather in a town.",
    "parameters": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]},
}

CREATE = Operation(
    group=_GROUP,
    summary="Ask for an answer",
    about="`null` counts as not given. While there is nothing to send, a stream has a comment.",
    request=ResponsesRequest,
    reads={
        "input": ListOf((Message, FunctionCall, FunctionCallOutput, ReasoningItem, ItemReference), or_text=True),
        "tools": list[FunctionTool] | None,
    },
    examples={
        "Streamed": {"model": "sonnet", "stream": True, "input": "What is a postern?"},
        "Whole": {"model": "sonnet", "input": "What is a postern?"},
        "Thinking": {
            "model": "sonnet",
            "stream": True,
            "reasoning": {"effort": "low", "summary": "auto"},
            "instructions": "Answer in one sentence.",
            "input": "What is a postern?",
        },
        "Tool": {
            "model": "sonnet",
            "tools": [_WEATHER],
            "input": [
                {"role": "user", "content": "How is the weather in Aachen?"},
                {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"town": "Aachen"}'},
                {"type": "function_call_output", "call_id": "call_1", "output": "12 degrees, rain"},
            ],
        },
    },
    members={
        "model": "A name or an alias of `GET /v1/models`.",
        "input": "A text, or items; the last one must be the user's, or a tool's output.",
        "include": "`reasoning.encrypted_content`: to send thinking back. `message.output_text.logprobs` is refused.",
        "instructions": "The head of the system prompt. Not carried over from `previous_response_id`.",
        "max_output_tokens": "The most tokens of the answer. Without it: the CLI's own limit for the model.",
        "metadata": "Comes back in the response, and reaches Anthropic within `metadata.user_id`, as far as "
        "there is room.",
        "parallel_tool_calls": "`false`: one call at a time.",
        "previous_response_id": "The conversation goes on behind that response.",
        "reasoning": "`effort`: `none`, `minimal` (as `low`), `low`, `medium`, `high`, `xhigh` or `max`. With a "
        "`summary` the thinking is shown.",
        "safety_identifier": "The same as `user`, which wins over it.",
        "store": "`false`: the response is not kept, and nothing can go on from it.",
        "stream": "Whether the answer comes as server-sent events while it is made.",
        "stream_options": "Goes with `stream` only.",
        "temperature": "0 to 2. What is above 1 is sent as 1, where Claude's scale ends.",
        "text": "`json_schema` is Claude's own structured output; `json_object` is asked for, and not enforced.",
        "tool_choice": "`allowed_tools` leaves the others out.",
        "tools": "Functions, as Claude's own tools. Those of OpenAI's own are refused.",
        "top_p": "One that is 1 changes nothing and is left out beside `temperature`.",
        "user": "Reaches Anthropic as `metadata.user_id`.",
        "prompt_cache_key": _IGNORED,
        "prompt_cache_options": _IGNORED,
        "prompt_cache_retention": _IGNORED,
        "service_tier": _IGNORED,
        "access_programs": "Refused.",
        "background": "`false` only.",
        "background_options": "Refused.",
        "context_management": "Empty only.",
        "conversation": "Refused.",
        "image": "Refused.",
        "max_tool_calls": "Refused.",
        "moderation": "Refused.",
        "prompt": "Refused.",
        "top_logprobs": "0 only.",
        "truncation": "`disabled` only.",
    },
    answers={
        200: Answer(
            "The response. With `stream`, OpenAI's events in OpenAI's order. A failure after the first event is a "
            "`response.failed`, and last an `error`.",
            ResponseObject,
            events=(ResponseEvent,),
        )
    },
    errors=OF_A_COMPLETION,
    codes=("unsupported_parameter", "unsupported_schema", "previous_response_not_found"),
)
SHOW = Operation(
    group=_GROUP,
    summary="Look a response up",
    parameters=(_NAME, Parameter("stream", "`false` only: it is not streamed again.", bool)),
    answers={200: Answer("The response, as it was told.", ResponseObject)},
    errors=(UnknownResponse,),
    codes=("unsupported_parameter",),
)
INPUT_ITEMS = Operation(
    group=_GROUP,
    summary="List the input of a response",
    about="The items of its own request, not those of earlier responses.",
    parameters=(
        _NAME,
        Parameter("order", "The latest first, or last.", Literal["asc", "desc"]),
        Parameter("limit", "So many; 20 if left out.", Annotated[int, Meta(ge=1, le=100)]),
        Parameter("after", "Only those behind the item with this id."),
    ),
    answers={200: Answer("The items.", InputItems)},
    errors=(UnknownResponse,),
    codes=("invalid_value",),
)
DELETE = Operation(
    group=_GROUP,
    summary="Forget a response",
    parameters=(_NAME,),
    answers={200: Answer("It is forgotten.", DeletedResponse)},
    errors=(UnknownResponse,),
)

"""POST /v1/messages, POST /v1/messages/count_tokens."""

from app.api.descriptions.common import OF_A_COMPLETION
from app.protocols.anthropic_models import CountRequest, MessagesRequest, Tool
from app.protocols.anthropic_shapes import AnthropicError, AnthropicMessage, Event, TokenCount
from app.web.describe import Answer, Group, Operation

_GROUP = Group(
    "Messages",
    "Anthropic's messages, answered by the official `claude` CLI. Give Anthropic's clients the address without `/v1`.",
    AnthropicError,
    place=2,
    codes=False,
)
_QUESTION = {"role": "user", "content": "What is a postern?"}
_WEATHER = {
    "name": "weather",
    "description": "The weather in a town.",
    "input_schema": {
        "type": "object",
        "properties": {"town": {"type": "string"}},
        "required": ["town"],
    },
}
_OF_BOTH = {
    "model": "A name or an alias of `GET /v1/models`.",
    "messages": "As they came, block by block. The last one must be the user's. Those of the role `system` are "
    "gathered behind `system`.",
    "system": "A text, or text blocks, which reach the model as one text.",
    "tools": "Client tools. Those of Anthropic's own are refused.",
    "tool_choice": "A `tool` must have a `name` that is in `tools`.",
    "thinking": "Off when it is left out, as far as the model can do without.",
    "output_config": "The effort, and the form of the answer. A keyword of a schema that structured outputs do not "
    "take is refused and named.",
    "output_format": "The earlier name of `output_config.format`.",
    "cache_control": "Accepted here and at every block, and left out: the CLI sets markers of its own.",
    "container": "Refused.",
    "context_management": "Without edits only.",
    "diagnostics": "Refused.",
    "inference_geo": "Refused.",
    "mcp_servers": "Empty only.",
    "speed": "`standard` only.",
}
_TOOLS = list[Tool] | None

MESSAGES = Operation(
    group=_GROUP,
    summary="Ask for an answer",
    about="Requests and answers are upstream's own: they are checked, and next to nothing of them is translated. "
    "`anthropic-version` and `anthropic-beta` are accepted and change nothing. `null` counts as not given.",
    request=MessagesRequest,
    reads={"tools": _TOOLS},
    examples={
        "Streamed": {"model": "sonnet", "max_tokens": 500, "stream": True, "messages": [_QUESTION]},
        "Whole": {"model": "sonnet", "max_tokens": 500, "messages": [_QUESTION]},
        "Thinking": {
            "model": "sonnet",
            "max_tokens": 4000,
            "stream": True,
            "thinking": {"type": "enabled", "budget_tokens": 2000},
            "system": "Answer in one sentence.",
            "messages": [_QUESTION],
        },
        "Tool": {
            "model": "sonnet",
            "max_tokens": 500,
            "tools": [_WEATHER],
            "messages": [
                {"role": "user", "content": "How is the weather in Aachen?"},
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": "toolu_01", "name": "weather", "input": {"town": "Aachen"}}],
                },
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": "toolu_01", "content": "12 degrees, rain"}],
                },
            ],
        },
    },
    members={
        **_OF_BOTH,
        "max_tokens": "The most tokens of the answer.",
        "metadata": "`user_id`, an opaque text.",
        "service_tier": "Accepted, and changes nothing.",
        "stop_sequences": "Texts that end the answer. Not white space alone.",
        "stream": "Whether the answer comes as server-sent events while it is made.",
        "temperature": "As given.",
        "top_k": "As given.",
        "top_p": "As given.",
    },
    answers={
        200: Answer(
            "The answer. With `stream`, the events of upstream as they come, and an `event: ping` while there is "
            "nothing to send. A failure after the first byte is an `event: error`.",
            AnthropicMessage,
            events=(Event,),
            example={
                "id": "msg_01A2b3C4d5E6f7",
                "type": "message",
                "role": "assistant",
                "model": "claude-sonnet-5-5",
                "content": [{"type": "text", "text": "A small side gate in a wall."}],
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "usage": {"input_tokens": 14, "output_tokens": 9},
            },
        )
    },
    errors=OF_A_COMPLETION,
)
COUNT_TOKENS = Operation(
    group=_GROUP,
    summary="Count the tokens of a request",
    about="It takes what makes a prompt, and nothing that only an answer needs.",
    request=CountRequest,
    reads={"tools": _TOOLS},
    examples={"Question": {"model": "sonnet", "messages": [_QUESTION]}},
    members=_OF_BOTH,
    answers={200: Answer("So many.", TokenCount, example={"input_tokens": 14})},
    errors=OF_A_COMPLETION,
)

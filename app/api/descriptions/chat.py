"""POST /v1/chat/completions, POST /v1/completions."""

from app.api.descriptions.common import OF_A_COMPLETION
from app.protocols.openai_completions import CompletionRequest
from app.protocols.openai_models import ChatRequest
from app.protocols.openai_shapes import ChatCompletion, ChatCompletionChunk, OpenAIError, TextCompletion
from app.web.describe import Answer, Group, Operation

_IGNORED = "Accepted, and changes nothing."
_QUESTION = {"role": "user", "content": "What is a postern?"}
_WEATHER = {
    "name": "weather",
    "description": "The weather in a town.",
    "parameters": {
        "type": "object",
        "properties": {"town": {"type": "string"}},
        "required": ["town"],
    },
}
_PLACE = {
    "type": "object",
    "properties": {"country": {"type": "string"}},
    "required": ["country"],
    "additionalProperties": False,
}
# A red square.
_IMAGE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAFklEQVR42mM4o6REEmIY1TCqYfhqAABFfxAQTX2w"
    "ewAAAABJRU5ErkJggg=="
)

# What the legacy API has in common with chat.
_SHARED = (
    "model",
    "max_tokens",
    "temperature",
    "top_p",
    "stop",
    "n",
    "stream",
    "stream_options",
    "user",
    "seed",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "presence_penalty",
)
_CODES = ("unsupported_parameter", "unsupported_schema")
_GROUP = Group("Chat completions", "OpenAI's completions, answered by the official `claude` CLI.", OpenAIError, place=1)

CHAT = Operation(
    group=_GROUP,
    summary="Ask for an answer",
    about="Streamed and whole answers are made from the same events. The last message must be the user's or a tool's. "
    "`null` counts as not given.",
    request=ChatRequest,
    examples={
        "Streamed": {"model": "sonnet", "stream": True, "messages": [_QUESTION]},
        "Whole": {"model": "sonnet", "messages": [_QUESTION]},
        "Conversation": {
            "model": "sonnet",
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": 500,
            "temperature": 0.2,
            "stop": ["END"],
            "messages": [
                {"role": "system", "content": "Answer in one sentence."},
                _QUESTION,
                {"role": "assistant", "content": "A small side gate in a wall."},
                {"role": "user", "content": "Who goes through it?"},
            ],
        },
        "Tool": {
            "model": "sonnet",
            "stream": True,
            "tools": [{"type": "function", "function": _WEATHER}],
            "messages": [{"role": "user", "content": "How is the weather in Aachen?"}],
        },
        "JSON": {
            "model": "sonnet",
            "response_format": {"type": "json_schema", "json_schema": {"name": "place", "schema": _PLACE}},
            "messages": [{"role": "user", "content": "Where is Aachen?"}],
        },
        "Thinking": {"model": "sonnet", "stream": True, "reasoning_effort": "low", "messages": [_QUESTION]},
        "Image": {
            "model": "sonnet",
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "Which colour is this?"},
                        {"type": "image_url", "image_url": {"url": _IMAGE}},
                    ],
                }
            ],
        },
    },
    members={
        "model": "A name or an alias of `GET /v1/models`.",
        "messages": "`system` and `developer` messages, wherever they stand, become the system prompt, in their order. "
        "`user` and `assistant` messages keep their roles.",
        "max_tokens": "The most tokens of the answer. Without it: the CLI's own limit for the model.",
        "max_completion_tokens": "The same as `max_tokens`, and wins over it.",
        "temperature": "0 to 2. What is above 1 is sent as 1, where Claude's scale ends.",
        "top_p": "Newer models refuse it beside `temperature`; one that is 1 changes nothing and is left out then.",
        "top_k": "As given. Not OpenAI's.",
        "stop": "A text, or up to four, that end the answer. Not white space alone.",
        "n": "So many answers, each by a process of its own, side by side. At most as many as the gateway may have.",
        "stream": "Whether the answer comes as server-sent events while it is made.",
        "stream_options": "`include_usage` adds a last chunk with the usage. Goes with `stream` only.",
        "user": "Reaches Anthropic as `metadata.user_id`.",
        "safety_identifier": "The same as `user`, which wins over it.",
        "metadata": "Reaches Anthropic within `metadata.user_id`, as JSON beside the user; 256 characters in all. "
        "Pairs that find no room are left out.",
        "prompt_cache_key": _IGNORED,
        "prompt_cache_options": _IGNORED,
        "prompt_cache_retention": _IGNORED,
        "seed": _IGNORED,
        "service_tier": _IGNORED,
        "store": _IGNORED,
        "tools": "Functions, as Claude's own tools. `parameters` must be the schema of an object.",
        "tool_choice": "`allowed_tools` leaves the others out.",
        "parallel_tool_calls": "`false`: one call at a time.",
        "response_format": "`json_schema` is Claude's own structured output; a keyword that it does not take is "
        "refused and named. `json_object` is asked for, and not enforced.",
        "reasoning_effort": "`none`, `minimal` (as `low`), `low`, `medium`, `high`, `xhigh` or `max`. Without it, and "
        "without `thinking`, thinking is off.",
        "thinking": "LiteLLM's. It decides whether and how Claude thinks, `reasoning_effort` how much.",
        "audio": "Refused: Claude takes and makes no audio.",
        "frequency_penalty": "0 only.",
        "presence_penalty": "0 only.",
        "function_call": "`none` or `auto` only: `tool_choice` took its place.",
        "functions": "Empty only: `tools` took their place.",
        "logit_bias": "Empty only.",
        "logprobs": "`false` only.",
        "top_logprobs": "0 only.",
        "modalities": '`["text"]` only.',
        "moderation": "Refused.",
        "prediction": "Refused.",
        "verbosity": "`medium` only.",
        "web_search_options": "Refused.",
    },
    answers={
        200: Answer(
            "The answer. With `stream`, chunks as server-sent events and a `data: [DONE]`; a comment (`: ping`) while "
            "there is nothing to send. A failure after the first byte is a `data:` with an error, and no `[DONE]`.",
            ChatCompletion,
            events=(ChatCompletionChunk, OpenAIError),
            last="[DONE]",
            example={
                "id": "chatcmpl-0a1b2c3d4e5f60718293a4b5c6d7e8f9",
                "object": "chat.completion",
                "created": 1767225600,
                "model": "claude-sonnet-5-5",
                "choices": [
                    {
                        "index": 0,
                        "message": {
                            "role": "assistant",
                            "content": "A small side gate in a wall.",
                            "refusal": None,
                        },
                        "logprobs": None,
                        "finish_reason": "stop",
                    }
                ],
                "usage": {
                    "prompt_tokens": 14,
                    "completion_tokens": 9,
                    "total_tokens": 23,
                    "prompt_tokens_details": {"cached_tokens": 0},
                },
            },
        )
    },
    errors=OF_A_COMPLETION,
    codes=_CODES,
)
LEGACY = Operation(
    group=_GROUP,
    summary="Go on after a prompt",
    about="OpenAI's API before chat, for old clients. Claude only converses: the prompt is sent as the user's message.",
    request=CompletionRequest,
    examples={
        "Whole": {"model": "sonnet", "prompt": "What is a postern?"},
        "Streamed": {"model": "sonnet", "stream": True, "prompt": "What is a postern?"},
    },
    members={
        "prompt": "One text, or a list of one.",
        "best_of": "1, or as many as `n`.",
        "echo": "`false` only.",
        "suffix": "Empty only.",
        **{name: CHAT.members[name] for name in _SHARED},
    },
    answers={
        200: Answer(
            "The answer. With `stream`, its pieces as server-sent events and a `data: [DONE]`.",
            TextCompletion,
            events=(TextCompletion, OpenAIError),
            last="[DONE]",
        )
    },
    errors=OF_A_COMPLETION,
    codes=("unsupported_parameter",),
)

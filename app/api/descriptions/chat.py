"""POST /v1/chat/completions."""

from app.api.descriptions.common import OF_A_COMPLETION
from app.protocols.openai_models import ChatRequest
from app.protocols.openai_shapes import ChatCompletion, ChatCompletionChunk, OpenAIError
from app.web.describe import Answer, Group, Operation

_IGNORED = "Accepted, and changes nothing."
_QUESTION = {"role": "user", "content": "What is a postern?"}
# A red square.
_IMAGE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAFklEQVR42mM4o6REEmIY1TCqYfhqAABFfxAQTX2w"
    "ewAAAABJRU5ErkJggg=="
)

CHAT = Operation(
    group=Group("Chat completions", "OpenAI's chat completions, answered by the official `claude` CLI.", OpenAIError),
    summary="Ask for an answer",
    about="Streamed and whole answers are made from the same events. The last message must be the user's. `null` "
    "counts as not given.",
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
        "metadata": "Reaches Anthropic within `metadata.user_id`, as JSON beside the user; 256 characters in all.",
        "prompt_cache_key": _IGNORED,
        "prompt_cache_options": _IGNORED,
        "prompt_cache_retention": _IGNORED,
        "seed": _IGNORED,
        "service_tier": _IGNORED,
        "store": _IGNORED,
        "audio": "Refused: Claude takes and makes no audio.",
        "frequency_penalty": "0 only.",
        "presence_penalty": "0 only.",
        "function_call": "`none` or `auto` only.",
        "functions": "Empty only.",
        "logit_bias": "Empty only.",
        "logprobs": "`false` only.",
        "top_logprobs": "0 only.",
        "modalities": '`["text"]` only.',
        "moderation": "Refused.",
        "parallel_tool_calls": _IGNORED,
        "prediction": "Refused.",
        "reasoning_effort": "`none` only.",
        "response_format": '`{"type": "text"}` only.',
        "tool_choice": "`none` or `auto` only.",
        "tools": "Empty only.",
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
    codes=("unsupported_parameter",),
)

import json
import os
from collections.abc import Callable
from typing import Any

import litellm
from observing import PNG_URL, TIME, WEATHER, WRONG_KEY, calling, observe, script
from pydantic import BaseModel

litellm.suppress_debug_info = True
litellm.enable_json_schema_validation = True


class City(BaseModel):
    city: str
    degrees: int


def function(name: str, argument: str) -> Any:
    schema = {"type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]}
    return {
        "type": "function",
        "function": {"name": name, "description": f"Tells the {argument}.", "parameters": schema},
    }


TOOLS = [function("get_weather", "city"), function("get_time", "zone")]
PROVIDERS = {
    "openai": {
        "model": "openai/sonnet",
        "api_base": os.environ["OPENAI_BASE_URL"],
        "api_key": os.environ["OPENAI_API_KEY"],
    },
    "anthropic": {
        "model": "anthropic/claude-sonnet-5-5",
        "api_base": os.environ["ANTHROPIC_BASE_URL"],
        "api_key": os.environ["ANTHROPIC_API_KEY"],
    },
}

Ask = Callable[..., Any]


def cases(provider: str) -> list[Callable[[], Any]]:
    def ask(content: Any, **options: Any) -> Any:
        messages = [{"role": "user", "content": content}]
        return litellm.completion(**{"messages": messages, "max_retries": 0, **PROVIDERS[provider], **options})

    def named(case: Callable[[Ask], Any]) -> Callable[[], Any]:
        def attempt() -> Any:
            return case(ask)

        attempt.__name__ = f"{provider}_{case.__name__}"
        return attempt

    every = (whole, streamed, tool, parallel_tools, parsed, vision, wrong_key, bad_request, rate_limited, failed)
    return [named(case) for case in (*every, broken_stream)]


def whole(ask: Ask) -> Any:
    answer = ask(script(answer="Hello there."))
    choice = answer.choices[0]
    return {"text": choice.message.content, "finish": choice.finish_reason, "counted": answer.usage.total_tokens > 0}


def streamed(ask: Ask) -> Any:
    chunks = list(ask(script(words=5), stream=True, stream_options={"include_usage": True}))
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    whole = litellm.stream_chunk_builder(chunks)
    return {"pieces": pieces, "finish": whole.choices[0].finish_reason, "counted": whole.usage.total_tokens > 0}


def calls_of(message: Any) -> Any:
    return [[call.function.name, json.loads(call.function.arguments)] for call in message.tool_calls or []]


def answered(ask: Ask, question: str, message: Any, results: dict[str, str]) -> str:
    tools = [
        {"role": "tool", "tool_call_id": call.id, "content": results[call.function.name]} for call in message.tool_calls
    ]
    following = [{"role": "user", "content": question}, message, *reversed(tools)]
    return ask(None, messages=following, tools=TOOLS).choices[0].message.content


def tool(ask: Ask) -> Any:
    question = calling(WEATHER, answer="I shall look.")
    choice = ask(question, tools=TOOLS).choices[0]
    answer = answered(ask, question, choice.message, {"get_weather": "4 degrees"})
    said = choice.message.content
    return {"text": said, "calls": calls_of(choice.message), "finish": choice.finish_reason, "answer": answer}


def parallel_tools(ask: Ask) -> Any:
    question = calling(WEATHER, TIME)
    choice = litellm.stream_chunk_builder(list(ask(question, tools=TOOLS, stream=True))).choices[0]
    answer = answered(ask, question, choice.message, {"get_weather": "4 degrees", "get_time": "noon"})
    return {"calls": calls_of(choice.message), "finish": choice.finish_reason, "answer": answer}


def parsed(ask: Ask) -> Any:
    return json.loads(ask("Where is it how warm?", response_format=City).choices[0].message.content)


def vision(ask: Ask) -> str:
    image = {"type": "image_url", "image_url": {"url": PNG_URL}}
    return ask([{"type": "text", "text": "What is it?"}, image]).choices[0].message.content


def wrong_key(ask: Ask) -> None:
    ask("hi", api_key=WRONG_KEY)


def bad_request(ask: Ask) -> None:
    ask(script(status=400, message="no"))


def rate_limited(ask: Ask) -> None:
    ask(script(status=429, retry_after=30))


def failed(ask: Ask) -> None:
    ask(script(status=500))


def broken_stream(ask: Ask) -> None:
    for _ in ask(script(words=6, error_after=3, delta_delay=0.05), stream=True):
        pass


if __name__ == "__main__":
    observe(*cases("openai"), *cases("anthropic"))

import asyncio
import json
from typing import Any

from observing import PNG_URL, TIME, WEATHER, WRONG_KEY, calling, observe, script
from openai import AsyncOpenAI, OpenAI, pydantic_function_tool
from pydantic import BaseModel

client = OpenAI(max_retries=0)


class City(BaseModel):
    city: str
    degrees: int


def function(name: str, argument: str) -> Any:
    parameters = {"type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]}
    return {
        "type": "function",
        "function": {"name": name, "description": f"Tells the {argument}.", "parameters": parameters},
    }


TOOLS = [function("get_weather", "city"), function("get_time", "zone")]


def user(content: Any) -> Any:
    return {"role": "user", "content": content}


def ask(content: Any, **options: Any) -> Any:
    return client.chat.completions.create(model="sonnet", messages=[user(content)], **options)


def whole() -> Any:
    answer = ask(script(answer="Hello there."))
    choice = answer.choices[0]
    return {"text": choice.message.content, "finish": choice.finish_reason, "counted": answer.usage.total_tokens > 0}


def streamed() -> Any:
    *chunks, last = ask(script(words=5), stream=True, stream_options={"include_usage": True})
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices[0].delta.content]
    return {"pieces": pieces, "finish": chunks[-1].choices[0].finish_reason, "counted": last.usage.total_tokens > 0}


def streamed_async() -> Any:
    async def pieces() -> list[str]:
        async with AsyncOpenAI(max_retries=0) as own:
            chunks = await own.chat.completions.create(model="sonnet", messages=[user(script(words=5))], stream=True)
            return [chunk.choices[0].delta.content async for chunk in chunks if chunk.choices[0].delta.content]

    return asyncio.run(pieces())


def calls_of(message: Any) -> Any:
    return [[call.function.name, json.loads(call.function.arguments)] for call in message.tool_calls or []]


def answered(messages: list[Any], message: Any, results: dict[str, str]) -> str:
    tools = [
        {"role": "tool", "tool_call_id": call.id, "content": results[call.function.name]} for call in message.tool_calls
    ]
    following = [*messages, message, *reversed(tools)]
    return client.chat.completions.create(model="sonnet", messages=following, tools=TOOLS).choices[0].message.content


def tool() -> Any:
    messages = [user(calling(WEATHER, answer="I shall look."))]
    choice = client.chat.completions.create(model="sonnet", messages=messages, tools=TOOLS).choices[0]
    answer = answered(messages, choice.message, {"get_weather": "4 degrees"})
    return {
        "text": choice.message.content,
        "calls": calls_of(choice.message),
        "finish": choice.finish_reason,
        "answer": answer,
    }


def parallel_tools() -> Any:
    messages = [user(calling(WEATHER, TIME))]
    with client.chat.completions.stream(model="sonnet", messages=messages, tools=TOOLS) as stream:
        done = [event.name for event in stream if event.type == "tool_calls.function.arguments.done"]
        choice = stream.get_final_completion().choices[0]
    answer = answered(messages, choice.message, {"get_weather": "4 degrees", "get_time": "noon"})
    return {"done": done, "calls": calls_of(choice.message), "finish": choice.finish_reason, "answer": answer}


def forced_tool() -> Any:
    chosen = {"type": "function", "function": {"name": "get_time"}}
    return calls_of(ask("Which is it?", tools=TOOLS, tool_choice=chosen, parallel_tool_calls=False).choices[0].message)


def parsed() -> Any:
    messages = [user("Where is it how warm?")]
    answer = client.chat.completions.parse(model="sonnet", messages=messages, response_format=City)
    return answer.choices[0].message.parsed.model_dump()


def parsed_tool() -> Any:
    answer = client.chat.completions.parse(
        model="sonnet",
        messages=[user(calling(("City", {"city": "Oslo", "degrees": 4})))],
        tools=[pydantic_function_tool(City)],
    )
    return answer.choices[0].message.tool_calls[0].function.parsed_arguments.model_dump()


def vision() -> str:
    image = {"type": "image_url", "image_url": {"url": PNG_URL}}
    return ask([{"type": "text", "text": "What is it?"}, image]).choices[0].message.content


def models() -> list[str]:
    return [model.id for model in client.models.list()]


def wrong_key() -> None:
    OpenAI(api_key=WRONG_KEY).models.list()


def bad_request() -> None:
    client.chat.completions.create(model="sonnet", messages=[])


def rate_limited() -> None:
    ask(script(status=429, retry_after=30))


def failed() -> None:
    ask(script(status=500))


def broken_stream() -> None:
    for _ in ask(script(words=6, error_after=3, delta_delay=0.05), stream=True):
        pass


if __name__ == "__main__":
    observe(
        whole,
        streamed,
        streamed_async,
        tool,
        parallel_tools,
        forced_tool,
        parsed,
        parsed_tool,
        vision,
        models,
        wrong_key,
        bad_request,
        rate_limited,
        failed,
        broken_stream,
    )

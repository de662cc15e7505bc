from typing import Any

from anthropic import Anthropic, beta_tool
from observing import PNG_BASE64, TIME, WEATHER, WRONG_KEY, calling, observe, script
from pydantic import BaseModel

MODEL = "claude-sonnet-5-5"
client = Anthropic(max_retries=0)


class City(BaseModel):
    city: str
    degrees: int


def tool_of(name: str, argument: str) -> Any:
    schema = {"type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]}
    return {"name": name, "description": f"Tells the {argument}.", "input_schema": schema}


TOOLS = [tool_of("get_weather", "city"), tool_of("get_time", "zone")]


def user(content: Any) -> Any:
    return {"role": "user", "content": content}


def ask(content: Any, **options: Any) -> Any:
    return client.messages.create(**{"model": MODEL, "max_tokens": 1000, "messages": [user(content)]} | options)


def text_of(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def whole() -> Any:
    answer = ask(script(answer="Hello there."), system=[{"type": "text", "text": "Be brief."}])
    return {"text": text_of(answer), "stop": answer.stop_reason, "counted": answer.usage.output_tokens > 0}


def streamed() -> Any:
    with client.messages.stream(model=MODEL, max_tokens=1000, messages=[user(script(words=5))]) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    return {"pieces": pieces, "stop": final.stop_reason, "counted": final.usage.output_tokens > 0}


def events() -> list[str]:
    return list(dict.fromkeys(event.type for event in ask(script(words=5), stream=True)))


def calls_of(message: Any) -> Any:
    return [[block.name, block.input] for block in message.content if block.type == "tool_use"]


def answered(messages: list[Any], message: Any, results: dict[str, str], **options: Any) -> str:
    told = [
        {"type": "tool_result", "tool_use_id": block.id, "content": results[block.name]}
        for block in message.content
        if block.type == "tool_use"
    ]
    following = [*messages, {"role": "assistant", "content": message.content}, user([*reversed(told)])]
    return text_of(ask(None, messages=following, tools=TOOLS, **options))


def tool() -> Any:
    messages = [user(calling(WEATHER, answer="I shall look."))]
    message = ask(None, messages=messages, tools=TOOLS)
    answer = answered(messages, message, {"get_weather": "4 degrees"})
    return {"text": text_of(message), "calls": calls_of(message), "stop": message.stop_reason, "answer": answer}


def parallel_tools() -> Any:
    messages = [user(calling(WEATHER, TIME))]
    with client.messages.stream(model=MODEL, max_tokens=1000, messages=messages, tools=TOOLS) as stream:
        partial = [event.partial_json for event in stream if event.type == "input_json"]
        message = stream.get_final_message()
    answer = answered(messages, message, {"get_weather": "4 degrees", "get_time": "noon"})
    return {"in_pieces": len(partial) > 2, "calls": calls_of(message), "stop": message.stop_reason, "answer": answer}


def forced_tool() -> Any:
    return calls_of(ask("Which is it?", tools=TOOLS, tool_choice={"type": "tool", "name": "get_time"}))


def thinking_tool() -> Any:
    """The thinking goes back with its signature, as upstream demands of who goes on after a tool."""
    options = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 4000}
    messages = [user(calling(WEATHER, thinking="First the weather."))]
    message = ask(None, messages=messages, tools=TOOLS, **options)
    thought = message.content[0]
    answer = answered(messages, message, {"get_weather": "4 degrees"}, **options)
    return {"thinking": thought.thinking, "signed": bool(thought.signature), "answer": answer}


@beta_tool
def get_weather(city: str) -> str:
    """Tells the weather.

    Args:
        city: Which city.
    """
    return f"4 degrees in {city}"


@beta_tool
def get_time(zone: str) -> str:
    """Tells the time.

    Args:
        zone: Which time zone.
    """
    return f"noon in {zone}"


def tool_runner() -> str:
    """Without the beta of threads, in which upstream keeps the conversation."""
    messages = [user(calling(WEATHER, TIME))]
    tools = [get_weather, get_time]
    run = client.beta.messages.tool_runner
    return text_of(run(model=MODEL, max_tokens=1000, messages=messages, tools=tools, thread=False).until_done())


def parsed() -> Any:
    messages = [user("Where is it how warm?")]
    answer = client.messages.parse(model=MODEL, max_tokens=1000, messages=messages, output_format=City)
    return answer.parsed_output.model_dump()


def vision() -> str:
    source = {"type": "base64", "media_type": "image/png", "data": PNG_BASE64}
    return text_of(ask([{"type": "image", "source": source}, {"type": "text", "text": "What is it?"}]))


def counted() -> int:
    return client.messages.count_tokens(model=MODEL, messages=[user("How many tokens are these words?")]).input_tokens


def wrong_key() -> None:
    with Anthropic(api_key=WRONG_KEY) as stranger:
        stranger.messages.create(model=MODEL, max_tokens=10, messages=[user("hi")])


def bad_request() -> None:
    ask("hi", max_tokens=0)


def rate_limited() -> None:
    ask(script(status=429, retry_after=30))


def failed() -> None:
    ask(script(status=500))


def overloaded() -> None:
    ask(script(status=529))


def broken_stream() -> None:
    for _ in ask(script(words=6, error_after=3, delta_delay=0.05), stream=True):
        pass


if __name__ == "__main__":
    observe(
        whole,
        streamed,
        events,
        tool,
        parallel_tools,
        forced_tool,
        thinking_tool,
        tool_runner,
        parsed,
        vision,
        counted,
        wrong_key,
        bad_request,
        rate_limited,
        failed,
        overloaded,
        broken_stream,
    )

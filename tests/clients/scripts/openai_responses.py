import json
from typing import Any

from observing import PNG_URL, TIME, WEATHER, WRONG_KEY, attempt, calling, observe, script
from openai import OpenAI
from pydantic import BaseModel

client = OpenAI(max_retries=0)


class City(BaseModel):
    city: str
    degrees: int


def function(name: str, argument: str) -> Any:
    properties = {argument: {"type": "string"}}
    schema = {"type": "object", "properties": properties, "required": [argument], "additionalProperties": False}
    return {
        "type": "function",
        "name": name,
        "description": f"Tells the {argument}.",
        "parameters": schema,
        "strict": True,
    }


TOOLS = [function("get_weather", "city"), function("get_time", "zone")]


def ask(given: Any, **options: Any) -> Any:
    return client.responses.create(model="sonnet", input=given, **options)


def whole() -> Any:
    answer = ask(script(answer="Hello there."))
    return {"text": answer.output_text, "status": answer.status, "counted": answer.usage.total_tokens > 0}


def streamed() -> Any:
    events = list(ask(script(words=5), stream=True))
    return {
        "types": list(dict.fromkeys(event.type for event in events)),
        "pieces": [event.delta for event in events if event.type == "response.output_text.delta"],
        "numbers": [event.sequence_number for event in events],
        "text": events[-1].response.output_text,
    }


def gathered() -> Any:
    with client.responses.stream(model="sonnet", input=script(words=5)) as stream:
        for _ in stream:
            pass
        return stream.get_final_response().output_text


def instructed() -> str:
    return ask("Which rules?", instructions="Answer in rhyme.").output_text


def continued() -> str:
    first = ask(script(answer="Seven."))
    return ask("And which number was it?", previous_response_id=first.id).output_text


def kept() -> Any:
    first = ask(script(answer="Seven."))
    before = client.responses.retrieve(first.id).output_text
    client.responses.delete(first.id)
    return {"before": before, "after": attempt(lambda: client.responses.retrieve(first.id).output_text)}


def calls_of(answer: Any) -> Any:
    return [[item.name, json.loads(item.arguments)] for item in answer.output if item.type == "function_call"]


def results(answer: Any, told: dict[str, str]) -> list[Any]:
    return [
        {"type": "function_call_output", "call_id": item.call_id, "output": told[item.name]}
        for item in answer.output
        if item.type == "function_call"
    ]


def tool() -> Any:
    first = ask(calling(WEATHER, answer="I shall look."), tools=TOOLS)
    told = results(first, {"get_weather": "4 degrees"})
    second = ask(told, previous_response_id=first.id, tools=TOOLS)
    return {"text": first.output_text, "calls": calls_of(first), "answer": second.output_text}


def parallel_tools() -> Any:
    """With the whole history sent again, as who stores nothing does."""
    question = {"role": "user", "content": calling(WEATHER, TIME)}
    with client.responses.stream(model="sonnet", input=[question], tools=TOOLS, store=False) as stream:
        done = [event.name for event in stream if event.type == "response.function_call_arguments.done"]
        first = stream.get_final_response()
    told = results(first, {"get_weather": "4 degrees", "get_time": "noon"})
    second = ask([question, *first.output, *reversed(told)], tools=TOOLS, store=False)
    return {"done": len(done), "calls": calls_of(first), "answer": second.output_text}


def forced_tool() -> Any:
    chosen = {"type": "function", "name": "get_time"}
    return calls_of(ask("Which is it?", tools=TOOLS, tool_choice=chosen, parallel_tool_calls=False))


def parsed() -> Any:
    return client.responses.parse(
        model="sonnet", input="Where is it how warm?", text_format=City
    ).output_parsed.model_dump()


def vision() -> str:
    content = [{"type": "input_text", "text": "What is it?"}, {"type": "input_image", "image_url": PNG_URL}]
    return ask([{"role": "user", "content": content}]).output_text


def wrong_key() -> None:
    OpenAI(api_key=WRONG_KEY).responses.create(model="sonnet", input="hi")


def bad_request() -> None:
    ask([])


def rate_limited() -> None:
    ask(script(status=429, retry_after=30))


def failed() -> None:
    ask(script(status=500))


def broken_stream() -> Any:
    return [event.type for event in ask(script(words=6, error_after=3, delta_delay=0.05), stream=True)]


if __name__ == "__main__":
    observe(
        whole,
        streamed,
        gathered,
        instructed,
        continued,
        kept,
        tool,
        parallel_tools,
        forced_tool,
        parsed,
        vision,
        wrong_key,
        bad_request,
        rate_limited,
        failed,
        broken_stream,
    )

"""What is asked of an agent of LangChain's, whichever API its model speaks."""

import json
from collections.abc import Callable
from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from observing import PNG_URL, TIME, WEATHER, calling, script
from pydantic import BaseModel


class City(BaseModel):
    """A city and how warm it is."""

    city: str
    degrees: int


def get_weather(city: str) -> str:
    """Tells how warm it is in a city."""
    return f"4 degrees in {city}"


def get_time(zone: str) -> str:
    """Tells the time of a zone."""
    return f"noon in {zone}"


def look_up(place: str) -> str:
    """Finds what to ask next."""
    return f"{place} has weather and a time. {calling(WEATHER, TIME)}"


def cases(prefix: str, model: BaseChatModel) -> list[Callable[[], Any]]:
    def named(case: Callable[[BaseChatModel], Any]) -> Callable[[], Any]:
        def attempt() -> Any:
            return case(model)

        attempt.__name__ = f"{prefix}_{case.__name__}"
        return attempt

    return [
        named(case) for case in (whole, streamed, agent, streamed_agent, parsed, vision, rate_limited, broken_stream)
    ]


def whole(model: BaseChatModel) -> Any:
    answer = model.invoke([("system", "Be brief."), ("user", script(answer="Hello there."))])
    return {"text": answer.text, "counted": answer.usage_metadata["total_tokens"] > 0}


def streamed(model: BaseChatModel) -> list[str]:
    return [chunk.text for chunk in model.stream(script(words=5)) if chunk.text]


def agent(model: BaseChatModel) -> Any:
    """Two rounds: one tool, whose result leads to two at once."""
    prompt = calling(("look_up", {"place": "Oslo"}), answer="I shall look.")
    tools = [look_up, get_weather, get_time]
    messages = create_agent(model, tools).invoke({"messages": [("user", prompt)]})["messages"]
    calls = [[call["name"], call["args"]] for message in messages for call in getattr(message, "tool_calls", [])]
    return {"kinds": [message.type for message in messages], "calls": calls, "answer": messages[-1].text}


def streamed_agent(model: BaseChatModel) -> Any:
    asked = {"messages": [("user", calling(WEATHER, TIME))]}
    pieces, nodes = [], set()
    for chunk, told in create_agent(model, [get_weather, get_time]).stream(asked, stream_mode="messages"):
        nodes.add(told["langgraph_node"])
        if told["langgraph_node"] == "model" and chunk.text:
            pieces.append(chunk.text)
    return {"in_pieces": len(pieces) > 1, "nodes": sorted(nodes), "answer": "".join(pieces)}


def parsed(model: BaseChatModel) -> Any:
    given = model.with_structured_output(City, method="json_schema").invoke("Where is it how warm?")
    return json.loads(given.model_dump_json())


def vision(model: BaseChatModel) -> str:
    image = {"type": "image", "base64": PNG_URL.partition(",")[2], "mime_type": "image/png"}
    return model.invoke([("user", [{"type": "text", "text": "What is it?"}, image])]).text


def rate_limited(model: BaseChatModel) -> None:
    model.invoke(script(status=429, retry_after=30))


def broken_stream(model: BaseChatModel) -> None:
    for _ in model.stream(script(words=6, error_after=3, delta_delay=0.05)):
        pass

"""Tools in POST /v1/chat/completions through gunicorn, over the real CLI: what goes upstream, and what comes back."""

import json
from typing import Any

import pytest

from sandbox.signatures import signature_of
from tests.api.asking import script
from tests.support.gateway import Gateway
from tests.support.sandbox import Sandbox

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "function": {"name": "get_weather", "description": "Of a city.", "parameters": SCHEMA}}
# No name that the CLI would carry.
FILES = {"type": "function", "function": {"name": "files.read:" + "x" * 60}}
DOT = "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAEElEQVR4nGMQUDCAIAY4CwAV1AJBNIRtCgAAAABJRU5ErkJggg=="
PICTURE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DOT}"}}


def user(said: str) -> dict[str, Any]:
    return {"role": "user", "content": said}


def plain(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in block.items() if name != "cache_control"} for block in blocks]


def last_body(sandbox: Sandbox, marker: str) -> dict[str, Any]:
    return [entry["body"] for entry in sandbox.messages() if marker in json.dumps(entry["body"])][-1]


@pytest.mark.parametrize("stream", [False, True])
def test_calls_are_told_and_their_results_reach_the_model(gateway: Gateway, sandbox: Sandbox, stream: bool):
    """Two at once, one of them by a name that is mapped, the results in another order, one of them with an image."""
    names = [tool["function"]["name"] for tool in (WEATHER, FILES)]
    calls = [{"name": "get_weather", "input": {"city": "Öland ✓"}}, {"name": "files_read", "input": {}}]
    upstream_name = upstream_names(gateway, sandbox, f"names {stream}")[1]
    calls[1]["name"] = upstream_name
    messages: list[Any] = [user(f"calls {stream} {script(answer='Let me see.', tool_use=calls)}")]
    with gateway.openai() as client:
        create = client.chat.completions.create
        if stream:
            with client.chat.completions.stream(model="sonnet", messages=messages, tools=[WEATHER, FILES]) as events:
                choice = events.get_final_completion().choices[0]
        else:
            choice = create(model="sonnet", messages=messages, tools=[WEATHER, FILES]).choices[0]
        assert (choice.message.content, choice.finish_reason) == ("Let me see.", "tool_calls")
        first, second = choice.message.tool_calls
        assert [first.function.name, second.function.name] == names
        assert (json.loads(first.function.arguments), second.function.arguments) == ({"city": "Öland ✓"}, "{}")
        messages += [
            choice.message,
            {"role": "tool", "tool_call_id": second.id, "content": [PICTURE]},
            {"role": "tool", "tool_call_id": first.id, "content": "18 °C"},
        ]
        answer = create(model="sonnet", messages=messages, tools=[WEATHER, FILES])
    assert answer.choices[0].finish_reason == "stop"
    _, said, results = last_body(sandbox, f"calls {stream}")["messages"]
    assert plain(said["content"]) == [
        {"type": "text", "text": "Let me see."},
        {"type": "tool_use", "id": first.id, "name": "get_weather", "input": {"city": "Öland ✓"}},
        {"type": "tool_use", "id": second.id, "name": upstream_name, "input": {}},
    ]
    assert [(block["tool_use_id"], plain(block["content"])) for block in results["content"]] == [
        (first.id, [{"type": "text", "text": "18 °C"}]),
        (second.id, [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DOT}}]),
    ]


def upstream_names(gateway: Gateway, sandbox: Sandbox, marker: str) -> list[str]:
    assert gateway.chat(f"{marker} {script(words=1)}", tools=[WEATHER, FILES]).status_code == 200
    return [tool["name"] for tool in last_body(sandbox, marker)["tools"]]


@pytest.mark.parametrize(
    ("members", "choice"),
    [
        ({"tool_choice": "none"}, {"type": "none"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        (
            {"tool_choice": {"type": "function", "function": {"name": "get_weather"}}, "parallel_tool_calls": False},
            {"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True},
        ),
    ],
)
def test_tools_and_the_choice_among_them_are_seen_upstream(
    gateway: Gateway, sandbox: Sandbox, members: dict[str, Any], choice: dict[str, Any]
):
    marker = f"choice {json.dumps(members)}"
    answer = gateway.chat(f"{marker} {script(words=1)}", tools=[WEATHER], **members)
    assert answer.status_code == 200, answer.text
    body = last_body(sandbox, json.dumps(marker)[1:-1])
    assert body["tool_choice"] == choice
    (tool,) = plain(body["tools"])
    assert tool == {"name": "get_weather", "description": "Of a city.", "input_schema": SCHEMA}


def test_calls_of_another_provider_go_on_here(gateway: Gateway, sandbox: Sandbox):
    """Ids that Anthropic would refuse, the same one twice, and no definitions."""
    call = {"id": "functions.f:0", "type": "function", "function": {"name": "f", "arguments": '{"n": 1}'}}
    exchange = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "functions.f:0", "content": ""},
    ]
    messages = [user("another provider"), *exchange, *exchange, user(f"and now? {script(words=2)}")]
    with gateway.openai() as client:
        answer = client.chat.completions.create(model="sonnet", messages=messages)
    assert answer.choices[0].message.content == "w0 w1"
    body = last_body(sandbox, "another provider")
    blocks = [block for message in body["messages"] for block in message["content"]]
    uses = [block["id"] for block in blocks if block["type"] == "tool_use"]
    assert len(set(uses)) == 2
    assert [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"] == uses
    assert body["tool_choice"] == {"type": "none"}
    assert [tool["name"] for tool in body["tools"]] == ["f"]


def test_a_loop_of_calls_ends_with_an_answer(gateway: Gateway):
    call = [{"name": "get_weather", "input": {"city": "Oslo"}}]
    messages: list[Any] = [user(script(tool_use=call))]
    with gateway.openai() as client:
        for turn in range(5):
            answer = client.chat.completions.create(model="sonnet", messages=messages, tools=[WEATHER])
            (made,) = answer.choices[0].message.tool_calls
            result = f"{turn} {script(tool_use=call) if turn < 4 else script(words=2)}"
            messages += [answer.choices[0].message, {"role": "tool", "tool_call_id": made.id, "content": result}]
        last = client.chat.completions.create(model="sonnet", messages=messages, tools=[WEATHER]).choices[0]
    assert (last.message.content, last.finish_reason) == ("w0 w1", "stop")


@pytest.mark.parametrize("stream", [False, True])
def test_thinking_is_kept_with_its_signature_from_call_to_result(gateway: Gateway, sandbox: Sandbox, stream: bool):
    marker = f"thinking call {stream}"
    asked = script(thinking="hm, so", tool_use=[{"name": "get_weather", "input": {"city": "Oslo"}}])
    messages: list[Any] = [user(f"{marker} {asked}")]
    more = {"model": "opus", "tools": [WEATHER], "extra_body": {"thinking": {"type": "enabled", "budget_tokens": 2000}}}
    with gateway.openai() as client:
        if stream:
            with client.chat.completions.stream(messages=messages, **more) as events:
                message = events.get_final_completion().choices[0].message
        else:
            message = client.chat.completions.create(messages=messages, **more).choices[0].message
        assert message.reasoning_content == "hm, so"
        (call,) = message.tool_calls
        messages += [message, {"role": "tool", "tool_call_id": call.id, "content": "18 °C"}, user("and?")]
        client.chat.completions.create(messages=messages, **more)
    body = last_body(sandbox, marker)
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 2000}
    assert plain(body["messages"][1]["content"]) == [
        {"type": "thinking", "thinking": "hm, so", "signature": signature_of("hm, so")},
        {"type": "tool_use", "id": call.id, "name": "get_weather", "input": {"city": "Oslo"}},
    ]

"""Tool calls through Anthropic's API, with the real CLI."""

import json
from dataclasses import replace
from typing import Any

from app.protocols.tool_names import ToolNames
from tests.support.gateway import Gateway, running_gateway
from tests.support.keys import keys_of
from tests.support.processes import wait_until
from tests.support.sandbox import Sandbox

Json = dict[str, Any]
LONG = "look_up_" + "x" * 100
TOOLS = [
    {
        "name": "get_weather",
        "description": "Of a city.",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
    {"name": LONG, "input_schema": {"type": "object"}},
]


def scripted(*calls: Json, **more: Any) -> str:
    return f"go on [[sandbox: {json.dumps({'tool_use': list(calls), **more})}]]"


def ask(gateway: Gateway, messages: list[Json], **members: Any) -> Json:
    body = {"model": "sonnet", "max_tokens": 500, "messages": messages, "tools": TOOLS, **members}
    with gateway.http() as client:
        answer = client.post("/v1/messages", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def results(answer: Json, said: str) -> Json:
    uses = [block for block in answer["content"] if block["type"] == "tool_use"]
    return {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": use["id"], "content": said} for use in uses],
    }


def tokens(gateway: Gateway, **body: Any) -> int:
    with gateway.http() as client:
        answer = client.post("/v1/messages/count_tokens", json={"model": "sonnet", **body})
    assert answer.status_code == 200, answer.text
    return answer.json()["input_tokens"]


def test_calls_of_tools_are_answered_in_the_same_process(gateway: Gateway, sandbox: Sandbox):
    first_n = len(sandbox.messages())
    messages = [
        {"role": "user", "content": scripted({"name": "get_weather", "input": {"city": "Bonn"}}, answer="Let me see.")}
    ]
    first = ask(gateway, messages)
    assert (first["stop_reason"], [block["type"] for block in first["content"]]) == ("tool_use", ["text", "tool_use"])
    assert (first["content"][1]["name"], first["content"][1]["input"]) == ("get_weather", {"city": "Bonn"})
    messages += [{"role": "assistant", "content": first["content"]}, results(first, "rain over Bonn")]
    second = ask(gateway, messages)
    assert "rain over Bonn" in second["content"][0]["text"]
    asked, again = sandbox.messages()[first_n:]
    session = [json.loads(entry["body"]["metadata"]["user_id"])["session_id"] for entry in (asked, again)]
    assert session[0] == session[1]  # the CLI's own, of one process


def test_names_that_the_cli_would_not_carry_come_back_as_they_were(gateway: Gateway, sandbox: Sandbox):
    shorter = ToolNames([LONG]).to_upstream(LONG)
    messages = [{"role": "user", "content": scripted({"name": shorter, "input": {"a": 1}})}]
    first = ask(gateway, messages)
    assert [(block["name"], block["input"]) for block in first["content"]] == [(LONG, {"a": 1})]
    messages += [{"role": "assistant", "content": first["content"]}, results(first, "found")]
    assert "found" in ask(gateway, messages)["content"][0]["text"]
    assert [tool["name"] for tool in sandbox.messages()[-1]["body"]["tools"]] == ["get_weather", shorter]


def test_a_restart_between_call_and_result_loses_nothing(tmp_path, sandbox: Sandbox):
    messages = [{"role": "user", "content": scripted({"name": "get_weather", "input": {"city": "Ulm"}})}]
    with running_gateway(sandbox, tmp_path) as gateway:
        first = ask(gateway, messages)
    messages += [{"role": "assistant", "content": first["content"]}, results(first, "sun over Ulm")]
    with running_gateway(sandbox, tmp_path) as gateway:
        assert "sun over Ulm" in ask(gateway, messages)["content"][0]["text"]


def test_a_client_that_never_returns_frees_its_process(tmp_path, sandbox: Sandbox):
    with running_gateway(sandbox, tmp_path, environ={"GATEWAY_POOL__KEEP": "2", "GATEWAY_POOL__WARM": "1"}) as gateway:
        messages = [{"role": "user", "content": scripted({"name": "get_weather", "input": {"city": "Ulm"}})}]
        before = gateway.claude_pids()
        first = ask(gateway, messages)
        (waiting,) = before
        assert waiting in gateway.claude_pids()
        wait_until(lambda: waiting not in gateway.claude_pids(), 12, "it is freed")
        messages += [{"role": "assistant", "content": first["content"]}, results(first, "late sun")]
        assert "late sun" in ask(gateway, messages)["content"][0]["text"]


def test_another_key_does_not_go_on_in_the_process(tmp_path, sandbox: Sandbox):  # threat 9
    with running_gateway(sandbox, tmp_path, environ={"GATEWAY_POOL__WARM": "1"}) as gateway:
        messages = [{"role": "user", "content": scripted({"name": "get_weather", "input": {"city": "Ulm"}})}]
        first = ask(gateway, messages)
        with keys_of(gateway) as keys:
            other, _ = keys.create("other")
        messages += [{"role": "assistant", "content": first["content"]}, results(first, "sun")]
        ask(replace(gateway, key=other), messages)
        ask(gateway, messages)
        users = [entry["body"]["metadata"]["user_id"] for entry in sandbox.messages()[-3:]]
        first_session, others_session, last_session = (json.loads(user)["session_id"] for user in users)
        assert first_session != others_session
        assert first_session == last_session


def test_tokens_are_counted(gateway: Gateway, sandbox: Sandbox):
    before = len(sandbox.messages())
    plainly = tokens(gateway, messages=[{"role": "user", "content": "x" * 4000}])
    assert 1000 <= plainly <= 1010
    assert 0 < tokens(gateway, messages=[{"role": "user", "content": "x" * 4000}], tools=TOOLS) - plainly < 100
    assert len(sandbox.messages()) == before

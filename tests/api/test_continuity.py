"""A conversation that goes on in its process, through each protocol, with the real CLI."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.support.gateway import Gateway, running_gateway
from tests.support.keys import keys_of
from tests.support.sandbox import Sandbox

Json = dict[str, Any]
Ask = Callable[[Gateway, list[Json]], str]
BRIEF = "Be brief. " * 2000  # long enough for upstream's prompt cache


def post(gateway: Gateway, path: str, **body: Any) -> Json:
    with gateway.http() as client:
        answer = client.post(path, json={"model": "sonnet", **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def chat(gateway: Gateway, messages: list[Json], **members: Any) -> str:
    return post(gateway, "/v1/chat/completions", messages=messages, **members)["choices"][0]["message"]["content"]


def anthropic(gateway: Gateway, messages: list[Json]) -> str:
    return post(gateway, "/v1/messages", max_tokens=500, messages=messages)["content"][0]["text"]


def responses(gateway: Gateway, messages: list[Json]) -> str:
    return post(gateway, "/v1/responses", input=messages)["output"][0]["content"][0]["text"]


def user(said: str, **script: Any) -> Json:
    return {"role": "user", "content": f"{said} [[sandbox: {json.dumps(script)}]]"}


def assistant(said: str) -> Json:
    return {"role": "assistant", "content": said}


def processes(sandbox: Sandbox, count: int) -> list[str]:
    """Of the last requests; each process tells a session of its own."""
    return [json.loads(entry["body"]["metadata"]["user_id"])["session_id"] for entry in sandbox.messages()[-count:]]


@pytest.mark.parametrize("ask", [chat, anthropic, responses])
def test_a_conversation_goes_on_in_its_process(gateway: Gateway, sandbox: Sandbox, ask: Ask):
    messages = [user(f"one for {ask.__name__}", words=3)]
    for number in range(3):
        messages += [assistant(ask(gateway, messages)), user(f"and {number}", words=number + 1)]
    ask(gateway, messages)
    assert len(set(processes(sandbox, 4))) == 1


def test_a_stream_goes_on_at_once_and_tells_the_tokens_that_were_cached(gateway: Gateway):
    messages = [{"role": "system", "content": BRIEF}, user("stream", words=3)]
    client, told = gateway.openai(), []
    for _ in range(3):
        said, usage = "", None
        for chunk in client.chat.completions.create(
            model="sonnet", messages=messages, stream=True, stream_options={"include_usage": True}
        ):
            said += chunk.choices[0].delta.content or "" if chunk.choices else ""
            usage = chunk.usage or usage
        told.append(usage.prompt_tokens_details.cached_tokens)
        messages += [assistant(said), user("more", words=3)]
    assert told[0] < 100
    assert 1000 < told[1] < told[2]


def test_parameters_may_change(gateway: Gateway, sandbox: Sandbox):
    messages = [user("parameters", words=3)]
    messages += [assistant(chat(gateway, messages, temperature=0.5, max_tokens=50)), user("now", words=2)]
    chat(gateway, messages, max_tokens=70)
    bodies = [entry["body"] for entry in sandbox.messages()[-2:]]
    assert [(body.get("temperature"), body["max_tokens"]) for body in bodies] == [(0.5, 50), (None, 70)]
    assert len(set(processes(sandbox, 2))) == 1


def _edited(messages: list[Json]) -> list[Json]:
    return [messages[0], assistant("I said something else."), messages[2]]


def _branched(messages: list[Json]) -> list[Json]:
    return [messages[0] | {"content": messages[0]["content"] + "!"}, *messages[1:]]


def _shortened(messages: list[Json]) -> list[Json]:
    return messages[-1:]


def _instructed(messages: list[Json]) -> list[Json]:
    return [{"role": "system", "content": "Be loud."}, *messages]


@pytest.mark.parametrize("change", [_edited, _branched, _shortened, _instructed])
def test_another_conversation_goes_elsewhere(
    gateway: Gateway, sandbox: Sandbox, change: Callable[[list[Json]], list[Json]]
):  # threat 9
    messages = [user(f"of {change.__name__}", words=3)]
    messages += [assistant(chat(gateway, messages)), user("next", words=2)]
    chat(gateway, change(messages))
    assert len(set(processes(sandbox, 2))) == 2
    (*_, sent) = sandbox.messages()
    assert len(sent["body"]["messages"]) == len([m for m in change(messages) if m["role"] != "system"])


def test_another_key_never_goes_on_in_the_process(gateway: Gateway, sandbox: Sandbox):  # threat 9
    with keys_of(gateway) as keys:
        other, _ = keys.create("another application")
    messages = [user("a secret of the first", words=3)]
    messages += [assistant(chat(gateway, messages)), user("next", words=2)]
    chat(replace(gateway, key=other), messages)
    assert len(set(processes(sandbox, 2))) == 2


@pytest.mark.parametrize("script", [{"stop": "refusal", "answer": "No."}, {"stop": "max_tokens", "words": 3}])
def test_an_answer_that_was_cut_retires_its_process(gateway: Gateway, sandbox: Sandbox, script: Json):
    messages = [user(f"cut {script}", **script)]
    messages += [assistant(chat(gateway, messages)), user("next", words=2)]
    chat(gateway, messages)
    assert len(set(processes(sandbox, 2))) == 2


def test_the_same_question_again_goes_elsewhere(gateway: Gateway, sandbox: Sandbox):
    messages = [user("again", words=3)]
    messages += [assistant(chat(gateway, messages)), user("next", words=2)]
    assert chat(gateway, messages) == chat(gateway, messages)
    first, second, third = processes(sandbox, 3)
    assert first == second != third


def test_a_process_serves_one_conversation_after_the_other_where_the_setting_says_so(  # threat 9
    tmp_path, sandbox: Sandbox
):
    environ = {"GATEWAY_POOL__REUSE": "always", "GATEWAY_POOL__WARM": "2", "GATEWAY_POOL__MAX": "2"}
    with running_gateway(sandbox, tmp_path, environ=environ) as gateway:
        with keys_of(gateway) as keys:
            other, _ = keys.create("another application")
        texts = [f"secret {number} of one of two" for number in range(8)]
        for asking, text in zip([gateway, replace(gateway, key=other)] * 4, texts, strict=True):
            chat(asking, [user(text, words=3)])
        assert len(set(processes(sandbox, len(texts)))) < len(texts)
        for text, entry in zip(texts, sandbox.messages()[-len(texts) :], strict=True):
            assert [found for found in texts if found in json.dumps(entry["body"])] == [text]


def test_none_stays_where_the_setting_says_so(tmp_path, sandbox: Sandbox):
    with running_gateway(sandbox, tmp_path, environ={"GATEWAY_POOL__KEEP": "0"}) as gateway:
        messages = [user("none stays", words=3)]
        messages += [assistant(chat(gateway, messages)), user("next", words=2)]
        chat(gateway, messages)
        assert len(set(processes(sandbox, 2))) == 2

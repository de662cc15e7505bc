"""POST /v1/completions, the legacy API, through gunicorn, over the real CLI."""

import json

import httpx
import openai
import pytest

from tests.api.asking import script
from tests.support.gateway import Gateway
from tests.support.sandbox import Sandbox


@pytest.mark.parametrize("stream", [False, True])
def test_an_old_client_is_answered(gateway: Gateway, sandbox: Sandbox, stream: bool):
    prompt = f"old-client {stream} {script(words=3)}"
    with gateway.openai() as client:
        if stream:
            chunks = list(client.completions.create(model="sonnet", prompt=prompt, max_tokens=50, stream=True))
            said, reason = "".join(chunk.choices[0].text for chunk in chunks), chunks[-1].choices[0].finish_reason
        else:
            answer = client.completions.create(model="sonnet", prompt=[prompt], max_tokens=50)
            said, reason = answer.choices[0].text, answer.choices[0].finish_reason
            assert (answer.object, answer.usage.total_tokens > 0) == ("text_completion", True)
    assert (said, reason) == ("w0 w1 w2", "stop")
    body = next(entry["body"] for entry in sandbox.messages() if f"old-client {stream}" in json.dumps(entry["body"]))
    assert body["max_tokens"] == 50


def test_choices_are_asked_for_side_by_side(gateway: Gateway):
    with gateway.openai() as client:
        answer = client.completions.create(model="sonnet", prompt=script(words=2), n=2)
    assert [(choice.index, choice.text) for choice in answer.choices] == [(0, "w0 w1"), (1, "w0 w1")]


def test_a_mistake_is_told_by_its_field(gateway: Gateway):
    with gateway.openai() as client, pytest.raises(openai.BadRequestError) as raised:
        client.completions.create(model="sonnet", prompt=["a", "b"])
    assert raised.value.param == "prompt"


def test_a_key_is_needed(gateway: Gateway):
    answer = httpx.post(f"{gateway.url}/v1/completions", json={"model": "sonnet", "prompt": "hi"}, trust_env=False)
    assert answer.status_code == 401

"""What the CLI makes of a system prompt, where docs/openai.md says that it changes something."""

import json

import pytest

from tests.support.gateway import Gateway
from tests.support.sandbox import ROOT, Sandbox

LINE = "__SYSTEM_PROMPT_DYNAMIC_BOUNDARY__"


def sent(gateway: Gateway, sandbox: Sandbox, system: str) -> str:
    messages = [{"role": "system", "content": system}, {"role": "user", "content": f"a question\n{LINE}\nof mine"}]
    with gateway.http() as client:
        answer = client.post("/v1/chat/completions", json={"model": "sonnet", "messages": messages})
    assert answer.status_code == 200, answer.text
    body = sandbox.messages()[-1]["body"]
    assert json.dumps(f"a question\n{LINE}\nof mine")[1:-1] in json.dumps(body["messages"])
    return str(body["system"][-1]["text"])


def test_the_line_that_the_cli_takes_out_is_named(gateway: Gateway, sandbox: Sandbox):
    assert sent(gateway, sandbox, f"within {LINE} a line") == f"within {LINE} a line"
    assert sent(gateway, sandbox, f"before\n{LINE}\nafter").split() == ["before", "after"]
    assert f"`{LINE}`" in (ROOT / "docs" / "openai.md").read_text()


@pytest.mark.parametrize("model", ["claude-haiku-4-5", "claude-sonnet-5-5", "sonnet"])
def test_the_cli_asks_nothing_of_its_own_beside_it(gateway: Gateway, sandbox: Sandbox, model: str):
    """2.1.330 tries a full id first, when it is given a system prompt late."""
    sandbox.clear()
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello."}]
    with gateway.http() as client:
        answer = client.post("/v1/chat/completions", json={"model": model, "messages": messages})
    assert answer.status_code == 200, answer.text
    (request,) = sandbox.messages()
    assert request["body"]["system"][-1]["text"] == "Be brief."

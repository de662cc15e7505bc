"""What upstream receives is, block by block, what the client sent: in every protocol, with the real CLI underneath."""

from typing import Any

import pytest

from tests.api.conversations import CONVERSATIONS, EVERY, Conversation, to_chat, to_messages, to_responses
from tests.support.gateway import Gateway
from tests.support.sandbox import Sandbox

Json = dict[str, Any]
WAYS = {
    "chat": ("/v1/chat/completions", to_chat),
    "messages": ("/v1/messages", to_messages),
    "responses": ("/v1/responses", to_responses),
}
CASES = [(name, way) for name, told in CONVERSATIONS.items() for way in told.only]


def received(sandbox: Sandbox, since: int) -> Json:
    """The one request that was sent upstream since then."""
    (entry,) = [entry for entry in sandbox.messages(since) if entry["n"] > since]
    return entry["body"]


def plain(message: Json) -> Json:
    """Less the CLI's cache markers; a result's single text may stand as a string."""
    blocks = []
    for block in message["content"]:
        kept = {name: value for name, value in block.items() if name != "cache_control"}
        if kept["type"] == "tool_result" and isinstance(kept.get("content"), str):
            kept["content"] = [{"type": "text", "text": kept["content"]}] if kept["content"] else []
        blocks.append(kept)
    return {"role": message["role"], "content": blocks}


def sent_after(told: Conversation) -> tuple[str, list[Json]]:
    return "\n\n".join(told.system), told.messages


@pytest.mark.parametrize(("name", "way"), CASES, ids=[f"{way}-{name}" for name, way in CASES])
def test_what_was_said_arrives(gateway: Gateway, sandbox: Sandbox, name: str, way: str):
    told = CONVERSATIONS[name]
    address, say = WAYS[way]
    since = max((entry["n"] for entry in sandbox.requests()), default=0)
    with gateway.http() as client:
        answer = client.post(address, json={"model": "sonnet", **say(told)})
    assert answer.status_code == 200, answer.text
    body = received(sandbox, since)
    system, messages = sent_after(told)
    assert [plain(message) for message in body["messages"]] == messages
    assert body["system"][-1]["text"] == system if system else "brief" not in str(body["system"])
    assert [tool["name"] for tool in body.get("tools") or []] == told.tools
    assert ("thinking" in body) == told.thinks


def test_the_table_is_as_long_as_it_should_be():
    assert sum(told.only == EVERY for told in CONVERSATIONS.values()) >= 40

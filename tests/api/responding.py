"""Responses: to ask for one, its events, and the conversation that upstream saw."""

import json

from tests.api.asking import asked, without_cache_marks


def conversation(sandbox, marker):
    messages = asked(sandbox, marker)["messages"]
    return [(message["role"], without_cache_marks(message["content"])) for message in messages]


def post(gateway, **body):
    with gateway.http() as client:
        return client.post("/v1/responses", json={"model": "sonnet", **body})


def events(answer):
    frames = [frame.partition("\n") for frame in answer.text.split("\n\n") if frame]
    found = [json.loads(data.removeprefix("data: ")) for _, _, data in frames]
    assert [head for head, _, _ in frames] == [f"event: {event['type']}" for event in found]
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    return found

"""Responses that are kept, and conversations that go on from them."""

import json

import openai
import pytest

from tests.api.asking import asked, assert_error, script, text
from tests.api.responding import conversation, events, post
from tests.support.keys import keys_of


@pytest.mark.parametrize("stream", [False, True])
def test_a_conversation_goes_on_from_a_response(gateway, sandbox, stream):
    marker = f"going-on-{stream}"
    with gateway.openai() as client:
        first = client.responses.create(
            model="sonnet", instructions=f"only {marker}-1", input=f"{marker} {script(answer='one')}"
        )
        second = client.responses.create(
            model="sonnet", previous_response_id=first.id, input=f"again {script(answer='two')}", stream=stream
        )
        if stream:
            *_, last = second
            second = last.response
        third = client.responses.create(model="sonnet", previous_response_id=second.id, input=f"{marker} third")
    assert second.previous_response_id == first.id
    assert third.status == "completed"
    assert conversation(sandbox, f"{marker} third") == [
        ("user", [text(f"{marker} {script(answer='one')}")]),
        ("assistant", [text("one")]),
        ("user", [text(f"again {script(answer='two')}")]),
        ("assistant", [text("two")]),
        ("user", [text(f"{marker} third")]),
    ]
    assert f"{marker}-1" not in json.dumps(asked(sandbox, f"{marker} third")["system"])


def test_an_answer_can_be_sent_back_instead(gateway, sandbox):
    with gateway.openai() as client:
        items = [{"role": "user", "content": f"stateless-1 {script(answer='one')}"}]
        first = client.responses.create(model="sonnet", input=items, store=False)
        items += [*first.output, {"role": "user", "content": "stateless-2"}]
        client.responses.create(model="sonnet", input=items, store=False)
    assert [role for role, _ in conversation(sandbox, "stateless-2")] == ["user", "assistant", "user"]


def test_a_response_is_kept_shown_and_deleted(gateway):
    with gateway.openai() as client:
        made = client.responses.create(
            model="sonnet",
            input=[{"role": "user", "content": script(answer="one")}, {"role": "user", "content": "b"}],
        )
        assert client.responses.retrieve(made.id).to_dict() == made.to_dict()
        newest, oldest = client.responses.input_items.list(made.id)
        assert (newest.content[0].text, newest.role) == ("b", "user")
        page = client.responses.input_items.list(made.id, order="asc", limit=1)
        assert page.data[0].id == oldest.id
        assert [item.id for item in page] == [oldest.id, newest.id]
        client.responses.delete(made.id)
        for gone in (client.responses.retrieve, client.responses.delete, client.responses.input_items.list):
            with pytest.raises(openai.NotFoundError):
                gone(made.id)


def test_what_is_not_to_be_stored_is_not(gateway):
    with gateway.openai() as client:
        made = client.responses.create(model="sonnet", input="hi", store=False)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(made.id)
        with pytest.raises(openai.BadRequestError) as raised:
            client.responses.create(model="sonnet", input="hi", previous_response_id=made.id)
    assert (raised.value.code, raised.value.param) == ("previous_response_not_found", "previous_response_id")


def test_what_broke_off_is_not_kept(gateway):
    answer = post(gateway, input=script(words=6, error_after=3, delta_delay=0.05), stream=True)
    name = events(answer)[0]["response"]["id"]
    with gateway.http() as client:
        assert_error(client.get(f"/v1/responses/{name}"), 404, "response_not_found")


# threat 9
def test_a_response_is_nobody_elses(gateway):
    made = post(gateway, input="hi").json()
    name, item = made["id"], made["output"][0]["id"]
    with keys_of(gateway) as keys:
        other, _ = keys.create("another")
    with gateway.http() as client:
        client.headers["Authorization"] = f"Bearer {other}"
        for method, path in [("GET", ""), ("DELETE", ""), ("GET", "/input_items")]:
            answer = client.request(method, f"/v1/responses/{name}{path}")
            assert_error(answer, 404, "response_not_found")
        body = {"model": "sonnet", "input": "hi", "previous_response_id": name}
        answer = client.post("/v1/responses", json=body)
        assert_error(answer, 400, "previous_response_not_found", "previous_response_id")
        body = {"model": "sonnet", "input": [{"type": "item_reference", "id": item}, {"role": "user", "content": "hi"}]}
        assert_error(client.post("/v1/responses", json=body), 400, "invalid_value", "input[0].id")
    with gateway.http() as client:
        assert client.get(f"/v1/responses/{name}").status_code == 200


# threat 10
def test_what_is_kept_is_in_memory_alone(gateway):
    assert post(gateway, input=f"secret-of-mine-1 {script(answer='secret-of-mine-2')}").status_code == 200
    for file in gateway.data_dir.parent.rglob("*"):
        assert not file.is_file() or b"secret-of-mine" not in file.read_bytes(), file

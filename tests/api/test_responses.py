"""OpenAI's Responses API through gunicorn, over the real CLI, mostly by the official client."""

import json
import time

import pytest
from pydantic import BaseModel

from app.protocols.tool_names import ToolNames
from tests.api.asking import PDF, PNG, asked, assert_error, script, text
from tests.api.responding import conversation, events, post

# ---- what goes upstream


SENT = [
    {"role": "system", "content": "Answer in rhyme."},
    {"role": "user", "content": "items-1 first"},
    {
        "type": "message",
        "id": "msg_1",
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "one", "annotations": []}],
    },
    {
        "role": "user",
        "content": [
            {"type": "input_text", "text": "look"},
            {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"},
            {"type": "input_image", "image_url": "https://example.com/cat.png", "detail": "low"},
            {
                "type": "input_file",
                "filename": "a.pdf",
                "file_data": f"data:application/pdf;base64,{PDF}",
            },
            {"type": "input_file", "file_url": "https://example.com/b.pdf"},
        ],
    },
    {"role": "user", "content": "  keep my\n\nspaces  "},
]
SEEN = [
    ("user", [text("items-1 first")]),
    ("assistant", [text("one")]),
    (
        "user",
        [
            text("look"),
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
            {"type": "image", "source": {"type": "url", "url": "https://example.com/cat.png"}},
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
                "title": "a.pdf",
            },
            {"type": "document", "source": {"type": "url", "url": "https://example.com/b.pdf"}},
            text("  keep my\n\nspaces  "),
        ],
    ),
]


def test_every_item_reaches_the_model_with_its_role(gateway, sandbox):
    with gateway.openai() as client:
        client.responses.create(model="sonnet", instructions="items-0 Be brief.", input=SENT)
    assert asked(sandbox, "items-1")["system"][-1]["text"] == "items-0 Be brief.\n\nAnswer in rhyme."
    assert conversation(sandbox, "items-1") == SEEN


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ({"max_output_tokens": 50}, {"max_tokens": 50}),
        ({"temperature": 1.7}, {"temperature": 1}),
        ({"top_p": 0.9}, {"top_p": 0.9}),
        ({"safety_identifier": "u-77"}, {"metadata": {"user_id": "u-77"}}),
        ({"metadata": {"a": "b"}}, {"metadata": {"user_id": '{"metadata":{"a":"b"}}'}}),
    ],
)
def test_parameters_are_seen_upstream(gateway, sandbox, sent, seen):
    marker = f"responses-parameters {sorted(sent)}"
    answer = post(gateway, input=marker, **sent)
    assert answer.status_code == 200, answer.text
    body = asked(sandbox, marker)
    assert {name: body.get(name) for name in seen} == seen


class Person(BaseModel):
    name: str
    age: int


def test_an_answer_of_a_given_form_is_parsed_by_the_client(gateway):
    with gateway.openai() as client:
        answer = client.responses.parse(model="sonnet", input="Who?", text_format=Person)
    assert isinstance(answer.output_parsed, Person)
    assert answer.text.format.type == "json_schema"


# ---- what comes back


def test_a_whole_response_is_what_the_official_client_expects(gateway):
    with gateway.openai() as client:
        answer = client.responses.create(
            model="sonnet", input=script(answer="one two"), instructions="Be brief.", metadata={"a": "b"}
        )
    assert answer.output_text == "one two"
    assert (answer.status, answer.object, answer.model) == ("completed", "response", "claude-sonnet-5-5")
    assert (answer.instructions, answer.metadata) == ("Be brief.", {"a": "b"})
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens > 0
    assert time.time() - 60 < answer.created_at <= answer.completed_at <= time.time()


def test_a_stream_is_told_event_by_event(gateway):
    answer = post(gateway, input=script(chunks=["Hel", "lo ", "✓\n"]), stream=True)
    assert answer.headers["content-type"] == "text/event-stream"
    found = events(answer)
    assert [event["type"].removeprefix("response.") for event in found] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        *["output_text.delta"] * 3,
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert "".join(event.get("delta", "") for event in found) == "Hello ✓\n"


def test_the_official_client_gathers_a_stream(gateway):
    with gateway.openai() as client, client.responses.stream(model="sonnet", input=script(words=5)) as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert "".join(deltas) == final.output_text == "w0 w1 w2 w3 w4"
    assert final.usage.output_tokens > 0


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("stop", "reason"), [("max_tokens", "max_output_tokens"), ("refusal", "content_filter")])
def test_an_answer_that_is_not_whole_says_why(gateway, stop, reason, stream):
    answer = post(gateway, input=script(words=3, stop=stop, delta_delay=0.02), stream=stream)
    found = events(answer)[-1]["response"] if stream else answer.json()
    assert (found["status"], found["incomplete_details"]) == ("incomplete", {"reason": reason})
    assert found["output"][0]["content"][0]["text"] == "w0 w1 w2"


@pytest.mark.parametrize("stream", [False, True])
def test_thinking_comes_as_a_summary_of_the_reasoning(gateway, sandbox, stream):
    marker = f"reasoning-{stream}"
    prompt = f"{marker} {script(thinking='hm hm', answer='one')}"
    reasoning = {"effort": "low", "summary": "auto"}
    with gateway.openai() as client:
        if stream:
            with client.responses.stream(model="sonnet", input=prompt, reasoning=reasoning) as events:
                deltas = [event.delta for event in events if event.type == "response.reasoning_summary_text.delta"]
                answer = events.get_final_response()
            assert "".join(deltas) == "hm hm"
        else:
            answer = client.responses.create(model="sonnet", input=prompt, reasoning=reasoning)
    thought, said = answer.output
    assert (thought.type, thought.summary[0].text, said.content[0].text) == ("reasoning", "hm hm", "one")
    assert thought.encrypted_content is None
    body = asked(sandbox, marker)
    assert (body["thinking"]["type"], body["output_config"]) == ("adaptive", {"effort": "low"})


# ---- tools

WEATHER = {
    "type": "function",
    "name": "weather.now",
    "description": "The weather in a town.",
    "parameters": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]},
}


def asks_for(*towns, **behaviour):
    """Under the name that the CLI carries: it takes no dot."""
    name = ToolNames([WEATHER["name"]]).to_upstream(WEATHER["name"])
    return script(tool_use=[{"name": name, "input": {"town": town}} for town in towns], **behaviour)


def test_several_calls_are_answered_in_any_order_and_the_conversation_goes_on(gateway, sandbox):
    with gateway.openai() as client:
        first = client.responses.create(
            model="sonnet",
            tools=[WEATHER],
            input=f"calls-1 {asks_for('Ghent', 'Bruges', thinking='hm')}",
            reasoning={"effort": "low"},
        )
        thought, *calls = first.output
        assert (thought.type, first.status) == ("reasoning", "completed")
        assert [(call.type, call.name, json.loads(call.arguments)) for call in calls] == [
            ("function_call", "weather.now", {"town": "Ghent"}),
            ("function_call", "weather.now", {"town": "Bruges"}),
        ]
        outputs = [
            {"type": "function_call_output", "call_id": call.call_id, "output": f"calls-2 {call.arguments}"}
            for call in reversed(calls)
        ]
        second = client.responses.create(
            model="sonnet", tools=[WEATHER], input=outputs, previous_response_id=first.id, reasoning={"effort": "low"}
        )
    assert "calls-2" in second.output_text
    _, (role, said), (_, results) = conversation(sandbox, "calls-2")
    assert (role, said[0]["type"], said[0]["thinking"]) == ("assistant", "thinking", "hm")
    assert [block["input"]["town"] for block in said[1:]] == ["Ghent", "Bruges"]
    assert [block["tool_use_id"] for block in results] == [call.call_id for call in calls]


def test_a_call_is_streamed_with_its_arguments(gateway):
    found = events(post(gateway, tools=[WEATHER], input=asks_for("Ghent"), stream=True))
    pieces = [event["delta"] for event in found if event["type"] == "response.function_call_arguments.delta"]
    assert json.loads("".join(pieces)) == {"town": "Ghent"}
    assert len(pieces) > 1
    (call,) = found[-1]["response"]["output"]
    assert (call["name"], call["arguments"], call["status"]) == ("weather.now", "".join(pieces), "completed")


@pytest.mark.parametrize("include", [["reasoning.encrypted_content"], []])
def test_an_answer_with_calls_can_be_sent_back_instead(gateway, sandbox, include):
    marker = f"stateless-calls-{len(include)}"
    items = [{"role": "user", "content": f"{marker} {asks_for('Ghent', thinking='hm')}"}]
    asked_for = {"store": False, "include": include, "reasoning": {"effort": "low"}}
    options = {"model": "sonnet", "tools": [WEATHER], **asked_for}
    with gateway.openai() as client:
        first = client.responses.create(input=items, **options)
        thought, call = first.output
        assert bool(thought.encrypted_content) == bool(include)
        items += first.output
        items += [{"type": "function_call_output", "call_id": call.call_id, "output": f"{marker}-2"}]
        second = client.responses.create(input=items, **options)
    assert f"{marker}-2" in second.output_text
    _, (_, said), _ = conversation(sandbox, f"{marker}-2")
    assert [block["type"] for block in said] == ["thinking", "tool_use"]  # the process has it in any case


def test_an_answer_with_calls_can_be_referred_to_instead(gateway, sandbox):
    items = [{"role": "user", "content": f"refers-calls-1 {asks_for('Ghent', thinking='hm')}"}]
    options = {"model": "sonnet", "tools": [WEATHER], "reasoning": {"effort": "low"}}
    with gateway.openai() as client:
        first = client.responses.create(input=items, **options)
        items += [{"type": "item_reference", "id": item.id} for item in first.output]
        call = first.output[-1]
        items += [{"type": "function_call_output", "call_id": call.call_id, "output": "refers-calls-2"}]
        second = client.responses.create(input=items, **options)
    assert "refers-calls-2" in second.output_text
    _, (_, said), _ = conversation(sandbox, "refers-calls-2")
    assert [block["type"] for block in said] == ["thinking", "tool_use"]


# ---- errors


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({}, 400, "missing_parameter", "input"),
        ({"input": ""}, 400, "invalid_value", "input"),
        ({"input": "hi", "messages": []}, 400, "unknown_parameter", "messages"),
        ({"input": [{"role": "king", "content": "x"}]}, 400, "invalid_value", "input[0].role"),
        ({"input": "hi", "background": True}, 400, "unsupported_parameter", "background"),
        ({"input": "hi", "truncation": "auto"}, 400, "unsupported_parameter", "truncation"),
        ({"input": "hi", "tools": [{"type": "web_search"}]}, 400, "unsupported_parameter", "tools[0].type"),
        ({"input": "hi", "previous_response_id": "resp_0"}, 400, "previous_response_not_found", "previous_response_id"),
        ({"input": "hi", "model": "gpt-5"}, 404, "model_not_found", "model"),
    ],
)
def test_a_bad_request_names_the_field(gateway, sandbox, body, status, code, param):
    before = len(sandbox.messages())
    assert_error(post(gateway, **body), status, code, param)
    assert len(sandbox.messages()) == before


@pytest.mark.parametrize("query", ["limit=0", "order=up", "after=msg_0"])
def test_a_wrong_page_names_the_parameter(gateway, query):
    name = post(gateway, input="hi").json()["id"]
    with gateway.http() as client:
        answer = client.get(f"/v1/responses/{name}/input_items?{query}")
    assert_error(answer, 400, "invalid_value", query.partition("=")[0])


def test_what_is_kept_is_not_streamed_again(gateway):
    name = post(gateway, input="hi").json()["id"]
    with gateway.http() as client:
        assert client.get(f"/v1/responses/{name}?stream=false&include=x").status_code == 200
        assert_error(client.get(f"/v1/responses/{name}?stream=true"), 400, "unsupported_parameter", "stream")


@pytest.mark.parametrize("stream", [False, True])
def test_upstreams_failures_keep_their_status(gateway, stream):  # threat 19
    answer = post(gateway, input=script(status=429, retry_after=17), stream=stream)
    assert_error(answer, 429, "rate_limit_exceeded")
    assert int(answer.headers["retry-after"]) >= 17


def test_a_stream_that_breaks_ends_with_its_error(gateway):  # threat 18
    *said, failed, last = events(post(gateway, input=script(words=6, error_after=3, delta_delay=0.05), stream=True))
    assert "w0 w1 w2 w3".startswith("".join(event.get("delta", "") for event in said))
    assert (failed["type"], failed["response"]["status"]) == ("response.failed", "failed")
    assert (last["type"], last["message"]) == ("error", failed["response"]["error"]["message"])
    assert last.keys() == {"type", "code", "message", "param", "sequence_number"}


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/images/generations", "/v1/responses/resp_1/cancel"])
def test_an_unknown_address_tells_what_there_is(gateway, path):
    with gateway.http() as client:
        message = assert_error(client.post(path, json={}), 404, "unknown_url")
    for route in ("POST /v1/responses", "GET /v1/responses/{name}/input_items", "POST /v1/chat/completions"):
        assert route in message
    assert "/admin" not in message

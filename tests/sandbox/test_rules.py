import base64
from typing import Any

import pytest

from tests.sandbox.client import HEADERS, ask, body, post, problem, send
from tests.support.sandbox import Sandbox

THINKING = {"type": "enabled", "budget_tokens": 2048}
ADAPTIVE = {"type": "adaptive"}
SCHEMA = {"type": "object", "properties": {}}
TOOLS = [{"name": "look", "input_schema": SCHEMA}]
CALL = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "seen"}


def image(media_type: str = "image/png", data: str | bytes = b"\x89PNG\r\n\x1a\n") -> list[dict[str, Any]]:
    data = base64.b64encode(data).decode() if isinstance(data, bytes) else data
    source = {"type": "base64", "media_type": media_type, "data": data}
    return [{"type": "text", "text": "look"}, {"type": "image", "source": source}]


def turns(*given: tuple[str, Any]) -> list[dict[str, Any]]:
    return [{"role": role, "content": content} for role, content in given]


def refused_messages(*given: tuple[str, Any]) -> dict[str, Any]:
    return body(messages=turns(*given))


REFUSED: list[tuple[dict[str, Any], str]] = [
    (body(frequency_penalty=1), "frequency_penalty: Extra inputs are not permitted"),
    (body(model=None), "model: Field required"),
    (body(messages=None), "messages: Field required"),
    (body(messages="hi"), "messages: Input should be a valid list"),
    (body(system=5), "system: Input should be a valid list"),
    (body(stream="yes"), "stream: Input should be a valid boolean"),
    (body(output_config=[]), "output_config: Input should be a valid dictionary"),
    (body(tools=[1]), "tools.0: Input should be a valid dictionary"),
    (body(["hi"]), "messages.0.content.0: Input should be a valid dictionary"),
    (body([RESULT | {"content": 5}]), "messages.0.content.0.content: Input should be a valid list"),
    (body([RESULT | {"content": [5]}]), "messages.0.content.0.content.0: Input should be a valid dictionary"),
    (body([{"type": "text", "text": "a", "cache_control": 1}]), "cache_control: Input should be a valid dictionary"),
    (body(max_tokens=None), "max_tokens: Field required"),
    (body(max_tokens=0), "max_tokens: must be greater than or equal to 1"),
    (body(max_tokens="9"), "max_tokens: Input should be a valid integer"),
    (body(max_tokens=128_001), "max_tokens: 128001 > 128000"),
    (body(temperature=1.01), "temperature: range: 0..1"),
    (body(temperature=-0.1), "temperature: range: 0..1"),
    (body(temperature="hot"), "temperature: Input should be a valid number"),
    (body(top_p=1.5), "top_p: range: 0..1"),
    (body(top_k=-1), "top_k: Input should be"),
    (body(temperature=0.5, top_p=0.5), "`temperature` and `top_p` cannot both be specified"),
    (body(thinking={"type": "on"}), "thinking: Input tag"),
    (body(thinking={"type": "enabled"}), "thinking.enabled.budget_tokens: Field required"),
    (body(thinking={"type": "enabled", "budget_tokens": 1023}), "thinking.enabled.budget_tokens: Input should be"),
    (body(thinking=THINKING, max_tokens=2048), "`max_tokens` must be greater than `thinking.budget_tokens`"),
    (body(thinking=THINKING, temperature=0.9), "`temperature` may only be set to 1"),
    (body(thinking=ADAPTIVE, temperature=0), "`temperature` may only be set to 1"),
    (body(thinking=ADAPTIVE, top_p=0.5), "`top_p` must be greater than or equal to 0.95"),
    (body(thinking=ADAPTIVE, top_k=5), "`top_k` must be unset"),
    (body(thinking=ADAPTIVE, tools=TOOLS, tool_choice={"type": "any"}), "Thinking may not be enabled when tool_choice"),
    (body(stop_sequences=["a", " \n"]), "stop_sequences: each stop sequence must contain non-whitespace"),
    (body(stop_sequences="a"), "stop_sequences: Input should be a valid list"),
    (body(metadata={"user": "x"}), "metadata.user: Extra inputs are not permitted"),
    (body(metadata={"user_id": 5}), "metadata.user_id: Input should be a valid string"),
    (body(metadata={"user_id": "x" * 257}), "metadata.user_id: String should have at most 256 characters"),
    (body(output_config={"effort": "extreme"}), "output_config.effort: Input should be"),
    (body(output_config={"format": {"type": "json_object"}}), "output_config.format.type: Input should be"),
    (body(output_config={"format": {"type": "json_schema"}}), "output_config.format.schema: Field required"),
    (body(output_config={"format": {"type": "json_schema", "schema": SCHEMA}}), "'additionalProperties' must be"),
    (body(messages=[]), "messages: at least one message is required"),
    (body(messages=["hi"]), "messages.0: Input should be a valid dictionary"),
    (refused_messages(("assistant", "hi")), 'messages: first message must use the "user" role'),
    (refused_messages(("user", "hi"), ("tool", "hi")), "messages.1.role: Input should be 'user' or 'assistant'"),
    (
        body(messages=[{"role": "user", "content": "x", "name": "me"}]),
        "messages.0.name: Extra inputs are not permitted",
    ),
    (body(messages=[{"role": "user"}]), "messages.0.content: Field required"),
    (refused_messages(("user", 3)), "messages.0.content: Input should be a valid list"),
    (refused_messages(("user", "")), "messages.0: all messages must have non-empty content"),
    (refused_messages(("user", "a"), ("assistant", []), ("user", "b")), "messages.1: all messages must have non-empty"),
    (body(" \n"), "messages: text content blocks must contain non-whitespace text"),
    (body([{"type": "text", "text": ""}]), "messages: text content blocks must be non-empty"),
    (body([{"type": "text", "text": "\t"}]), "messages: text content blocks must contain non-whitespace text"),
    (body(system=[{"type": "text", "text": ""}]), "system: text content blocks must be non-empty"),
    (
        refused_messages(("user", "a"), ("assistant", "b ")),
        "final assistant content cannot end with trailing whitespace",
    ),
    (body([{"type": "video"}]), "messages.0.content.0: Input tag 'video' found using 'type'"),
    (body(image("image/bmp")), "messages.0.content.1.image.source.base64.media_type: Input should be 'image/jpeg', "),
    (body(image(data="a$b")), "messages.0.content.1.image.source.base64.data: invalid base64 data"),
    (body(image("image/jpeg")), "Image does not match the provided media type image/jpeg"),
    (body(image(data=b"not an image")), "Could not process image"),
    (body(image(data=b"\x89PNG\r\n\x1a\n" + bytes(4_000_000))), "image exceeds 5 MB maximum: 5333344 bytes"),
    (body([{"type": "image", "source": {"type": "url", "url": "http://x/"}}]), "Only HTTPS URLs are supported"),
    (body([{"type": "image"}]), "messages.0.content.0.image.source: Field required"),
    (refused_messages(("user", "a"), ("assistant", [CALL])), "messages.1: `tool_use` ids were found without"),
    (refused_messages(("user", "a"), ("assistant", [CALL]), ("user", "b")), "ids were found without `tool_result`"),
    (refused_messages(("user", [RESULT])), "messages.0.content.0: unexpected `tool_use_id` found"),
    (refused_messages(("user", "a"), ("assistant", "b"), ("user", [RESULT])), "messages.2.content.0: unexpected"),
    (refused_messages(("user", "a"), ("assistant", [CALL, CALL]), ("user", [RESULT])), "ids must be unique"),
    (
        refused_messages(("user", "a"), ("assistant", [CALL | {"input": "x"}])),
        "tool_use.input: Input should be a valid",
    ),
    (
        refused_messages(("user", "a"), ("assistant", [CALL | {"id": "a b"}])),
        "tool_use.id: String should match pattern",
    ),
    (body(tools=[{"name": "a.b", "input_schema": SCHEMA}]), "tools.0.custom.name: String should match pattern"),
    (body(tools=[{"name": "look", "type": "function"}]), "tools.0: Input tag 'function' found using 'type'"),
    (body(tools=[{"name": "look"}]), "tools.0.custom.input_schema: Field required"),
    (body(tools=[{"name": "look", "input_schema": {}}]), "tools.0.custom.input_schema.type: Field required"),
    (body(tools=TOOLS * 2), "tools: Tool names must be unique."),
    (body(tool_choice={"type": "any"}), "tool_choice may only be specified while providing tools"),
    (body(tools=TOOLS, tool_choice={"type": "tool", "name": "x"}), "Tool 'x' not found in provided tools"),
    (body(tools=TOOLS, tool_choice={"type": "required"}), "tool_choice: Input tag 'required'"),
    (body([{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}] * 5), "A maximum of 4 blocks"),
    (body("x" * 800_004), "prompt is too long: 200001 tokens > 200000 maximum"),
]


@pytest.mark.parametrize(("given", "message"), REFUSED, ids=[message[:40] for _, message in REFUSED])
def test_it_refuses_what_the_api_refuses(sandbox: Sandbox, given: dict[str, Any], message: str):
    assert message in problem(post(sandbox, given))


def test_an_unknown_model_is_404(sandbox: Sandbox):
    assert problem(post(sandbox, body(model="gpt-4o")), 404, "not_found_error") == "model: gpt-4o"


def test_a_request_over_32_mb_is_413(sandbox: Sandbox):
    answer = post(sandbox, body("x" * (32 * 1024 * 1024)))
    assert problem(answer, 413, "request_too_large") == "Request exceeds the maximum size"


@pytest.mark.parametrize("raw", [b"", b"{", b"[]"])
def test_what_is_no_object_is_400(sandbox: Sandbox, raw: bytes):
    assert problem(send(sandbox, "POST", "/v1/messages", content=raw, headers=HEADERS))


def test_counting_tokens_follows_the_same_rules(sandbox: Sandbox):
    given = body("", max_tokens=None)
    assert "non-empty" in problem(post(sandbox, given, "/v1/messages/count_tokens"))


ACCEPTED: list[dict[str, Any]] = [
    {"temperature": 0, "top_k": 5, "stop_sequences": ["END"]},
    {"temperature": 0.3, "top_p": 0.5, "model": "claude-3-5-haiku-20241022"},
    {"thinking": THINKING, "temperature": 1},
    {"thinking": ADAPTIVE, "top_p": 0.95},
    {"metadata": {"user_id": "u"}, "service_tier": "auto", "container": None},
    {"context_management": {"edits": []}, "diagnostics": {}, "mcp_servers": []},
    {"tools": [{"type": "bash_20250124", "name": "bash"}], "tool_choice": {"type": "auto"}},
    {"messages": turns(("user", "a"), ("system", []), ("assistant", "b"), ("system", "now"), ("user", "c"))},
    {"messages": [*turns(("user", "a")), {"role": "system", "content": [], "output_config": {"effort": "low"}}]},
    {"messages": turns(("user", "a"), ("user", "b"), ("assistant", [CALL]), ("user", [RESULT]), ("user", "go on"))},
    {"messages": turns(("user", image()), ("assistant", "b"))},
    {"model": "claude-sonnet-5[1m]", "messages": turns(("user", "x" * 800_004))},
]


@pytest.mark.parametrize("given", ACCEPTED)
def test_it_accepts_what_the_api_accepts(sandbox: Sandbox, given: dict[str, Any]):
    assert ask(sandbox, **given)

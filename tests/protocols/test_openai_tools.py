"""Tools, the choice among them, calls and results: from OpenAI's words to Anthropic's."""

import json
from typing import Any

import pytest

from app.protocols.tool_names import ToolNames
from tests.protocols.chat import HELLO, as_bytes, call, called, calling, refused, result, text, tool

WEATHER = {"type": "object", "properties": {"city": {"type": "string", "minLength": 1}}, "required": ["city"]}
EMPTY = {"type": "object", "properties": {}}
NAMED = {"type": "function", "function": {"name": "g"}}


def allowed(mode: str, *names: str) -> dict[str, Any]:
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}


# ---- definitions


@pytest.mark.parametrize(
    ("function", "definition"),
    [
        ({"name": "f"}, {"name": "f", "input_schema": EMPTY}),
        ({"name": "f", "parameters": None, "description": None, "strict": None}, {"name": "f", "input_schema": EMPTY}),
        ({"name": "f", "parameters": {}, "description": ""}, {"name": "f", "input_schema": EMPTY}),
        (
            {"name": "f", "description": "Tells.", "parameters": WEATHER, "strict": False},
            {"name": "f", "description": "Tells.", "input_schema": WEATHER},
        ),
        # what nobody enforces goes on as it is
        (
            {"name": "f", "parameters": {"type": "object", "$defs": {"A": {"not": {}}}, "minProperties": 1}},
            {"name": "f", "input_schema": {"type": "object", "$defs": {"A": {"not": {}}}, "minProperties": 1}},
        ),
        (
            {"name": "f", "strict": True, "parameters": EMPTY},
            {"name": "f", "input_schema": EMPTY | {"additionalProperties": False}, "strict": True},
        ),
    ],
)
def test_a_function_is_defined_in_anthropics_words(function: dict[str, Any], definition: dict[str, Any]):
    prompt = call(tools=[{"type": "function", "function": function}]).prompt
    assert prompt.tools == [definition]
    assert prompt.parameters == {}


def test_tools_keep_their_order():
    assert [one["name"] for one in call(tools=[tool("z"), tool("a"), tool("m")]).prompt.tools] == ["z", "a", "m"]


@pytest.mark.parametrize(
    ("tools", "param", "code"),
    [
        ([{"type": "custom", "custom": {"name": "x"}}], "tools[0].type", "unsupported_parameter"),
        ([{"custom": {"name": "x"}, "type": "custom"}], "tools[0].custom", "unsupported_parameter"),
        ([tool(), {"type": "web_search", "filters": {}}], "tools[1].type", "unsupported_parameter"),
        ([{"type": "function"}], "tools[0].function", "missing_parameter"),
        ([{"type": "function", "name": "f"}], "tools[0].name", "unknown_parameter"),
        ([tool(cache_control={})], "tools[0].function.cache_control", "unknown_parameter"),
        ([{"type": "function", "function": {}}], "tools[0].function.name", "missing_parameter"),
        ([tool("")], "tools[0].function.name", "invalid_value"),
        ([tool("f"), tool("g"), tool("f")], "tools[2].function.name", "invalid_value"),
        ([tool(description=5)], "tools[0].function.description", "invalid_value"),
        ([tool(parameters=[])], "tools[0].function.parameters", "invalid_value"),
        ([tool(parameters={"type": "string"})], "tools[0].function.parameters", "invalid_value"),
        ([tool(parameters={"properties": {}})], "tools[0].function.parameters", "invalid_value"),
        ([tool(parameters={"type": ["object"]})], "tools[0].function.parameters", "invalid_value"),
        ([tool(strict=1)], "tools[0].function.strict", "invalid_value"),
        (
            [tool(strict=True, parameters=WEATHER)],
            "tools[0].function.parameters.properties.city.minLength",
            "unsupported_schema",
        ),
    ],
)
def test_a_wrong_tool_is_refused_by_its_place(tools: Any, param: str, code: str):
    error = refused(as_bytes(tools=tools))
    assert (error.param, error.code) == (param, code)


# ---- the choice


@pytest.mark.parametrize(
    ("members", "choice"),
    [
        ({}, None),
        ({"tool_choice": "auto"}, {"type": "auto"}),
        ({"tool_choice": "none"}, {"type": "none"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        ({"tool_choice": NAMED}, {"type": "tool", "name": "g"}),
        ({"tool_choice": allowed("auto", "f", "g")}, {"type": "auto"}),
        ({"tool_choice": allowed("required", "f", "g")}, {"type": "any"}),
        ({"parallel_tool_calls": True}, None),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        (
            {"parallel_tool_calls": False, "tool_choice": "required"},
            {"type": "any", "disable_parallel_tool_use": True},
        ),
        (
            {"parallel_tool_calls": False, "tool_choice": NAMED},
            {"type": "tool", "name": "g", "disable_parallel_tool_use": True},
        ),
        ({"parallel_tool_calls": False, "tool_choice": "none"}, {"type": "none"}),
    ],
)
def test_the_choice_is_said_in_anthropics_words(members: dict[str, Any], choice: Any):
    prompt = call(tools=[tool("f"), tool("g")], **members).prompt
    assert prompt.parameters.get("tool_choice") == choice
    assert [one["name"] for one in prompt.tools] == ["f", "g"]


@pytest.mark.parametrize("mode", ["auto", "required"])
def test_only_allowed_tools_are_offered(mode: str):
    tools = [tool("f"), tool("g"), tool("h.i")]
    prompt = call(tools=tools, tool_choice=allowed(mode, "h.i", "f")).prompt
    assert [one["name"] for one in prompt.tools] == ["f", ToolNames(["h.i"]).to_upstream("h.i")]


@pytest.mark.parametrize(
    ("choice", "param", "code"),
    [
        ("any", "tool_choice", "invalid_value"),
        (tool("x"), "tool_choice.function.name", "invalid_value"),
        ({"type": "function", "name": "f"}, "tool_choice.name", "unknown_parameter"),
        ({"type": "custom", "custom": {"name": "f"}}, "tool_choice.type", "unsupported_parameter"),
        (allowed("none", "f"), "tool_choice.allowed_tools.mode", "invalid_value"),
        (allowed("auto"), "tool_choice.allowed_tools.tools", "invalid_value"),
        (allowed("auto", "f", "x"), "tool_choice.allowed_tools.tools[1].function.name", "invalid_value"),
    ],
)
def test_a_wrong_choice_is_refused(choice: Any, param: str, code: str):
    error = refused(as_bytes(tools=[tool("f")], tool_choice=choice))
    assert (error.param, error.code) == (param, code)


# ---- calls and results


def conversation(*messages: dict[str, Any]) -> list[Any]:
    found = call([*HELLO, *messages], tools=[tool("f"), tool("g")]).prompt.messages
    assert found[0] == {"role": "user", "content": text("hi")}
    return [(message["role"], message["content"]) for message in found[1:]]


def tool_use(call_id: str, name: str = "f", **given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": name, "input": given}


def tool_result(call_id: str, *content: dict[str, Any]) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, "content": list(content)}


def test_calls_and_results_are_blocks_of_the_conversation():
    assert conversation(
        calling(called("a", arguments='{"n": 1.5, "deep": {"l": [null]}}'), called("b", "g"), content="Let me see."),
        result("a", "one"),
        result("b", "two"),
    ) == [
        ("assistant", [*text("Let me see."), tool_use("a", n=1.5, deep={"l": [None]}), tool_use("b", "g")]),
        ("user", [tool_result("a", *text("one")), tool_result("b", *text("two"))]),
    ]


def test_results_in_any_order_are_put_in_that_of_the_calls():
    _, results = conversation(
        calling(called("a"), called("b"), called("c")), result("c", "3"), result("a", "1"), result("b", "2")
    )
    assert results == (
        "user",
        [tool_result("a", *text("1")), tool_result("b", *text("2")), tool_result("c", *text("3"))],
    )


def test_a_user_who_goes_on_after_the_results_is_joined_behind_them():
    _, last = conversation(
        calling(called("a")), {"role": "system", "content": "s"}, result("a"), {"role": "user", "content": "and?"}
    )
    assert last == ("user", [tool_result("a", *text("5")), *text("and?")])


def test_a_user_who_speaks_before_the_results_is_joined_behind_them_too():
    _, last = conversation(calling(called("a")), {"role": "user", "content": "and?"}, result("a"))
    assert last == ("user", [tool_result("a", *text("5")), *text("and?")])


def test_a_thought_that_led_to_nothing_is_left_out():
    blocks = [{"type": "thinking", "thinking": "hm", "signature": "sig"}]
    thought = {"role": "assistant", "content": None, "thinking_blocks": blocks}
    assert call([*HELLO, thought, *HELLO]).prompt == call([*HELLO, *HELLO]).prompt


def test_a_loop_of_calls_keeps_its_order():
    found = conversation(
        *(message for n in range(20) for message in (calling(called(f"c{n}")), result(f"c{n}", str(n))))
    )
    assert found == [
        turn
        for n in range(20)
        for turn in (("assistant", [tool_use(f"c{n}")]), ("user", [tool_result(f"c{n}", *text(str(n)))]))
    ]


@pytest.mark.parametrize(
    ("content", "blocks"),
    [
        ("", []),
        (None, []),
        ([], []),
        (" \n", []),
        (text("a", "", "b"), text("a", "b")),
        (
            [*text("look"), {"type": "image_url", "image_url": {"url": "https://x/y.png"}}],
            [*text("look"), {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}],
        ),
        (
            [{"type": "file", "file": {"file_data": "data:text/plain;base64,YQ=="}}],
            [{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a"}}],
        ),
    ],
)
def test_a_result_may_hold_texts_images_files_or_nothing(content: Any, blocks: list[Any]):
    _, (_, results) = conversation(calling(called("a")), result("a", content))
    assert results == [tool_result("a", *blocks)]


@pytest.mark.parametrize(
    ("arguments", "given"), [("", {}), (" \n", {}), ("{}", {}), (' {"a": "é😀\\u0000"} ', {"a": "é😀\0"})]
)
def test_arguments_are_read_as_json(arguments: str, given: dict[str, Any]):
    (_, calls), _ = conversation(calling(called("a", arguments=arguments)), result("a"))
    assert calls == [tool_use("a", **given)]


@pytest.mark.parametrize(
    "arguments",
    ["{", "[]", "null", "5", '"x"', "{'a': 1}", '{"a": NaN}', '{"a": "\\ud800"}', '{"a": 1e999}', "[" * 5000, "{} x"],
)
def test_arguments_that_are_no_json_object_are_refused_by_their_place(arguments: str):
    error = refused(
        as_bytes([*HELLO, calling(called("a"), called("b", arguments=arguments)), result("a"), result("b")])
    )
    assert (error.param, error.code) == ("messages[1].tool_calls[1].function.arguments", "invalid_value")


# threat 66: what is read here is written again later, with less room left
def test_what_is_nested_too_deeply_is_refused():
    deep = '{"a":' * 300 + "1" + "}" * 300
    assert refused(as_bytes([*HELLO, calling(called("a", arguments=deep)), result("a")])).param.endswith(".arguments")
    parameters = {"type": "object", "properties": json.loads(deep)}
    assert refused(as_bytes(tools=[tool(parameters=parameters)])).param == "tools[0].function.parameters"


@pytest.mark.parametrize(
    ("messages", "param", "code"),
    [
        # no call, or not in the answer right before
        ([result("a")], "messages[1].tool_call_id", "invalid_value"),
        ([calling(called("a")), result("x")], "messages[2].tool_call_id", "invalid_value"),
        ([calling(called("a")), result("a"), result("a")], "messages[3].tool_call_id", "invalid_value"),
        (
            [calling(called("a")), result("a"), {"role": "user", "content": "b"}, result("a")],
            "messages[4].tool_call_id",
            "invalid_value",
        ),
        (
            [calling(called("a")), result("a"), calling(called("b")), result("a"), result("b")],
            "messages[4].tool_call_id",
            "invalid_value",
        ),
        # calls without an answer
        ([calling(called("a"))], "messages", "invalid_value"),
        ([calling(called("a"), called("b")), result("a")], "messages[1].tool_calls[1]", "invalid_value"),
        ([calling(called("a")), {"role": "user", "content": "b"}], "messages[1].tool_calls[0]", "invalid_value"),
        ([calling(called("a")), calling(called("b")), result("b")], "messages[1].tool_calls[0]", "invalid_value"),
        ([calling(called("a"), called("a")), result("a")], "messages[1].tool_calls[0]", "invalid_value"),
        # shapes
        ([{"role": "tool", "content": "5"}], "messages[1].tool_call_id", "missing_parameter"),
        ([calling(called("a")), result("a", [{"type": "refusal"}])], "messages[2].content[0].type", "invalid_value"),
        (
            [calling(called("a")), result("a", [{"type": "image_url", "image_url": {"url": "x"}}])],
            "messages[2].content[0].image_url.url",
            "invalid_value",
        ),
        ([calling({}), result("a")], "messages[1].tool_calls[0].id", "missing_parameter"),
        ([calling(called(name="")), result()], "messages[1].tool_calls[0].function.name", "invalid_value"),
        ([calling(called() | {"type": "custom"}), result()], "messages[1].tool_calls[0].type", "invalid_value"),
        ([calling(called() | {"x": 1}), result()], "messages[1].tool_calls[0].x", "unknown_parameter"),
    ],
)
def test_calls_and_results_that_do_not_fit_are_refused_by_their_place(messages: Any, param: str, code: str):
    error = refused(as_bytes([*HELLO, *messages], tools=[tool("f")]))
    assert (error.param, error.code) == (param, code)


@pytest.mark.parametrize("given", ["", "functions.f:0", "call|1", "é"])
def test_ids_of_other_providers_are_mapped_alike_in_call_and_result(given: str):
    (_, (use,)), (_, (answered,)) = conversation(calling(called(given)), result(given))
    assert use["id"] == answered["tool_use_id"] != given
    assert use["id"].replace("_", "").isalnum()


def test_ids_that_are_numbered_anew_in_each_answer_stay_apart():
    found = conversation(calling(called("call_0")), result("call_0"), calling(called("call_0")), result("call_0"))
    uses = [block["id"] for _, blocks in found for block in blocks if block["type"] == "tool_use"]
    results = [block["tool_use_id"] for _, blocks in found for block in blocks if block["type"] == "tool_result"]
    assert uses == results
    assert len(set(uses)) == 2


# ---- names


def test_one_mapping_serves_definitions_choice_history_and_answer():
    messages = [*HELLO, calling(called("a", "files.read")), result("a")]
    found = call(messages, tools=[tool("files.read")], tool_choice=tool("files.read"))
    upstream = found.tool_names.to_upstream("files.read")
    assert upstream != "files.read"
    assert found.prompt.tools[0]["name"] == upstream
    assert found.prompt.parameters["tool_choice"]["name"] == upstream
    assert found.prompt.messages[1]["content"][0]["name"] == upstream
    assert found.tool_names.from_upstream(upstream) == "files.read"


# ---- a history of calls without tools


@pytest.mark.parametrize("members", [{}, {"tools": []}, {"tool_choice": "auto"}, {"parallel_tool_calls": False}])
def test_calls_of_the_past_are_defined_and_cannot_be_called_again(members: dict[str, Any]):
    messages = [*HELLO, calling(called("a", "f"), called("b", "x.y"), called("c", "f"))]
    messages += [result("a"), result("b"), result("c")]
    prompt = call(messages, **members).prompt
    names = [use["name"] for use in prompt.messages[1]["content"]]
    assert prompt.tools == [{"name": name, "input_schema": EMPTY} for name in names[:2]]
    assert prompt.parameters == {"tool_choice": {"type": "none"}}


# ---- what the model thought

SIGNED = {"type": "thinking", "thinking": "hm", "signature": "sig"}
REDACTED = {"type": "redacted_thinking", "data": "abc"}
ENABLED = {"type": "enabled", "budget_tokens": 1024}


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ([], []),
        (None, []),
        ([SIGNED, REDACTED], [SIGNED, REDACTED]),
        ([SIGNED | {"index": 0}, REDACTED | {"index": 1}], [SIGNED, REDACTED]),
        ([{"type": "thinking", "thinking": "hm"}, SIGNED | {"signature": None}, SIGNED | {"signature": ""}], []),
    ],
)
def test_thinking_comes_first_in_its_answer(sent: Any, seen: list[Any]):
    (_, blocks), _ = conversation(
        calling(called("a"), content="b", thinking_blocks=sent, reasoning_content="hm"), result("a")
    )
    assert blocks == [*seen, *text("b"), tool_use("a")]


@pytest.mark.parametrize(
    ("thoughts", "asked", "told"),
    [
        ([SIGNED], ENABLED, ENABLED),
        ([REDACTED], ENABLED, ENABLED),
        ([], ENABLED, None),
        ([{"type": "thinking", "thinking": "hm"}], ENABLED, None),
        ([], {"type": "adaptive"}, {"type": "adaptive"}),
    ],
)
def test_a_budget_is_not_asked_for_where_the_thinking_got_lost(thoughts: Any, asked: Any, told: Any):
    messages = [*HELLO, calling(called("a"), thinking_blocks=thoughts), result("a")]
    assert call(messages, thinking=asked).prompt.parameters.get("thinking") == told
    assert call([*messages, *HELLO], thinking=asked).prompt.parameters.get("thinking") == told
    goes_on = [*messages, {"role": "assistant", "content": "b"}, *HELLO]
    assert call(goes_on, thinking=asked).prompt.parameters.get("thinking") == asked

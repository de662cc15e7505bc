from typing import Any

import pytest

from app.errors import InvalidRequest
from app.protocols.reasoning import fitted, from_effort, merge_output_config

ENABLED = {"type": "enabled", "budget_tokens": 2000}


@pytest.mark.parametrize(
    ("effort", "told"),
    [("minimal", "low"), ("low", "low"), ("medium", "medium"), ("high", "high"), ("xhigh", "xhigh"), ("max", "max")],
)
def test_an_effort_is_adaptive_thinking_of_that_effort(effort: str, told: str):
    assert from_effort(effort) == {"thinking": {"type": "adaptive"}, "output_config": {"effort": told}}


def test_none_asks_for_nothing():
    assert from_effort("none") == {}


@pytest.mark.parametrize("effort", ["", "High", "very", "x" * 1000])
def test_another_effort_is_refused_by_its_field(effort: str):
    with pytest.raises(InvalidRequest, match="must be one of none, minimal, low, medium, high, xhigh, max") as raised:
        from_effort(effort, "reasoning.effort")
    assert (raised.value.param, raised.value.code) == ("reasoning.effort", "invalid_value")


@pytest.mark.parametrize(
    ("configs", "merged"),
    [
        ([], None),
        ([None, {}], None),
        ([{"effort": "low"}, None], {"effort": "low"}),
        (
            [{"effort": "low"}, {"format": {"type": "json_schema"}}],
            {"effort": "low", "format": {"type": "json_schema"}},
        ),
    ],
)
def test_effort_and_format_are_one_member(configs: list[Any], merged: Any):
    assert merge_output_config(*configs) == merged


@pytest.mark.parametrize(
    ("parameters", "left"),
    [
        ({"temperature": 0.3, "top_p": 0.5, "top_k": 4}, {"temperature": 0.3, "top_p": 0.5, "top_k": 4}),
        (
            {"thinking": {"type": "disabled"}, "temperature": 0.3},
            {"thinking": {"type": "disabled"}, "temperature": 0.3},
        ),
        ({"thinking": ENABLED, "temperature": 1.0, "top_p": 1}, {"thinking": ENABLED}),
        ({"thinking": {"type": "adaptive"}, "top_p": 0.95}, {"thinking": {"type": "adaptive"}, "top_p": 0.95}),
        ({"thinking": ENABLED, "max_tokens": 2001}, {"thinking": ENABLED, "max_tokens": 2001}),
        ({"thinking": {"type": "adaptive"}, "max_tokens": 5}, {"thinking": {"type": "adaptive"}, "max_tokens": 5}),
        (
            {"thinking": ENABLED, "tool_choice": {"type": "auto"}},
            {"thinking": ENABLED, "tool_choice": {"type": "auto"}},
        ),
    ],
)
def test_what_goes_together_with_thinking_is_kept(parameters: dict[str, Any], left: dict[str, Any]):
    assert fitted(parameters) == left


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("max_tokens", 2000),
        ("temperature", 0.9),
        ("temperature", 0),
        ("top_p", 0.94),
        ("top_k", 5),
        ("tool_choice", {"type": "any"}),
        ("tool_choice", {"type": "tool", "name": "f"}),
    ],
)
def test_what_does_not_is_refused_by_the_clients_own_name(member: str, value: Any):
    for names, name in (({}, member), ({member: "its_word"}, "its_word")):
        with pytest.raises(InvalidRequest) as raised:
            fitted({"thinking": ENABLED, member: value}, names)
        assert (raised.value.param, raised.value.code) == (name, "invalid_value")
        assert str(raised.value).startswith(f"{name}: ")

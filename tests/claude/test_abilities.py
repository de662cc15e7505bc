from typing import Any

import pytest

from app.claude.abilities import Abilities, may_budget, of_model

LATEST = Abilities(thinking_off=False, adaptive=True, efforts=("low", "medium", "high", "xhigh", "max"))
OLDER = Abilities()
SOME = Abilities(adaptive=True, efforts=("low", "medium", "high"))
ADAPTIVE = {"type": "adaptive"}


def effort(name: str, **more: Any) -> dict[str, Any]:
    return {"thinking": ADAPTIVE, "output_config": {"effort": name, **more}}


@pytest.mark.parametrize(
    ("abilities", "asked", "sent"),
    [
        (LATEST, {}, {}),
        (OLDER, {}, {"thinking": {"type": "disabled"}}),
        (OLDER, {"temperature": 0, "top_p": 0.0}, {"temperature": 0, "top_p": 0.0, "thinking": {"type": "disabled"}}),
        (LATEST, {"thinking": {"type": "disabled"}}, {}),
        (OLDER, {"thinking": {"type": "disabled"}}, {"thinking": {"type": "disabled"}}),
        (LATEST, effort("xhigh"), effort("xhigh")),
        (SOME, effort("max"), effort("high")),
        (
            LATEST,
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        ),
        (OLDER, effort("low"), {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        (OLDER, {"thinking": ADAPTIVE}, {"thinking": {"type": "enabled", "budget_tokens": 4096}}),
        (
            OLDER,
            effort("high") | {"max_tokens": 2000},
            {"thinking": {"type": "enabled", "budget_tokens": 1999}, "max_tokens": 2000},
        ),
        (OLDER, effort("high") | {"max_tokens": 1024}, {"thinking": {"type": "disabled"}, "max_tokens": 1024}),
        (
            OLDER,
            {"output_config": {"effort": "low", "format": {"type": "json_schema"}}},
            {"output_config": {"format": {"type": "json_schema"}}, "thinking": {"type": "disabled"}},
        ),
        (LATEST, {"output_config": {"effort": "tomorrows"}}, {"output_config": {"effort": "tomorrows"}}),
    ],
)
def test_parameters_are_sent_as_the_model_takes_them(abilities: Abilities, asked: dict[str, Any], sent: dict[str, Any]):
    before = repr(asked)
    assert abilities.fitted(asked) == sent
    assert repr(asked) == before


def test_a_budget_is_not_asked_for_behind_a_call_without_its_thinking():
    use, thought = {"type": "tool_use"}, {"type": "thinking"}
    result = {"role": "user", "content": [{"type": "tool_result"}]}
    question = {"role": "user", "content": [{"type": "text"}]}
    assert may_budget([question])
    assert may_budget([question, {"role": "assistant", "content": [thought, use]}, result])
    assert not may_budget([question, {"role": "assistant", "content": [use]}, result])
    assert OLDER.fitted(effort("low"), may_budget=False) == {"thinking": {"type": "disabled"}}
    assert LATEST.fitted(effort("low"), may_budget=False) == effort("low")


def test_what_a_model_can_do_is_what_the_cli_says():
    listed = [
        {
            "value": "sonnet",
            "resolvedModel": "claude-sonnet-5-5",
            "supportsThinkingOff": False,
            "supportsAdaptiveThinking": True,
            "supportedEffortLevels": ["low", "high"],
        },
        {"value": "haiku", "resolvedModel": "claude-haiku-4-5"},
    ]
    expected = Abilities("claude-sonnet-5-5", thinking_off=False, adaptive=True, efforts=("low", "high"))
    assert of_model(listed, "sonnet") == of_model(listed, "claude-sonnet-5-5") == expected
    assert of_model(listed, "haiku") == Abilities("claude-haiku-4-5")
    assert of_model(listed, "claude-sonnet-4-5") == of_model([], "claude-sonnet-4-5") == Abilities("claude-sonnet-4-5")

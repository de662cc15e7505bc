"""What a model can do, and a request's parameters as it takes them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_EFFORTS = ("low", "medium", "high", "xhigh", "max")
# Tokens, for a model that thinks by a budget and not by an effort. Anthropic takes no less than 1024.
_BUDGETS = {"low": 1024, "medium": 4096, "high": 16_384, "xhigh": 24_576, "max": 31_999}
_LEAST_BUDGET = 1024


@dataclass(frozen=True)
class Abilities:
    """`efforts`: the values of output_config.effort, in their order; none when the model does not know them.

    `name` is the model's full one.
    """

    name: str = ""
    thinking_off: bool = True
    adaptive: bool = False
    efforts: tuple[str, ...] = ()

    def fitted(self, parameters: Mapping[str, Any], *, may_budget: bool = True) -> dict[str, Any]:
        """`parameters` in a form that this model takes: thinking off unless it was asked for, and efforts it knows.

        Without `may_budget` an adaptive thinking becomes none where the model knows only budgets.
        """
        config = parameters.get("output_config") or {}
        effort = config.get("effort")
        asked = parameters.get("thinking")
        if asked and asked["type"] == "adaptive" and not self.adaptive:
            asked = _by_budget(effort, parameters.get("max_tokens")) if may_budget else None
        fitted = {
            "thinking": self._thinking(asked),
            "output_config": self._output_config(config, effort),
        }
        others = {name: value for name, value in parameters.items() if name not in fitted}
        return others | {name: value for name, value in fitted.items() if value}

    def _thinking(self, asked: Mapping[str, Any] | None) -> dict[str, Any]:
        if asked and asked["type"] != "disabled":
            return dict(asked)
        return {"type": "disabled"} if self.thinking_off else {}

    def _output_config(self, asked: Mapping[str, Any], effort: str | None) -> dict[str, Any]:
        if effort not in _EFFORTS or effort in self.efforts:
            return dict(asked)
        others = {name: value for name, value in asked.items() if name != "effort"}
        lower = [name for name in _EFFORTS[: _EFFORTS.index(effort)] if name in self.efforts]
        return others | ({"effort": lower[-1]} if lower else {})


def _by_budget(effort: str | None, most: int | None) -> dict[str, Any] | None:
    budget = min(_BUDGETS.get(effort or "", _BUDGETS["medium"]), (most or 1 << 30) - 1)
    return {"type": "enabled", "budget_tokens": budget} if budget >= _LEAST_BUDGET else None


def of_model(models: Sequence[Mapping[str, Any]], model: str) -> Abilities:
    """By the CLI's own list. A model that is not on it is an older one, which can do without thinking."""
    for entry in models:
        if model in (entry.get("value"), entry.get("resolvedModel")):
            return Abilities(
                name=entry.get("resolvedModel") or model,
                thinking_off=entry.get("supportsThinkingOff") is not False,
                adaptive=bool(entry.get("supportsAdaptiveThinking")),
                efforts=tuple(entry.get("supportedEffortLevels") or ()),
            )
    return Abilities(model)


def may_budget(messages: Sequence[Mapping[str, Any]]) -> bool:
    """Anthropic refuses to think by a budget behind results of tools whose call came without its thinking."""
    if messages[-1]["content"][0]["type"] != "tool_result":
        return True
    return messages[-2]["content"][0]["type"] in ("thinking", "redacted_thinking")

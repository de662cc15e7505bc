"""How much the model is to think, in Anthropic's words. Pure.

https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking
"""

from collections.abc import Mapping
from typing import Any

from app.errors import InvalidRequest

Json = dict[str, Any]

LEAST_BUDGET = 1024
_LEAST_TOP_P = 0.95
_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}
EFFORTS = ("none", *_EFFORTS)


def from_effort(effort: str, where: str = "reasoning_effort") -> Json:
    """OpenAI's word to members of the upstream body. Raises InvalidRequest."""
    if effort == "none":
        return {}
    if effort not in _EFFORTS:
        raise _invalid(f"{where} must be one of {', '.join(EFFORTS)}.", where)
    return {"thinking": {"type": "adaptive"}, "output_config": {"effort": _EFFORTS[effort]}}


def merge_output_config(*configs: Mapping[str, Any] | None) -> Json | None:
    """One member of the body holds both the effort and the format. None when nothing asks for either."""
    merged = {name: value for config in configs for name, value in (config or {}).items()}
    return merged or None


def is_on(parameters: Mapping[str, Any]) -> bool:
    return (parameters.get("thinking") or {}).get("type") in ("enabled", "adaptive")


def fitted(parameters: Mapping[str, Any], names: Mapping[str, str] | None = None) -> Json:
    """The parameters as a thinking model takes them: a temperature or a top_p of 1 changes nothing, and is left out.

    `names`: the client's word for a member, where it is another. Raises InvalidRequest.
    """
    if not is_on(parameters):
        return dict(parameters)
    for member, problem in _problems(parameters):
        name = (names or {}).get(member, member)
        raise _invalid(f"{name}: {problem}", name)
    return {name: value for name, value in parameters.items() if not (name in ("temperature", "top_p") and value == 1)}


def _problems(parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(member of the body, what is wrong with it)"""
    budget, limit = parameters["thinking"].get("budget_tokens", 0), parameters.get("max_tokens")
    forced = (parameters.get("tool_choice") or {}).get("type") in ("any", "tool")
    found = {
        "max_tokens": limit is not None
        and limit <= budget
        and f"it must be greater than the {budget} tokens for thinking, which are a part of it.",
        "temperature": parameters.get("temperature", 1) != 1 and "with thinking it can only be 1; leave it out.",
        "top_p": parameters.get("top_p", 1) < _LEAST_TOP_P and "with thinking it must be 0.95 or more; leave it out.",
        "top_k": "top_k" in parameters and "it does not go together with thinking; leave it out.",
        "tool_choice": forced
        and "a thinking model cannot be forced to use a tool; ask for 'auto', or turn thinking off.",
    }
    return [(member, problem) for member, problem in found.items() if problem]


def _invalid(message: str, param: str) -> InvalidRequest:
    return InvalidRequest(message, param=param, code="invalid_value")

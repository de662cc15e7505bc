"""The neutral form between the public protocols and the driver: Anthropic's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Prompt:
    """One request to the model, in the words of https://docs.anthropic.com/en/api/messages.

    system: texts, in order. messages: {"role", "content": [blocks]}, roles alternating, the last one the user's; the
    content of a `tool_result` is a list of blocks as well. parameters: members of the request's body (max_tokens,
    temperature, stop_sequences, metadata, tool_choice, thinking, output_config, ...). tools: {"name", "description",
    "input_schema", ...}, by names that the CLI carries.
    """

    system: Sequence[str]
    messages: Sequence[Mapping[str, Any]]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tools: Sequence[Mapping[str, Any]] = ()

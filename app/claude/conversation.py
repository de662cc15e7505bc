"""A prompt as the lines that the CLI reads. Pure.

Shapes: docs/claude-cli.md. A conversation is told to a process as control requests (system prompt, parameters), the
history with its real roles, and last the message that asks.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from app.claude.line_json import JsonText

Block = dict[str, Any]
JsonLine = dict[str, Any]

_NO_FURTHER = "CLAUDE_CODE_BLOCKING_LIMIT_OVERRIDE"
# A line that 2.1.330 cuts out of a system prompt; alone, it leaves none.
_NO_SYSTEM_PROMPT = "__SYSTEM_PROMPT_DYNAMIC_BOUNDARY__"
_OWN_BEGINNINGS = ("x-anthropic-billing-header", "You are Claude Code", "You are a Claude agent")


class Prompt(Protocol):
    """What the driver needs of a request, in the words of Anthropic's Messages API."""

    @property
    def system(self) -> Sequence[str]: ...
    @property
    def messages(self) -> Sequence[Mapping[str, Any]]:
        """{"role": "user" | "assistant", "content": [blocks]}, roles alternating, the last one the user's."""
        ...

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Members of the upstream request's body: max_tokens, temperature, stop_sequences and so on."""
        ...

    @property
    def tools(self) -> Sequence[Mapping[str, Any]]:
        """{"name", "description", "input_schema"}, as upstream is to have them."""
        ...


def control_request(request_id: str, subtype: str, **members: Any) -> JsonLine:
    return {"type": "control_request", "request_id": request_id, "request": {"subtype": subtype, **members}}


def initialize(request_id: str, system: Sequence[str], servers: Sequence[str]) -> JsonLine:
    """Gives the process its system prompt and its MCP servers; a second one changes nothing."""
    return control_request(request_id, "initialize", systemPrompt=[system_prompt(system)], sdkMcpServers=list(servers))


def late_system_prompt(request_id: str, model: str, system: Sequence[str]) -> JsonLine:
    """Replaces the system prompt of an initialised process without a trace. 2.1.330 does, 2.1.197 ignores it."""
    return _set_system_prompt(request_id, model, system_prompt(system))


def no_system_prompt(request_id: str, model: str) -> JsonLine:
    """Takes `late_system_prompt` back. An empty one would be refused, and the former one stay."""
    return _set_system_prompt(request_id, model, _NO_SYSTEM_PROMPT)


def _set_system_prompt(request_id: str, model: str, text: str) -> JsonLine:
    return control_request(request_id, "set_model", model=model, system_prompt=text)


def system_prompt(system: Sequence[str]) -> str:
    """One text, which the CLI cannot take for a part of its own.

    One that begins like a block of the CLI's own replaces that block; a newline before it keeps it apart.
    """
    text = "\n\n".join(system)
    return "\n" + text if text.startswith(_OWN_BEGINNINGS) else text


def request_body(request_id: str, body: Mapping[str, Any], *, further: bool = False) -> JsonLine:
    """Sets the members that the CLI merges into the top level of its upstream request's body.

    `further`: takes back `no_further_request`, too.
    """
    return _settings(request_id, {"CLAUDE_CODE_EXTRA_BODY": JsonText(body), **({_NO_FURTHER: ""} if further else {})})


def further_requests(request_id: str) -> JsonLine:
    """Takes back `no_further_request`, after the turn."""
    return _settings(request_id, {_NO_FURTHER: ""})


def no_further_request(request_id: str) -> JsonLine:
    """Written while the answer comes in, it keeps the CLI from going on upstream by itself after it.

    To the CLI, any conversation is then too long to send. The request that is under way is not touched.
    """
    return _settings(request_id, {_NO_FURTHER: "1"})


def _settings(request_id: str, env: Mapping[str, str | JsonText]) -> JsonLine:
    return control_request(request_id, "apply_flag_settings", settings={"env": dict(env)})


def history(messages: Sequence[Mapping[str, Any]], model: str) -> Iterator[list[JsonLine]]:
    """All but the last message, in batches; each batch ends with a user line whose `result` must be awaited.

    `model` is the full name of the one that is asked: only its own thinking goes upstream.

    User lines are queued by the CLI while assistant lines are applied at once, so a later batch may be written only
    when the earlier one is through. Assistant lines at the end make a batch of their own, and have no result.
    """
    batch: list[JsonLine] = []
    for number, message in enumerate(messages[:-1]):
        if message["role"] == "assistant":
            # 2.1.197 joins messages that have the same id, or none.
            batch.append(_line("assistant", message["content"], id=f"msg_{number}", model=model))
        else:
            yield [*batch, _line("user", guarded(message["content"])) | {"shouldQuery": False}]
            batch = []
    if batch:
        yield batch


def question(messages: Sequence[Mapping[str, Any]]) -> JsonLine:
    """The last message: the line that makes the CLI ask upstream."""
    return _line("user", guarded(messages[-1]["content"]))


def guarded(content: Iterable[Block]) -> list[Block]:
    """Content that the CLI cannot take for a command (threat 2).

    A slash command is recognised when the last text block begins with "/"; a newline before it makes it plain text.
    No other leading character needs this, white space and zero-width ones included.
    """
    blocks = list(content)
    for index in range(len(blocks) - 1, -1, -1):
        if blocks[index]["type"] == "text":
            if blocks[index]["text"].startswith("/"):
                blocks[index] = blocks[index] | {"text": "\n" + blocks[index]["text"]}
            break
    return blocks


def _line(role: str, content: Sequence[Block], **members: str) -> JsonLine:
    message = {"role": role, "content": list(content), **members}
    return {"type": role, "message": message, "parent_tool_use_id": None, "session_id": ""}

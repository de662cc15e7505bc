"""OpenAI's messages to Anthropic's system prompt and conversation. Pure."""

from collections.abc import Sequence
from typing import Any

from app.errors import InvalidRequest
from app.protocols.decode import Unfolding
from app.protocols.openai_content import text_of, to_blocks
from app.protocols.openai_models import (
    AssistantMessage,
    DeveloperMessage,
    Message,
    RedactedThinkingPart,
    SystemMessage,
    ThinkingPart,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from app.protocols.openai_tools import call_input
from app.protocols.tool_ids import ToolIds
from app.protocols.tool_names import ToolNames

Block = dict[str, Any]
Turn = dict[str, Any]

_NOTHING = (b"null", b"{}")


def to_system(messages: Sequence[Message]) -> list[str]:
    """Claude has one system prompt, at the head: system and developer messages are gathered there, in their order."""
    texts = (text_of(m.content) for m in messages if isinstance(m, SystemMessage | DeveloperMessage))
    return [text for text in texts if text.strip()]


def to_conversation(messages: Sequence[Message], names: ToolNames, unfolding: Unfolding) -> list[Turn]:
    """The other messages with their roles; neighbours of the same role are one message of several blocks."""
    conversation = _Conversation(names, unfolding)
    for index, message in enumerate(messages):
        conversation.add(message, f"messages[{index}]", is_last=index == len(messages) - 1)
    return conversation.finished()


class _Conversation:
    def __init__(self, names: ToolNames, unfolding: Unfolding):
        self._names = names
        self._unfolding = unfolding
        self._ids = ToolIds()
        self._turns: list[Turn] = []
        # Of the last answer, by the client's id: the calls (id upstream, where it stands), and what came back so far.
        self._calls: dict[str, tuple[str, str]] = {}
        self._results: dict[str, Block] = {}

    def add(self, message: Message, where: str, *, is_last: bool) -> None:
        match message:
            case UserMessage():
                self._end_calls()
                self._add("user", _question(message, f"{where}.content", is_last=is_last))
            case AssistantMessage():
                self._end_calls()
                self._add("assistant", self._answer(message, where))
            case ToolMessage():
                self._take_result(message, where)

    def finished(self) -> list[Turn]:
        self._end_calls()
        if not self._turns or self._turns[-1]["role"] != "user":
            said = "The last message must be the user's or a tool's: an answer cannot be begun for the model."
            raise _invalid(said, "messages")
        return self._turns

    def _add(self, role: str, blocks: list[Block]) -> None:
        if self._turns and self._turns[-1]["role"] == role:
            self._turns[-1]["content"] += blocks
        elif blocks:
            self._turns.append({"role": role, "content": blocks})

    def _answer(self, message: AssistantMessage, where: str) -> list[Block]:
        _refuse_unsupported(message, where)
        said = to_blocks(message.content or message.refusal, f"{where}.content")
        calls = [self._call(call, f"{where}.tool_calls[{n}]") for n, call in enumerate(message.tool_calls or ())]
        return [*_thoughts(message), *said, *calls]

    def _call(self, call: ToolCall, where: str) -> Block:
        if call.id in self._calls:
            raise _invalid(f"{where}.id: two calls have the same id.", f"{where}.id")
        upstream_id, name = self._ids.to_upstream(call.id), self._names.to_upstream(call.function.name)
        self._calls[call.id] = upstream_id, where
        return {"type": "tool_use", "id": upstream_id, "name": name, "input": call_input(call, where, self._unfolding)}

    def _take_result(self, message: ToolMessage, where: str) -> None:
        given = message.tool_call_id
        if given not in self._calls or given in self._results:
            problem = "was answered already" if given in self._results else "is of no call in the answer before it"
            raise _invalid(f"{where}.tool_call_id {problem}: {given[:100]!r}.", f"{where}.tool_call_id")
        content = to_blocks(message.content, f"{where}.content")
        self._results[given] = {"type": "tool_result", "tool_use_id": self._calls[given][0], "content": content}

    def _end_calls(self) -> None:
        """The results become one message, in the order of the calls, whatever order they came in."""
        for given, (_, where) in self._calls.items():
            if given not in self._results:
                said = f"{where} has no answer: a message of the role 'tool' with its id must follow."
                raise _invalid(said, where)
        self._add("user", [self._results[given] for given in self._calls])
        self._calls, self._results = {}, {}


def _question(message: UserMessage, where: str, *, is_last: bool) -> list[Block]:
    blocks = to_blocks(message.content, where)
    if is_last and not blocks:
        raise _invalid(f"{where} is empty.", where)
    return blocks


def _thoughts(message: AssistantMessage) -> list[Block]:
    """What the model thought comes first in its answer. Without its signature it would be refused."""
    found: list[Block] = []
    for part in message.thinking_blocks or ():
        match part:
            case RedactedThinkingPart():
                found.append({"type": "redacted_thinking", "data": part.data})
            case ThinkingPart(signature=str(signature)) if signature:
                found.append({"type": "thinking", "thinking": part.thinking, "signature": signature})
    return found


def _refuse_unsupported(message: AssistantMessage, where: str) -> None:
    for name in ("audio", "function_call"):
        if bytes(getattr(message, name) or b"null") not in _NOTHING:
            said = f"{where}.{name} is not supported by this gateway; calls of tools go into tool_calls."
            raise InvalidRequest(said, param=f"{where}.{name}", code="unsupported_parameter")


def _invalid(message: str, param: str) -> InvalidRequest:
    return InvalidRequest(message, param=param, code="invalid_value")

"""OpenAI's messages to Anthropic's system prompt and conversation. Pure."""

from collections.abc import Sequence

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
from app.protocols.turns import Block, Turns

_NOTHING = (b"null", b"{}")
_OF_SYSTEM = (SystemMessage, DeveloperMessage)


def to_system(messages: Sequence[Message]) -> list[str]:
    """Claude has one system prompt, at the head: system and developer messages are gathered there, in their order."""
    texts = (text_of(m.content) for m in messages if isinstance(m, _OF_SYSTEM))
    return [text for text in texts if text.strip()]


def to_conversation(messages: Sequence[Message], names: ToolNames, unfolding: Unfolding) -> list[Block]:
    """The other messages as turns. Raises InvalidRequest."""
    conversation = _Conversation(names, unfolding)
    for index, message in enumerate(messages):
        conversation.add(message, f"messages[{index}]", is_last=index == len(messages) - 1)
    return conversation.turns.messages()


class _Conversation:
    def __init__(self, names: ToolNames, unfolding: Unfolding):
        self.turns = Turns("messages")
        self._names = names
        self._unfolding = unfolding
        self._ids = ToolIds()
        self._latest: dict[str, str] = {}  # the client's id of a call -> that upstream; ids come again in later answers

    def add(self, message: Message, where: str, *, is_last: bool) -> None:
        match message:
            case UserMessage():
                self.turns.add("user", _question(message, f"{where}.content", is_last=is_last), where)
            case AssistantMessage():
                self._add_answer(message, where)
            case ToolMessage():
                self.turns.add("user", [self._result(message, where)], f"{where}.tool_call_id")

    def _add_answer(self, message: AssistantMessage, where: str) -> None:
        _refuse_unsupported(message, where)
        said = to_blocks(message.content or message.refusal, f"{where}.content")
        self.turns.add("assistant", [*_thoughts(message), *said], where)
        for index, call in enumerate(message.tool_calls or ()):
            place = f"{where}.tool_calls[{index}]"
            self.turns.add("assistant", [self._call(call, place)], place)

    def _call(self, call: ToolCall, where: str) -> Block:
        name = self._latest[call.id] = self._ids.to_upstream(call.id)
        given = call_input(call, where, self._unfolding)
        return {"type": "tool_use", "id": name, "name": self._names.to_upstream(call.function.name), "input": given}

    def _result(self, message: ToolMessage, where: str) -> Block:
        name = self._latest.get(message.tool_call_id, message.tool_call_id)
        return {"type": "tool_result", "tool_use_id": name, "content": to_blocks(message.content, f"{where}.content")}


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
    for name, value in (("audio", message.audio), ("function_call", message.function_call)):
        if value and bytes(value) not in _NOTHING:
            said = f"{where}.{name} is not supported by this gateway; calls of tools go into tool_calls."
            raise InvalidRequest(said, param=f"{where}.{name}", code="unsupported_parameter")


def _invalid(message: str, param: str) -> InvalidRequest:
    return InvalidRequest(message, param=param, code="invalid_value")

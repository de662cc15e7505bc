"""Messages as the turns of a conversation: roles alternate, and what tools gave stands beside their calls. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.errors import InvalidRequest

Block = dict[str, Any]
Place = tuple[str, Block]  # what the client calls it, e.g. "input[2]"

_OF_TOOLS = {"user": "tool_result", "assistant": "tool_use"}
_THINKING = ("thinking", "redacted_thinking")


class Turns:
    """`whole` names the list of messages, e.g. "input"; `before` are turns that need no check any more."""

    def __init__(self, whole: str, before: Iterable[Mapping[str, Any]] = ()):
        self._whole = whole
        self._turns: list[Block] = []
        self._tools: dict[int, list[Place]] = {}  # by turn: the calls in an answer, or what they gave in a question
        for turn in before:
            self._append(turn["role"], turn["content"], whole)

    def add(self, role: str, blocks: Sequence[Block], where: str) -> None:
        """Neighbours of the same role are one turn of several blocks."""
        if not blocks:
            return
        if role == "user":
            self._drop_last_thoughts()
        self._append(role, blocks, where)

    def _append(self, role: str, blocks: Sequence[Block], where: str) -> None:
        if self._turns and self._turns[-1]["role"] == role:
            self._turns[-1]["content"] += blocks
        else:
            self._turns.append({"role": role, "content": [*blocks]})
        kind = _OF_TOOLS[role]
        for block in blocks:
            if block["type"] == kind:
                self._tools.setdefault(len(self._turns) - 1, []).append((where, block))

    def _drop_last_thoughts(self) -> None:
        """Thoughts that led to nothing: upstream takes no turn that ends in them."""
        if not self._turns or self._turns[-1]["role"] != "assistant":
            return
        blocks = self._turns[-1]["content"]
        while blocks and blocks[-1]["type"] in _THINKING:
            blocks.pop()
        if not blocks:
            self._turns.pop()

    def messages(self) -> list[Block]:
        """Raises InvalidRequest unless each call is answered in the turn after it, and the last turn is the user's."""
        answered = {number + (self._turns[number]["role"] == "assistant") for number in self._tools}
        for number in sorted(answered - {len(self._turns)}):
            self._answer(number)
        if not self._turns or self._turns[-1]["role"] != "user":
            said = f"The last of {self._whole} must be the user's, or a tool's output: an answer cannot be begun."
            raise _refusal(self._whole, said)
        return self._turns

    def _answer(self, number: int) -> None:
        """Puts the tools' results at the head of this turn, in the order of their calls."""
        calls, given = self._tools.get(number - 1, ()), self._tools.get(number, ())
        order = [call["id"] for _, call in calls]
        known = set(order)
        results: dict[str, Block] = {}
        for where, result in given:
            call_id = result["tool_use_id"]
            if call_id not in known:
                raise _refusal(where, f"There is no call {call_id!r} in the turn before its output.")
            if call_id in results:
                raise _refusal(where, f"The call {call_id!r} has two outputs.")
            results[call_id] = result
        for where, call in calls:
            if call["id"] not in results:
                raise _refusal(where, f"No tool output found for the call {call['id']!r}.")
        turn = self._turns[number]
        rest = [block for block in turn["content"] if block["type"] != "tool_result"]
        turn["content"] = [results[call_id] for call_id in order] + rest


def _refusal(where: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, param=where, code="invalid_value")

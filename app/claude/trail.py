"""What was written of a conversation to its process, so that all of it can be taken back."""

import uuid
from collections.abc import Mapping
from typing import Any

from app.claude.conversation import JsonLine, control_request
from app.claude.events import Line, ResultLine


class Trail:
    """Of one conversation. Each line of it that is the user's has a name, and so the CLI can go back to before it."""

    def __init__(self) -> None:
        self._first = ""  # names of the user's lines
        self._last = ""
        self._begins_with_answer = False
        self._unanswered = 0  # of the user's lines, each of which ends with one result

    @property
    def empty(self) -> bool:
        return not self._first and not self._begins_with_answer

    @property
    def idle(self) -> bool:
        """No turn is in flight, and no line waits to be taken."""
        return self._unanswered == 0

    @property
    def can_be_taken_back(self) -> bool:
        """The CLI does not go back to before an assistant's line that nothing precedes."""
        return not self._begins_with_answer

    def wrote(self, line: Mapping[str, Any]) -> Mapping[str, Any]:
        """The line as it is to be written."""
        if line["type"] == "assistant" and not self._first:
            self._begins_with_answer = True
        if line["type"] != "user":
            return line
        self._last = str(uuid.uuid4())
        self._first = self._first or self._last
        self._unanswered += 1
        return {**line, "uuid": self._last}

    def heard(self, line: Line) -> None:
        if isinstance(line, ResultLine):
            self._unanswered -= 1

    def take_back(self, request_id: str) -> JsonLine:
        """What `is_taken_back` is to say of its answer. A turn that is in flight is interrupted."""
        return control_request(
            request_id,
            "rewind_conversation",
            target_message_uuid=self._first,
            last_seen_user_message_uuid=self._last,
            interrupt_if_running=True,
        )


def is_taken_back(response: Mapping[str, Any]) -> bool:
    """Also that nothing is left before the conversation's first line."""
    return response.get("rewound") is True and response.get("precedingAssistantUuid", "") is None

from typing import Any

import pytest

from app.claude.conversation import control_request, history, question
from app.claude.events import ResultLine, SystemLine
from app.claude.trail import Trail, is_taken_back

MESSAGES = [{"role": role, "content": [{"type": "text", "text": role}]} for role in ("user", "assistant") * 2]


def written(trail: Trail, messages: list[dict[str, Any]]) -> list[Any]:
    lines = [line for batch in history(messages, "m") for line in batch]
    return [trail.wrote(line) for line in [*lines, question(messages)]]


def test_the_users_lines_have_names_and_all_are_taken_back_by_the_first():  # threat 9
    trail = Trail()
    lines = written(trail, [*MESSAGES, MESSAGES[0]])
    names = [line.get("uuid") for line in lines]
    assert [line["type"] for line in lines if "uuid" in line] == ["user"] * 3
    asked = trail.take_back("r")["request"]
    assert (asked["target_message_uuid"], asked["last_seen_user_message_uuid"]) == (names[0], names[-1])
    assert len(set(names)) == 4


def test_other_lines_are_written_as_they_are():
    trail = Trail()
    line = control_request("r", "interrupt")
    assert trail.wrote(line) == line
    assert trail.empty


def test_it_is_idle_when_each_line_of_the_users_has_had_its_result():
    trail = Trail()
    assert trail.idle
    written(trail, [*MESSAGES[:2], MESSAGES[0]])
    trail.heard(SystemLine())
    trail.heard(ResultLine())
    assert not trail.idle
    trail.heard(ResultLine(is_error=True))
    assert trail.idle
    trail.heard(ResultLine())  # of what? Then nothing is known any more
    assert not trail.idle


def test_a_conversation_that_begins_with_an_answer_stays():  # threat 9
    trail = Trail()
    written(trail, [MESSAGES[1], MESSAGES[0]])
    assert not trail.can_be_taken_back
    assert not trail.empty


@pytest.mark.parametrize(
    "response",
    [
        {},
        {"rewound": True},
        {"rewound": False, "precedingAssistantUuid": None},
        {"rewound": "yes", "precedingAssistantUuid": None},
        {"rewound": True, "precedingAssistantUuid": "an answer that is left"},
    ],
)
def test_whatever_else_it_answers_is_no_proof(response: dict[str, Any]):  # threat 9
    assert not is_taken_back(response)
    assert is_taken_back({"rewound": True, "precedingAssistantUuid": None})

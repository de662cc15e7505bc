import json

import pytest

from app.claude.line_json import JsonText, pieces
from app.pace import STEP_BYTES

LONG = 3 * STEP_BYTES + 7


def embedded(text: JsonText) -> str:
    return json.dumps(text.value)


@pytest.mark.parametrize(
    "message",
    [
        {"type": "user", "n": 1, "none": None, "list": [True, 1.5, "x\n\u2028ä😀"]},
        {"text": "a" * LONG, "after": {"b": "c"}},
        {"content": [{"text": '😀\n"\\' * LONG}, "short", {"deep": [["ä" * LONG], {}]}], "\u2028": 0},
        {"lone": "\ud83d" + "x" * LONG + "\ude00"},
        {"many": [{"type": "text", "text": "x" * 100, "n": [None, 1]}] * (LONG // 50)},
        {"numbers": [*range(LONG // 4)]},
        {"env": {"short": JsonText({"a": "ä"}), "long": JsonText({"tools": [{"text": '"ä\n' * 90}] * (LONG // 200)})}},
        {"halves": "x" * (STEP_BYTES - 1) + "\ud83d\ude00" + "y" * LONG},
    ],
)
def test_it_is_what_json_makes_of_it_in_pieces(message: dict):
    found = list(pieces([message, {"next": 1}]))
    assert b"".join(found) == (json.dumps(message, default=embedded) + '\n{"next": 1}\n').encode()
    assert max(map(len, found)) <= 14 * STEP_BYTES


def test_what_is_small_comes_in_one_piece():
    assert list(pieces([{"a": 1}, {"b": 2}])) == [b'{"a": 1}\n{"b": 2}\n']

import json

import pytest

from app.protocols import sse


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"a": [1, 2.5, None, True]},
        {"text": "line\nbreak\r\nand \u2028 \u2029 \u0085 \x00"},
        {"text": "é 😀"},
        "data: x\n\n",
    ],
)
def test_a_value_is_one_line_of_one_event(value: object):
    event = sse.data(value)
    assert event.startswith(b"data: ")
    assert event.endswith(b"\n\n")
    line = event.removeprefix(b"data: ").removesuffix(b"\n\n")
    assert b"\n" not in line
    assert b"\r" not in line
    assert json.loads(line) == value


def test_an_event_can_have_a_name():
    assert sse.event("ping", {"type": "ping"}) == b'event: ping\ndata: {"type":"ping"}\n\n'


# threat 68
def test_a_keep_alive_is_a_comment_that_ends_no_event():
    assert sse.KEEP_ALIVE.startswith(b":")
    assert sse.KEEP_ALIVE.count(b"\n") == 1
    assert sse.KEEP_ALIVE.endswith(b"\n")


# threat 68
def test_nobody_between_may_hold_the_stream_back_or_change_it():
    assert sse.CONTENT_TYPE == "text/event-stream"
    assert {"no-cache", "no-transform"} == set(sse.HEADERS["Cache-Control"].split(", "))
    assert sse.HEADERS["X-Accel-Buffering"] == "no"

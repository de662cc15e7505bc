"""Anthropic's own client for Python on POST /v1/messages."""

import pytest

from tests.clients.expected import (
    TIME,
    WEATHER,
    WORDS,
    assert_raised,
    assert_saw_the_image,
    assert_thanked_for,
    assert_used_tools,
)
from tests.clients.running import SECONDS

pytestmark = pytest.mark.timeout(SECONDS)

EVENTS = [
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
]


@pytest.fixture
def seen(observe):
    return observe("anthropic_messages.py")


def test_an_answer_comes_whole(seen):
    assert seen["whole"] == {"text": "Hello there.", "stop": "end_turn", "counted": True}


def test_an_answer_is_streamed(seen):
    assert seen["streamed"] == {"pieces": WORDS, "stop": "end_turn", "counted": True}
    assert seen["events"] == EVENTS


def test_a_tool_is_called_and_its_result_answered(seen):
    assert_used_tools(seen["tool"], ["4 degrees"], text="I shall look.", calls=[WEATHER], stop="tool_use")


def test_two_tools_are_called_in_one_streamed_answer(seen):
    assert_used_tools(
        seen["parallel_tools"], ["4 degrees", "noon"], in_pieces=True, calls=[WEATHER, TIME], stop="tool_use"
    )


def test_a_named_tool_is_called(seen):
    assert seen["forced_tool"] == [["get_time", {"zone": "sandbox"}]]


def test_thinking_is_kept_across_a_tool(seen):
    assert_used_tools(seen["thinking_tool"], ["4 degrees"], thinking="First the weather.", signed=True)


def test_the_client_runs_the_tools_itself(seen):
    assert_thanked_for(seen["tool_runner"], "4 degrees in Oslo", "noon in Europe/Oslo")


def test_an_answer_is_parsed(seen):
    assert seen["parsed"] == {"city": "sandbox", "degrees": 1}


def test_an_image_is_seen(seen):
    assert_saw_the_image(seen["vision"])


def test_tokens_are_counted(seen):
    assert seen["counted"] > 0


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        ("wrong_key", "AuthenticationError"),
        ("bad_request", "BadRequestError"),
        ("rate_limited", "RateLimitError"),
        ("failed", "InternalServerError"),
        ("overloaded", "InternalServerError"),
        ("broken_stream", "APIError"),
    ],
)
def test_a_failure_is_raised_as_its_kind(seen, case, kind):
    assert_raised(seen[case], kind)


def test_no_other_machine_was_asked_for(seen):
    assert seen["elsewhere"] == []

"""OpenAI's own clients, for Python and for Node, on POST /v1/chat/completions."""

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

SCRIPTS = ["openai_chat.py", "openai_chat.mjs"]


@pytest.fixture(params=SCRIPTS)
def seen(request, observe):
    return observe(request.param)


def test_an_answer_comes_whole(seen):
    assert seen["whole"] == {"text": "Hello there.", "finish": "stop", "counted": True}


def test_an_answer_is_streamed(seen):
    assert seen["streamed"] == {"pieces": WORDS, "finish": "stop", "counted": True}


def test_an_answer_is_streamed_to_the_asynchronous_client(observe):
    assert observe("openai_chat.py")["streamed_async"] == WORDS


def test_a_tool_is_called_and_its_result_answered(seen):
    assert_used_tools(seen["tool"], ["4 degrees"], text="I shall look.", calls=[WEATHER], finish="tool_calls")


def test_two_tools_are_called_in_one_streamed_answer(seen):
    assert_used_tools(
        seen["parallel_tools"],
        ["4 degrees", "noon"],
        done=["get_weather", "get_time"],
        calls=[WEATHER, TIME],
        finish="tool_calls",
    )


def test_the_client_runs_the_tools_itself(observe):
    run = observe("openai_chat.mjs")["run_tools"]
    assert run["told"] == [{"city": "Oslo"}, {"zone": "Europe/Oslo"}]
    assert_thanked_for(run["answer"], "4 degrees", "noon")


def test_a_named_tool_is_called(seen):
    assert seen["forced_tool"] == [["get_time", {"zone": "sandbox"}]]


def test_an_answer_is_parsed(seen):
    assert seen["parsed"] == {"city": "sandbox", "degrees": 1}


def test_a_tools_arguments_are_parsed(seen):
    assert seen["parsed_tool"] == {"city": "Oslo", "degrees": 4}


def test_an_image_is_seen(seen):
    assert_saw_the_image(seen["vision"])


def test_the_models_are_listed(seen):
    assert {"sonnet", "opus", "haiku"} <= set(seen["models"])


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        ("wrong_key", "AuthenticationError"),
        ("bad_request", "BadRequestError"),
        ("rate_limited", "RateLimitError"),
        ("failed", "InternalServerError"),
        ("broken_stream", "APIError"),
    ],
)
def test_a_failure_is_raised_as_its_kind(seen, case, kind):
    assert_raised(seen[case], kind)


def test_no_other_machine_was_asked_for(observe):
    assert observe("openai_chat.py")["elsewhere"] == []

"""LiteLLM as a client, by its providers `openai` and `anthropic`."""

import pytest

from tests.clients.expected import TIME, WEATHER, WORDS, assert_raised, assert_saw_the_image, assert_used_tools
from tests.clients.running import SECONDS

pytestmark = pytest.mark.timeout(SECONDS)


@pytest.fixture(scope="module")
def everything(observe):
    return observe("litellm_completion.py")


@pytest.fixture(params=["openai", "anthropic"])
def seen(request, everything):
    prefix = f"{request.param}_"
    return {case.removeprefix(prefix): value for case, value in everything.items() if case.startswith(prefix)}


def test_an_answer_comes_whole(seen):
    assert seen["whole"] == {"text": "Hello there.", "finish": "stop", "counted": True}


def test_an_answer_is_streamed(seen):
    assert seen["streamed"] == {"pieces": WORDS, "finish": "stop", "counted": True}


def test_a_tool_is_called_and_its_result_answered(seen):
    assert_used_tools(seen["tool"], ["4 degrees"], text="I shall look.", calls=[WEATHER], finish="tool_calls")


def test_two_tools_are_called_in_one_streamed_answer(seen):
    assert_used_tools(seen["parallel_tools"], ["4 degrees", "noon"], calls=[WEATHER, TIME], finish="tool_calls")


def test_an_answer_is_parsed(seen):
    assert seen["parsed"] == {"city": "sandbox", "degrees": 1}


def test_an_image_is_seen(seen):
    assert_saw_the_image(seen["vision"])


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        ("wrong_key", "AuthenticationError"),
        ("bad_request", "BadRequestError"),
        ("rate_limited", "RateLimitError"),
        ("failed", "APIError"),
        ("broken_stream", "APIError"),
    ],
)
def test_a_failure_is_raised_as_its_kind(seen, case, kind):
    assert_raised(seen[case], kind)


def test_no_other_machine_was_asked_for(everything):
    assert everything["elsewhere"] == []

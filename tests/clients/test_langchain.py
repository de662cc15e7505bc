"""LangChain's models and agents, on all three protocols."""

import pytest

from tests.clients.expected import TIME, WEATHER, WORDS, assert_raised, assert_saw_the_image, assert_thanked_for
from tests.clients.running import SECONDS

pytestmark = pytest.mark.timeout(SECONDS)

OPENAI, ANTHROPIC = "langchain_openai_agent.py", "langchain_anthropic_agent.py"


class Part:
    """The cases of one protocol, without its prefix."""

    def __init__(self, seen, prefix):
        self.seen, self.prefix = seen, prefix

    def __getitem__(self, case):
        return self.seen[f"{self.prefix}_{case}"]


@pytest.fixture(params=[(OPENAI, "chat"), (OPENAI, "responses"), (ANTHROPIC, "messages")], ids=lambda pair: pair[1])
def seen(request, observe):
    script, prefix = request.param
    return Part(observe(script), prefix)


def test_an_answer_comes_whole(seen):
    assert seen["whole"] == {"text": "Hello there.", "counted": True}


def test_an_answer_is_streamed(seen):
    assert seen["streamed"] == WORDS


def test_an_agent_calls_tools_until_it_has_its_answer(seen):
    run = seen["agent"]
    assert run["kinds"] == ["human", "ai", "tool", "ai", "tool", "tool", "ai"]
    assert run["calls"] == [["look_up", {"place": "Oslo"}], WEATHER, TIME]
    assert_thanked_for(run["answer"], "4 degrees in Oslo", "noon in Europe/Oslo")


def test_an_agent_streams(seen):
    run = seen["streamed_agent"]
    assert (run["in_pieces"], run["nodes"]) == (True, ["model", "tools"])
    assert_thanked_for(run["answer"], "4 degrees in Oslo", "noon in Europe/Oslo")


def test_an_answer_is_parsed(seen):
    assert seen["parsed"] == {"city": "sandbox", "degrees": 1}


def test_an_answer_is_parsed_from_a_tool_that_has_to_be_called(observe):
    assert observe(ANTHROPIC)["parsed_by_a_forced_tool"] == {"city": "sandbox", "degrees": 1}


def test_an_image_is_seen(seen):
    assert_saw_the_image(seen["vision"])


def test_a_failure_is_raised_as_its_kind(seen):
    assert_raised(seen["rate_limited"], "RateLimitError")


def test_a_stream_that_breaks_is_raised(seen):
    """A response that failed is an event to OpenAI's client, and an error of LangChain's own to LangChain."""
    assert_raised(seen["broken_stream"], "ValueError" if seen.prefix == "responses" else "APIError")


@pytest.mark.parametrize("script", [OPENAI, ANTHROPIC])
def test_a_wrong_key_is_told(observe, script):
    assert_raised(observe(script)["wrong_key"], "AuthenticationError")


@pytest.mark.parametrize("script", [OPENAI, ANTHROPIC])
def test_no_other_machine_was_asked_for(observe, script):
    assert observe(script)["elsewhere"] == []

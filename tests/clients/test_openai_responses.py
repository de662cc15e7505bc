"""OpenAI's own clients, for Python and for Node, on POST /v1/responses."""

import pytest

from tests.clients.expected import TIME, WEATHER, WORDS, assert_raised, assert_saw_the_image, assert_used_tools
from tests.clients.running import SECONDS

pytestmark = pytest.mark.timeout(SECONDS)

TYPES = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
]


@pytest.fixture(params=["openai_responses.py", "openai_responses.mjs"])
def seen(request, observe):
    return observe(request.param)


def test_an_answer_comes_whole(seen):
    assert seen["whole"] == {"text": "Hello there.", "status": "completed", "counted": True}


def test_an_answer_is_streamed_with_all_of_its_events(seen):
    stream = seen["streamed"]
    assert (stream["types"], stream["pieces"], stream["text"]) == (TYPES, WORDS, "".join(WORDS))
    assert stream["numbers"] == list(range(len(stream["numbers"])))


def test_the_client_gathers_a_stream(seen):
    assert seen["gathered"] == "".join(WORDS)


def test_instructions_reach_the_model(seen):
    assert "the last part begins “Answer in rhyme.”" in seen["instructed"]


def test_a_response_is_continued(seen):
    assert "2 from user, 1 from assistant" in seen["continued"]


def test_a_response_is_retrieved_until_it_is_deleted(seen):
    assert seen["kept"]["before"] == "Seven."
    assert_raised(seen["kept"]["after"], "NotFoundError")


def test_a_tool_is_called_and_its_result_answered(seen):
    assert_used_tools(seen["tool"], ["4 degrees"], text="I shall look.", calls=[WEATHER])


def test_two_tools_are_called_in_one_streamed_answer(seen):
    assert_used_tools(seen["parallel_tools"], ["4 degrees", "noon"], done=2, calls=[WEATHER, TIME])


def test_a_named_tool_is_called(seen):
    assert seen["forced_tool"] == [["get_time", {"zone": "sandbox"}]]


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
        ("failed", "InternalServerError"),
    ],
)
def test_a_failure_is_raised_as_its_kind(seen, case, kind):
    assert_raised(seen[case], kind)


def test_a_stream_that_breaks_ends_as_a_failure(seen):
    """Either as the client's exception or as the event of a response that failed: both are OpenAI's own."""
    broken = seen["broken_stream"]
    if isinstance(broken, dict):
        assert_raised(broken, "APIError")
    else:
        assert broken[-1] in ("response.failed", "error"), broken


def test_no_other_machine_was_asked_for(observe):
    assert observe("openai_responses.py")["elsewhere"] == []

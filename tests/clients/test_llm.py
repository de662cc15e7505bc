"""The command-line tool `llm`, told of the gateway in its extra-openai-models.yaml."""

import pytest

from tests.clients.expected import assert_saw_the_image, assert_thanked_for
from tests.clients.running import SECONDS

pytestmark = pytest.mark.timeout(SECONDS)


@pytest.fixture
def seen(observe):
    return observe("llm_tool.py")


def test_an_answer_comes_whole(seen):
    assert seen["whole"] == "Hello there."


def test_an_answer_is_streamed(seen):
    assert seen["streamed"] == {"text": "w0 w1 w2 w3 w4", "early": True}


def test_a_conversation_is_continued(seen):
    assert "2 from user, 1 from assistant" in seen["continued"]


def test_two_tools_are_called_in_one_answer(seen):
    assert_thanked_for(seen["parallel_tools"], "4 degrees in Oslo", "noon in Europe/Oslo")


def test_an_answer_follows_a_schema(seen):
    assert seen["parsed"] == {"city": "sandbox", "degrees": 1}


def test_an_image_is_seen(seen):
    assert_saw_the_image(seen["vision"])


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("wrong_key", "Error code: 401"),
        ("bad_request", "Unsupported parameter: 'frequency_penalty'"),
        ("broken_stream", "Claude is overloaded"),
    ],
)
def test_a_failure_is_told(seen, case, words):
    assert words in seen[case]["message"]

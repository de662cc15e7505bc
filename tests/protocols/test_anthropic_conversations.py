"""Whatever is valid arrives as it came, and nothing unknown with it."""

import json
from itertools import groupby
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.protocols.messages import (
    FOUND,
    IMAGE,
    MARK,
    NOTE,
    PDF,
    asked,
    assistant,
    refused,
    result,
    text,
    use,
    user,
)

WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6).filter(str.strip)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=5,
)
TEXTS = st.builds(text, WORDS)
IMAGE_BLOCKS = st.sampled_from([IMAGE, {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}])
DOCUMENTS = st.builds(
    lambda source, more: {"type": "document", "source": source, **more},
    st.sampled_from([NOTE["source"], {"type": "base64", "media_type": "application/pdf", "data": PDF}])
    | st.builds(lambda parts: {"type": "content", "content": parts}, st.lists(TEXTS | IMAGE_BLOCKS, max_size=2)),
    st.fixed_dictionaries({}, optional={"title": WORDS, "context": WORDS, "citations": st.just({"enabled": True})}),
)
PLAIN = TEXTS | IMAGE_BLOCKS | DOCUMENTS | st.just(FOUND)
ANSWERS = st.lists(
    TEXTS
    | st.builds(lambda words: {"type": "thinking", "thinking": words, "signature": words}, WORDS)
    | st.builds(lambda words: {"type": "redacted_thinking", "data": words}, WORDS),
    min_size=1,
    max_size=3,
)


@st.composite
def conversations(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Of the roles in turn, the blocks in the one form that the neutral one has."""
    messages, calls = [], []
    for number in range(draw(st.integers(0, 3))):
        messages.append(user(*draw(results(calls)), *draw(st.lists(PLAIN, min_size=1, max_size=3))))
        inputs = draw(st.lists(st.dictionaries(WORDS, JSON, max_size=2), max_size=2))
        calls = [use(f"t{number}_{place}", input=given) for place, given in enumerate(inputs)]
        messages.append(assistant(*draw(ANSWERS), *calls))
    return [*messages, user(*draw(results(calls)), *draw(st.lists(PLAIN, min_size=1, max_size=3)))]


def results(calls: list[dict[str, Any]]) -> st.SearchStrategy[list[dict[str, Any]]]:
    answers = [
        st.builds(
            lambda parts, more, name=call["id"]: result(name, *parts, **more),
            st.lists(PLAIN, max_size=2),
            st.sampled_from([{}, {"is_error": True}]),
        )
        for call in calls
    ]
    return st.tuples(*answers).flatmap(st.permutations).map(list)


def spread(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each block in a message of its own, with a mark."""
    return [
        {
            "role": message["role"],
            "content": [block if "thinking" in block["type"] else block | {"cache_control": MARK}],
        }
        for message in messages
        for block in message["content"]
    ]


@settings(deadline=None, max_examples=100)
@given(conversations())
def test_every_valid_conversation_arrives_block_by_block(messages: list[dict[str, Any]]):
    assert asked(*messages) == messages
    assert asked(*spread(messages)) == messages
    assert all(len([*same]) == 1 for _, same in groupby(message["role"] for message in messages))


# threat 11
@settings(deadline=None, max_examples=50)
@given(conversations(), st.data())
def test_an_unknown_member_anywhere_is_refused(messages: list[dict[str, Any]], data: st.DataObject):
    message = data.draw(st.sampled_from(messages))
    place = data.draw(st.sampled_from([message, *message["content"]]))
    name = data.draw(WORDS.map(lambda words: f"x {words}"))
    error = refused(*json.loads(json.dumps(messages).replace(json.dumps(place), json.dumps(place | {name: 1}), 1)))
    assert error.code == "unknown_parameter"
    assert name in error.param

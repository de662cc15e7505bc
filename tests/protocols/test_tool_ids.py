import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.protocols.tool_ids import ToolIds

LEGAL = re.compile(r"[a-zA-Z0-9_-]+")
IDS = st.text(max_size=6) | st.from_regex(LEGAL, fullmatch=True) | st.sampled_from(["call_0", "call_1"])


@pytest.mark.parametrize("given_id", ["toolu_01A", "call_abc", "-", "x" * 200])
def test_a_legal_id_is_kept(given_id: str):
    assert ToolIds().to_upstream(given_id) == given_id


@pytest.mark.parametrize("given_id", ["", " ", "call:1", "functions.f:0", "é", "call_1\n"])
def test_another_id_becomes_a_legal_one_always_the_same(given_id: str):
    found = ToolIds().to_upstream(given_id)
    assert LEGAL.fullmatch(found)
    assert ToolIds().to_upstream(given_id) == found


def test_an_id_that_comes_again_is_another_call():
    ids = ToolIds()
    assert len({ids.to_upstream("call_0") for _ in range(3)}) == 3


@settings(deadline=None)
@given(st.lists(IDS, max_size=8), st.lists(IDS, max_size=3))
def test_ids_are_legal_unique_and_stay_when_the_conversation_goes_on(given_ids: list[str], more: list[str]):
    ids, longer = ToolIds(), ToolIds()
    found = [ids.to_upstream(one) for one in given_ids]
    assert all(LEGAL.fullmatch(one) for one in found)
    assert len(set(found)) == len(found)
    assert [longer.to_upstream(one) for one in [*given_ids, *more]][: len(found)] == found


def test_the_same_id_again_and_again_takes_no_time():  # threat 67
    ids, begun = ToolIds(), time.process_time()
    assert len({ids.to_upstream("call_0") for _ in range(20_000)}) == 20_000
    assert time.process_time() - begun < 2

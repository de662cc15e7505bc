import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.protocols.responses_thoughts import from_encrypted, to_encrypted


@settings(deadline=None)
@given(st.text(), st.text(min_size=1))
def test_a_thought_comes_back_as_it_was(thinking: str, signature: str):
    for block in (
        {"type": "thinking", "thinking": thinking, "signature": signature},
        {"type": "redacted_thinking", "data": signature},
    ):
        assert from_encrypted(to_encrypted(block)) == block


@pytest.mark.parametrize(
    "foreign",
    [
        None,
        "",
        "gAAAAABo",
        "é",
        *(
            base64.b64encode(data).decode()
            for data in (
                b"",
                b"\xff",
                b"5",
                b"{}",
                b'{"type":"text","text":"a"}',
                b'{"type":"thinking","thinking":"a"}',
                b'{"type":"thinking","thinking":"a","signature":""}',
                b'{"type":"redacted_thinking","data":""}',
                b'{"type":"thinking","thinking":"a","signature":5}',
                b'{"type":"thinking","thinking":"a","signature":"b","cache_control":{}}',
                b'{"type":"thinking","thinking":"\\ud800","signature":"b"}',
                b"[" * 100_000,
            )
        ),
    ],
)
def test_what_is_not_ours_is_passed_over(foreign: str | None):
    assert from_encrypted(foreign) is None


@settings(deadline=None)
@given(st.text())
def test_nothing_that_is_sent_makes_it_fail(text: str):
    from_encrypted(text)

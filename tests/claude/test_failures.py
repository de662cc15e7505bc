from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.claude.failures import SIGN_IN_HINT, failure, without_hint
from app.errors import (
    ContextTooLong,
    InvalidRequest,
    NotSignedIn,
    Overloaded,
    PosternError,
    RateLimited,
    TooLarge,
    UnknownModel,
    UpstreamError,
    UpstreamFailed,
)

NOBODY = f"The gateway is not signed in to Claude. {SIGN_IN_HINT}"
REFUSED = f"Anthropic refused the gateway's login to Claude. {SIGN_IN_HINT}"
NO_ROOM = "input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000"
TOO_WIDE = "messages.0.content.1.image.source.base64: image exceeds the maximum allowed size"
TOO_LONG = "prompt is too long: 1000001 tokens > 1000000 maximum"


# threat 19
@pytest.mark.parametrize(
    ("status", "text", "kind", "said"),
    [
        (400, "API Error: 400 temperature: must be 1", InvalidRequest, "temperature: must be 1"),
        (400, "", InvalidRequest, "Claude refused the request."),
        (400, f"API Error: 400 {TOO_LONG}", ContextTooLong, f"The conversation is too long for this model: {TOO_LONG}"),
        (400, "Prompt is too long", ContextTooLong, "The conversation is too long for this model: Prompt is too long"),
        (
            400,
            f"API Error: 400 {NO_ROOM}",
            ContextTooLong,
            f"The conversation is too long for this model: {NO_ROOM}",
        ),
        (400, f"API Error: 400 {TOO_WIDE}", InvalidRequest, TOO_WIDE),
        (400, "n exceeds the maximum of 5", InvalidRequest, "n exceeds the maximum of 5"),
        (401, "API Error: 401 invalid x-api-key", NotSignedIn, REFUSED),
        (403, "API Error: 403 OAuth token has been revoked", NotSignedIn, REFUSED),
        (404, "API Error: 404 model: claude-x", UnknownModel, "model: claude-x"),
        (404, "", UnknownModel, "The model does not exist upstream."),
        (413, "API Error: 413 Request too large", TooLarge, "Request too large"),
        (413, "", TooLarge, "The request is too large for the model."),
        (429, "API Error: 429 slow down", RateLimited, "Claude's rate limit is reached. Try again later."),
        (500, "API Error: 500 oh no", UpstreamFailed, "Claude answered with an error (status 500)."),
        (502, "API Error: 502", UpstreamFailed, "Claude answered with an error (status 502)."),
        (503, "API Error: 503", Overloaded, "Claude is overloaded. Try again later."),
        (529, "API Error: 529 Overloaded", Overloaded, "Claude is overloaded. Try again later."),
        (418, "", UpstreamFailed, "Claude answered with an error (status 418)."),
        # No status: what the words tell.
        (None, "Not logged in · Please run /login", NotSignedIn, NOBODY),
        (None, "Please run /login · API Error: 401 revoked", NotSignedIn, REFUSED),
        (None, "Invalid API key · Fix external API key", NotSignedIn, REFUSED),
        (None, "OAuth token has expired", NotSignedIn, REFUSED),
        (None, "API Error: Overloaded", Overloaded, "Claude is overloaded. Try again later."),
        (None, "API Error: Connection error.", UpstreamFailed, "Claude could not answer: Connection error."),
        (None, "", UpstreamFailed, "Claude could not answer: the connection failed again and again."),
    ],
)
def test_status_and_words_become_one_error_of_ours(status: int | None, text: str, kind: type[PosternError], said: str):
    error = failure(status, text)
    assert type(error) is kind
    assert str(error) == said
    assert f"{text or 'no more said'}" in error.detail


@pytest.mark.parametrize(
    ("status", "seconds", "told"),
    [
        (429, None, 60),
        (429, 30.2, 31),
        (429, 0.0, 1),
        (429, -500.0, 1),
        (429, 86_400.0, 86_400),
        (503, None, 10),
        (529, None, 10),
        (529, 4.0, 4),
        (401, 30.0, None),
        (400, 30.0, None),
        (500, 30.0, None),
        (None, 30.0, None),
    ],
)
def test_when_to_try_again_is_told_where_waiting_helps(status: int | None, seconds: float | None, told: int | None):
    assert failure(status, "", seconds).retry_after == told


@pytest.mark.parametrize(("status", "param"), [(404, "model"), (429, None), (500, None)])
def test_the_field_at_fault_is_named(status: int, param: str | None):
    assert failure(status, "").param == param
    assert failure(400, TOO_LONG).param == "messages"


def test_where_one_signs_in_nobody_is_sent_there():
    assert "`python -m app.cli login`" in SIGN_IN_HINT
    assert without_hint(failure(401, "")) == "Anthropic refused the gateway's login to Claude."
    assert without_hint(failure(529, "")) == "Claude is overloaded. Try again later."


def test_a_long_text_is_shown_in_part_and_logged_whole():
    error = failure(400, "API Error: 400 " + "x" * 5000)
    assert str(error) == "x" * 600
    assert "x" * 5000 in error.detail


# threat 19: what failed upstream is never the client's mistake, unless upstream says so
@settings(deadline=None, max_examples=100)
@given(st.none() | st.integers(300, 999), st.text(max_size=60), st.none() | st.floats(-1e9, 1e9))
def test_every_failure_is_an_error_with_a_sentence(status: Any, text: str, seconds: float | None):
    error = failure(status, text, seconds)
    assert str(error).strip()
    assert error.code or status == 400
    assert isinstance(error, UpstreamError | NotSignedIn) or status in (400, 404, 413)
    assert error.retry_after is None or error.retry_after >= 1

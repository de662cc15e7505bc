import time

import httpx
import pytest

from tests.sandbox.client import HEADERS, ask, body, deltas, events, marked, post, problem, send, stream, text_of
from tests.support.sandbox import Sandbox


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (418, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (503, "api_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
    ],
)
def test_a_status_comes_with_its_error_type(sandbox: Sandbox, status: int, kind: str):
    assert problem(post(sandbox, body(marked(status=status, message="so be it"))), status, kind) == "so be it"


def test_a_rate_limit_says_when_to_return(sandbox: Sandbox):
    answer = post(sandbox, body(marked(status=429, retry_after=7, unified="seven_day", reset_in=60)))
    assert answer.headers["retry-after"] == "7"
    limits = {name: value for name, value in answer.headers.items() if name.startswith("anthropic-ratelimit-unified")}
    assert limits["anthropic-ratelimit-unified-status"] == "rejected"
    assert limits["anthropic-ratelimit-unified-representative-claim"] == "seven_day"
    assert 50 < int(limits["anthropic-ratelimit-unified-reset"]) - time.time() <= 61


def test_times_counts_the_failures_of_a_key(sandbox: Sandbox):
    given = body(marked(status=529, times=2, key="k", answer="at last"))
    assert [post(sandbox, given).status_code for _ in range(3)] == [529, 529, 200]
    assert text_of(ask(sandbox, marked(status=529, times=2, key="k", answer="still"))) == "still"


def test_delays_are_kept(sandbox: Sandbox):
    began = time.monotonic()
    stream(sandbox, marked(words=5, first_delay=0.1, delta_delay=0.02))
    assert 0.2 <= time.monotonic() - began < 1


def test_an_exact_answer_and_exact_chunks(sandbox: Sandbox):
    exact = "  two\n\n blanks \t and a tail \n"
    assert "".join(deltas(stream(sandbox, marked(answer=exact)))) == exact
    assert deltas(stream(sandbox, marked(chunks=["a", " ", "", "ü🚪"]))) == ["a", " ", "ü🚪"]


def test_words(sandbox: Sandbox):
    assert deltas(stream(sandbox, marked(words=3))) == ["w0", " w1", " w2"]


def test_echo_says_all_blocks_of_the_last_user_message(sandbox: Sandbox):
    blocks = [{"type": "text", "text": "one"}, {"type": "text", "text": marked(echo=True)}]
    assert text_of(ask(sandbox, blocks)) == "one\ngo"


@pytest.mark.parametrize("stop", ["max_tokens", "refusal", "end_turn", "model_context_window_exceeded"])
def test_a_forced_stop_reason(sandbox: Sandbox, stop: str):
    end = stream(sandbox, marked(words=2, stop=stop))[-2]["delta"]
    assert end["stop_reason"] == stop
    assert (end["stop_details"] is not None) is (stop == "refusal")


def test_usage_can_be_overridden(sandbox: Sandbox):
    found = stream(sandbox, marked(usage={"input_tokens": 7, "output_tokens": 9}))
    assert found[0]["message"]["usage"]["input_tokens"] == 7
    assert found[-2]["usage"]["output_tokens"] == 9


def test_an_error_in_mid_stream(sandbox: Sandbox):
    found = stream(sandbox, marked(words=5, error_after=2, error_type="api_error", message="broke"))
    assert len(deltas(found)) == 2
    assert found[-1]["error"] == {"type": "api_error", "message": "broke"}


def test_a_cut_is_no_orderly_end(sandbox: Sandbox):
    with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
        post(sandbox, body(marked(words=5, cut_after=2), stream=True))
    entry = sandbox.requests()[-1]
    assert (entry["outcome"], entry["deltas_sent"]) == ("cut", 2)


def test_a_malformed_event_stands_among_good_ones(sandbox: Sandbox):
    answer = post(sandbox, body(marked(words=5, malformed_after=2), stream=True))
    with pytest.raises(ValueError, match="Unterminated string"):
        list(events(answer.text))
    assert answer.text.count("text_delta") == 5


@pytest.mark.parametrize("name", ["error_after", "cut_after", "malformed_after"])
def test_what_breaks_a_stream_leaves_a_whole_answer_alone(sandbox: Sandbox, name: str):
    assert text_of(ask(sandbox, marked(words=2, **{name: 1}))) == "w0 w1"


def test_silence_follows_the_start(sandbox: Sandbox):
    given = body(marked(words=2, silent=0.3), stream=True)
    with httpx.stream("POST", f"{sandbox.api}/v1/messages", json=given, headers=HEADERS, trust_env=False) as answer:
        arrived = [(chunk, time.monotonic()) for chunk in answer.iter_raw()]
    assert b"message_start" in arrived[0][0]
    assert arrived[1][1] - arrived[0][1] > 0.25
    assert b"ping" not in arrived[0][0]


def test_the_queue_serves_the_requests_that_match_in_order(sandbox: Sandbox):
    sandbox.script(answer="first", match="needle", times=2)
    sandbox.script(answer="second", match="needle")
    answers = [text_of(ask(sandbox, "a needle")) for _ in range(3)]
    assert answers == ["first", "first", "second"]
    assert "sandbox" in text_of(ask(sandbox, "a needle"))


def test_only_the_last_user_message_is_a_script(sandbox: Sandbox):
    history = [("user", marked(status=500)), ("assistant", "yes"), ("user", "thanks")]
    assert ask(sandbox, messages=[{"role": role, "content": text} for role, text in history])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (marked(wrods=3), "unknown key 'wrods'"),
        (marked(words=-1), "'words' must be a count"),
        (marked(words=True), "'words' must be a count"),
        (marked(status=200), "'status' must be a status from 400 to 599"),
        (marked(unified="weekly"), "'unified' must be true or one of"),
        (marked(tool_use=[{"nmae": "x"}]), "'tool_use' must be a list of {name, input}"),
        ("[[sandbox: 3]]", "a JSON object is expected"),
        ("[[sandbox: {]]", "not JSON"),
        ('[[sandbox: {"words": 3}', "']]' is expected"),
    ],
)
def test_a_wrong_script_is_refused_by_name(sandbox: Sandbox, text: str, message: str):
    assert message in problem(post(sandbox, body(text)))


def test_the_admin_endpoint_refuses_the_same(sandbox: Sandbox):
    answer = send(sandbox, "POST", "/sandbox/script", json={"wrods": 1})
    assert "unknown key 'wrods'" in problem(answer)


def test_a_marker_may_hold_brackets(sandbox: Sandbox):
    assert text_of(ask(sandbox, marked(answer="a]] [[sandbox"))) == "a]] [[sandbox"

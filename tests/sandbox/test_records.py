import time
from typing import Any

import pytest

from sandbox import records
from sandbox.records import Records
from tests.sandbox.client import ask, body, connect, marked, outcome, post, request_bytes
from tests.support.sandbox import Sandbox


def test_a_request_is_kept_as_it_came(sandbox: Sandbox):
    before = time.time()
    given = body(marked(words=3), stream=True)
    post(sandbox, given, "/v1/messages?beta=true", **{"X-Custom": "Yes"})
    (entry,) = sandbox.requests()
    assert (entry["method"], entry["path"]) == ("POST", "/v1/messages?beta=true")
    assert entry["body"] == given
    assert entry["headers"]["x-custom"] == "Yes"
    assert entry["host"] == entry["headers"]["host"]
    assert (entry["outcome"], entry["deltas_sent"]) == ("completed", 3)
    assert before <= entry["at"] <= entry["first_delta_at"] <= entry["closed_at"] <= time.time()


def test_since_gives_only_what_is_new(sandbox: Sandbox):
    ask(sandbox, "one")
    n = sandbox.requests()[-1]["n"]
    ask(sandbox, "two")
    (entry,) = sandbox.requests(since=n)
    assert entry["n"] == n + 1
    assert sandbox.messages(since=n) == [entry]


def test_a_refusal_is_kept_as_one(sandbox: Sandbox):
    post(sandbox, {"model": 1})
    assert outcome(sandbox)["outcome"] == "refused"
    assert outcome(sandbox)["body"] == {"model": 1}


def test_what_came_before_stays_readable_when_cleared(sandbox: Sandbox):
    ask(sandbox)
    n = sandbox.requests()[-1]["n"]
    sandbox.clear()
    assert sandbox.requests() == []
    ask(sandbox)
    assert sandbox.requests()[0]["n"] == n + 1


@pytest.mark.parametrize(
    "behaviour",
    [
        {"silent": 20},
        {"words": 9, "first_delay": 20},
        {"words": 900, "delta_delay": 0.02},
        {"words": 70_000},  # more than the sockets between the two can hold
        {"status": 500, "first_delay": 20},
    ],
)
def test_a_client_that_leaves_is_noticed_at_once(sandbox: Sandbox, behaviour: dict[str, Any]):
    with connect(sandbox.api) as client:
        client.sendall(request_bytes(body(marked(**behaviour), stream=True, max_tokens=128_000)))
        time.sleep(0.1)
        assert outcome(sandbox)["outcome"] == "open"
        left = time.time()
    time.sleep(0.15)
    entry = outcome(sandbox)
    assert entry["outcome"] == "client_closed"
    assert entry["closed_at"] - left < 0.1


def test_an_open_request_is_seen(sandbox: Sandbox):
    with connect(sandbox.api) as client:
        client.sendall(request_bytes(body(marked(silent=20), stream=True)))
        received = b""
        while b"message_start" not in received:
            received += client.recv(4096)
        entry = outcome(sandbox)
        assert (entry["outcome"], entry["closed_at"], entry["first_delta_at"]) == ("open", None, None)


def test_the_list_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(records, "MAX_RECORDS", 3)
    kept = Records()
    for n in range(5):
        kept.keep_body(kept.open("POST", f"/{n}", "x", {}), b"12345")
    assert [record.n for record in kept.since(0)] == [3, 4, 5]
    assert kept.body_bytes == 15


def test_large_bodies_push_the_oldest_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(records, "MAX_BODY_BYTES", 10)
    kept = Records()
    for _ in range(3):
        kept.keep_body(kept.open("POST", "/", "x", {}), b"12345")
    assert [record.n for record in kept.since(0)] == [2, 3]

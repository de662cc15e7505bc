"""That the benchmarks run and fill their page. Their figures are no matter of a test: a machine may be busy."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from xml.etree import ElementTree

import httpx
import msgspec
import pytest

from bench import plot, report
from bench.client import Client, Reception
from bench.figures import Bars, Section, at_least, at_most, percentile
from bench.loop import running_loop
from bench.stage import request
from bench.upstream import running_upstream
from tests.support.sandbox import NO_TLS, ROOT

# The others take minutes: `make bench` runs them all.
QUICK = {
    "idle": {"Memory of the gateway, idle": ["started", "after 2 conversations"]},
    "gone": {"Client gone, upstream closed": ["while text flows", "while upstream is silent"]},
    "streams": {
        "2 streams at once": ["warm processes", "the gateway", "a bare gevent server"],
        "What came of them": ["the gateway"],
        "What they cost": ["the gateway", "the CLI"],
    },
    "burst": {"More requests than processes": ["10 at once"]},
}
ROWS = {title: labels for sections in QUICK.values() for title, labels in sections.items()}
FIGURE = re.compile(r"-?\d+(\.\d+)?( ms| us| s|%| MB)?|nan")


def tables(page: str) -> Iterator[tuple[str, list[list[str]]]]:
    """Each section's title, and the rows of its table without the head."""
    for part in page.split("\n## ")[1:]:
        rows = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("|")]
        yield part.splitlines()[0], rows[2:]


@pytest.mark.timeout(300)
def test_a_quick_run_fills_every_row_of_the_page():
    command = [sys.executable, "-m", "bench", "--quick", "--no-check", "--only", *QUICK]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = dict(tables(done.stdout))
    assert list(found) == ["Targets", *ROWS]
    for title, labels in ROWS.items():
        assert [row[0][: len(label)] for row, label in zip(found[title], labels, strict=True)] == labels
        cells = [cell for row in found[title] for cell in row[1:]]
        assert all(map(FIGURE.fullmatch, cells)), found[title]
    targets = {row[0]: row[1:3] for row in found["Targets"]}
    assert targets["2 streams at once: complete, words wrong"] == ["2, 0", "2, 0"]
    assert targets["10 requests at once: answered or refused with Retry-After"] == ["10", "10"]


def test_the_page_says_which_targets_are_missed():
    section = Section("T", "How.", ("way", "time"), [("fast", "1 ms")], notes=["So it is."])
    section.targets = [
        at_most("one", 1.0, 2.0, "ms"),
        at_most("other", 3.0, 2.0, "ms"),
        at_least("rate", 4.0, 5.0, "/s"),
    ]
    page = report.page([("Date", "today")], [section], "plot.svg")
    (_, targets), (_, rows) = tables(page)
    assert targets == [
        ["one", "<= 2 ms", "1 ms", "yes"],
        ["other", "<= 2 ms", "3 ms", "**no**"],
        ["rate", ">= 5 /s", "4 /s", "**no**"],
    ]
    assert rows == [["fast", "1 ms"]]
    assert page.endswith("\nSo it is.\n")


@pytest.mark.parametrize(("count", "at"), [(1, 1), (2, 2), (20, 19), (30, 29), (100, 95)])
def test_p95_is_the_smallest_value_that_95_percent_are_not_above(count: int, at: int):
    assert percentile(95, [float(n) for n in range(count, 0, -1)]) == at


def test_a_delta_is_timed_when_its_event_is_complete():
    reception = Reception(began=1.0)
    reception.pieces = [
        (1.1, b'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\ndata: {"choices":[{"del'),
        (1.2, b'ta":{"content":"a"}}]}\n\n: ping\n'),
        (1.3, b'data: {"choices":[{"delta":{"content":"b"}}]}\n\ndata: {"choices":[]}\n\ndata: [DONE]\n\n'),
    ]
    assert list(reception.deltas()) == [(1.2, "a"), (1.3, "b")]
    assert reception.first_token == pytest.approx(0.2)
    assert reception.whole


def test_the_bare_server_sends_each_delta_at_its_time_and_tells_it():
    with running_loop() as loop, Client(loop) as client:
        for _ in range(2):  # on one connection
            began = time.monotonic()
            reception = client.ask(request(words=5, delta_delay=0.02))
            words = reception.text.split(" ")
            sent = [int(word.partition("@")[2]) / 1e9 - began for word in words]
            assert reception.whole
            assert [word.partition("@")[0] for word in words] == ["w0", "w1", "w2", "w3", "w4"]
            assert all(at >= 0.02 * (number + 1) for number, at in enumerate(sent))
            assert sent == sorted(sent)


def test_the_sandbox_tells_in_a_delta_when_it_was_sent_if_asked_to():
    with running_upstream() as upstream:
        began = time.monotonic_ns()
        told, untold = (_texts(upstream.api, send_times) for send_times in (True, False))
    assert untold == ["w0", " w1"]
    words, times = zip(*(text.split("@") for text in told), strict=True)
    assert words == ("w0", " w1")
    assert began < int(times[0]) < int(times[1]) < time.monotonic_ns()


def _texts(api: str, send_times: bool) -> list[str]:
    question = msgspec.json.decode(request(words=2, send_times=send_times))["messages"]
    body = {"model": "claude-sonnet-5", "max_tokens": 100, "stream": True, "messages": question}
    headers = {"x-api-key": "sk-ant-api03-sandbox", "anthropic-version": "2023-06-01"}
    answer = httpx.post(f"{api}/v1/messages", json=body, headers=headers, verify=NO_TLS, trust_env=False)
    return re.findall(r'"text_delta","text":"([^"]*)"', answer.raise_for_status().text)


def test_the_plot_is_an_svg_with_a_bar_and_a_label_for_each_value():
    panels = [
        Bars("Time", "ms", {"a <b>": 283.4, "ours": 56.78}, frozenset({"ours"})),
        Bars("Rate", "/s", {"c": 4.567}, frozenset()),
    ]
    root = ElementTree.fromstring(plot.picture(panels))  # noqa: S314  # our own
    name = "{http://www.w3.org/2000/svg}"
    texts = [text.text for text in root.iter(f"{name}text")]
    assert texts[:-1] == ["Time (ms)", "a <b>", "283", "ours", "56.8", "Rate (/s)", "c", "4.57"]
    bars = [rect for rect in root.iter(f"{name}rect") if rect.get("class") != "ground"]
    assert [bar.get("class") for bar in bars] == ["bar", "bar ours", "bar"]
    assert float(bars[0].get("width", 0)) / float(bars[1].get("width", 0)) == pytest.approx(283.4 / 56.78, rel=0.01)

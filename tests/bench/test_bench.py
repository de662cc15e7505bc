"""That the benchmarks run and fill their page. Their figures are no matter of a test: a machine may be busy."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import report
from bench.client import Reception
from bench.figures import Section, at_most, p95
from tests.support.sandbox import ROOT

ROWS = {
    "Time to first token": ["(a) ", "(b) ", "(c) ", "(d) "],
    "Sustained load": ["the gateway, 2 clients", "`claude -p`, 2 at a time"],
    "Client gone, upstream closed": ["while text flows", "while upstream is silent"],
    "CPU per streamed delta": [f"{n} {pace}" for n in (1, 2) for pace in ("at 20 ", "at 100 ", "as fast ")],
    "Streams at once": ["2 at once", "4 at once"],
}
FIGURE = re.compile(r"\d+(\.\d+)?( ms| us| s|%)?")


def tables(page: str) -> Iterator[tuple[str, list[list[str]]]]:
    """Each section's title, and the rows of its table without the head."""
    for part in page.split("\n## ")[1:]:
        rows = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("|")]
        yield part.splitlines()[0], rows[2:]


@pytest.mark.timeout(300)
def test_a_quick_run_fills_every_row_of_the_page(tmp_path: Path):
    output = tmp_path / "page.md"
    command = [sys.executable, "-m", "bench", "--quick", "--no-check", "--output", str(output)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = output.read_text("utf-8")
    assert page == done.stdout.removesuffix("\n")
    found = dict(tables(page))
    assert set(found) == {"Targets", *ROWS}
    for title, labels in ROWS.items():
        assert [row[0][: len(label)] for row, label in zip(found[title], labels, strict=True)] == labels
        assert all(FIGURE.fullmatch(cell) for row in found[title] for cell in row[1:]), found[title]
    assert [row[1:3] for row in found["Targets"] if "words wrong" in row[0]] == [["2, 0", "2, 0"], ["4, 0", "4, 0"]]
    assert len(found["Targets"]) == 6


def test_the_page_says_which_targets_are_missed():
    section = Section("T", "How.", ("way", "time"), [("fast", "1 ms")])
    section.targets = [at_most("one", 1.0, 2.0, "ms"), at_most("other", 3.0, 2.0, "ms")]
    (_, targets), (_, rows) = tables(report.page([("Date", "today")], [section]))
    assert targets == [["one", "<= 2 ms", "1 ms", "yes"], ["other", "<= 2 ms", "3 ms", "**no**"]]
    assert rows == [["fast", "1 ms"]]


@pytest.mark.parametrize(("count", "at"), [(1, 1), (2, 2), (20, 19), (30, 29), (100, 95)])
def test_p95_is_the_smallest_value_that_95_percent_are_not_above(count: int, at: int):
    assert p95([float(n) for n in range(count, 0, -1)]) == at


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

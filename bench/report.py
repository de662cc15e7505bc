"""The page and what it says of the machine."""

import datetime
import os
import platform
import re
import subprocess
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from bench.figures import Section
from bench.stage import Stage
from tests.support.sandbox import ROOT

_MEASURED = ("app", "bench", "config", "sandbox", "wsgi.py")


def about(stage: Stage, options: str) -> list[tuple[str, str]]:
    """Taken at the start of a run."""
    return [
        ("Date", datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("Machine", f"{os.cpu_count()} cores, {_cpu_model()}, {_memory()}, {platform.system()} {_kernel()}"),
        ("Load of the machine before the run", load()),
        ("Postern", _commit()),
        ("claude CLI", ".".join(map(str, stage.version))),
        ("Python", platform.python_version()),
        ("gunicorn, gevent", f"{metadata.version('gunicorn')}, {metadata.version('gevent')}"),
        ("Command", f"`python -m bench{options}`"),
    ]


def load() -> str:
    return f"{os.getloadavg()[0]:.2f}"


def page(facts: Sequence[tuple[str, str]], sections: Sequence[Section], picture: str) -> str:
    return "\n".join(_page(facts, sections, picture)) + "\n"


def _page(facts: Sequence[tuple[str, str]], sections: Sequence[Section], picture: str) -> Iterator[str]:
    yield "# Benchmarks"
    yield ""
    yield (
        "Written by `make bench`: one run on one machine, the real CLI against the sandbox, which answers at once. "
        "What Anthropic's model takes comes on top, for every way alike. Compare ratios; times are this machine's."
    )
    yield ""
    yield from _table(("", "this run"), facts)
    targets = [target for section in sections for target in section.targets]
    yield "\n## Targets\n"
    verdicts = [(t.what, t.wanted, t.measured, "yes" if t.met else "**no**") for t in targets]
    yield from _table(("figure", "target", "measured", "met"), verdicts)
    yield f"\n![The main figures as bars; they stand in the tables below]({picture})"
    for section in sections:
        yield f"\n## {section.title}\n"
        yield f"{section.how}\n"
        yield from _table(section.columns, section.rows)
        for note in section.notes:
            yield f"\n{note}"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield _row(columns)
    yield _row(["---"] * len(columns))
    yield from map(_row, rows)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cpu_model() -> str:
    found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _memory() -> str:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{total / 2**30:.0f} GiB"


def _kernel() -> str:
    return ".".join(platform.release().split(".")[:2])


def _commit() -> str:
    try:
        commit = _git("rev-parse", "--short", "HEAD")
        changed = _git("status", "--porcelain", "--", *_MEASURED)
    except (OSError, subprocess.CalledProcessError):
        return "commit unknown"
    return f"commit {commit}{', with changes that are not committed' if changed else ''}"


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["/usr/bin/env", "git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()

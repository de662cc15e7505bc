"""A process that has answered, on its way to the next question or to its end."""

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.claude import worker as module
from app.protocols.prompt import Prompt
from tests.claude.misbehaving import GONE_SECONDS, group, worker
from tests.support.processes import wait_until
from tests.support.stub_claude import prompt


def asking(action: str, *, at: str) -> dict[str, object]:
    content = [{"type": "text", "text": prompt(action, at=at)}]
    return {"type": "user", "message": {"role": "user", "content": content}}


def test_a_process_whose_turn_does_not_end_with_its_answer_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_SETTLE_SECONDS", 0.3)  # threat 17
    with worker(tmp_path) as asked:
        asked.write([asking("hang", at="end")])
        asked.settle()
        assert not asked.await_settled(0.05)
        assert asked.await_settled(GONE_SECONDS)
        wait_until(lambda: not asked.usable and not group(asked.pid), GONE_SECONDS, "it is gone")


def told(lines: list[dict[str, Any]]) -> list[dict[str, str]]:
    """The settings among these lines: JSON texts by their names."""
    env = [line["request"]["settings"]["env"] for line in lines]
    return [{name: getattr(value, "value", value) for name, value in each.items()} for each in env]


def test_a_process_is_given_no_setting_that_it_has(tmp_path: Path):
    """Each costs the real CLI milliseconds: measured, docs/claude-cli.md."""
    body, further = "CLAUDE_CODE_EXTRA_BODY", "CLAUDE_CODE_BLOCKING_LIMIT_OVERRIDE"
    nothing = Prompt([], [{"role": "user", "content": [{"type": "text", "text": "?"}]}])
    plain, other = (replace(nothing, parameters={"max_tokens": most}) for most in (5, 6))
    usual = {"thinking": {"type": "disabled"}}
    with worker(tmp_path) as asked:
        assert told(asked.configure(nothing)) == []
        assert told(asked.configure(plain)) == [{body: usual | {"max_tokens": 5}}]
        assert told(asked.reconfigure(plain)) == []
        assert told(asked.reconfigure(other)) == [{body: usual | {"max_tokens": 6}}]
        asked.forbid_further_requests()
        assert told(asked.reconfigure(other)) == [{body: usual | {"max_tokens": 6}, further: ""}]
        assert told(asked.reconfigure(other)) == []
        asked.forbid_further_requests()
        asked.settle()
        assert asked.await_settled(GONE_SECONDS)
        assert told(asked.reconfigure(nothing)) == [{body: usual}]
        for schema in ({"a": 1, "b": True}, {"b": True, "a": 1}, {"b": 1, "a": 1}, {"b": 1.0, "a": 1}):
            asking = replace(nothing, parameters={"metadata": schema})
            assert len(asked.reconfigure(asking)) == 1
            assert asked.reconfigure(asking) == []


def test_one_that_waits_for_results_is_not_asked_to_end(tmp_path: Path):
    """The real CLI ends its turn first, which waits for them: measured, docs/claude-cli.md."""
    with worker(tmp_path) as waiting:
        waiting.write([asking("ignore SIGTERM and hang", at="middle")])
        while not waiting.read(5):
            pass
        time.sleep(0.5)
        waiting.terminate()
        time.sleep(0.2)
        assert group(waiting.pid), "it was asked only"
        waiting.waits_for_results = True
        waiting.terminate()
        wait_until(lambda: not group(waiting.pid), GONE_SECONDS, "it is gone")


def test_what_processes_that_ended_soon_have_left_is_swept(tmp_path: Path):
    with worker(tmp_path) as ended:
        shared = tmp_path / "tmp" / f"claude-{os.getuid()}"
        for name, age in (("fswatch-probe-old", 100), ("fswatch-probe-new", 0), ("other", 100)):
            (shared / name).mkdir(parents=True)
            os.utime(shared / name, (time.time() - age,) * 2)
        assert ended.usable
    assert {path.name for path in shared.iterdir()} == {"fswatch-probe-new", "other"}

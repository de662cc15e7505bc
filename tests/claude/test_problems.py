"""The table of what can be wrong, and the page that shows it."""

import re
import string
from pathlib import Path

import pytest

from app.claude.problems import PROBLEMS, RESTORE, Entry, problem
from tests.support.sandbox import ROOT

FACTS = {
    "kind": "nfs4",
    "point": "/mnt",
    "owner": "0:0",
    "mode": "0755",
    "uid": "10001",
    "gid": "10001",
    "free": "1.0 MB",
    "inodes": "5",
    "error": "Input/output error",
    "days": "7 days",
}
PATH = Path("/var/lib/claude-auth")


def section(code: str, entry: Entry) -> str:
    """A problem as the page shows it."""
    fixes = (
        [("", entry.fix)]
        if not entry.container
        else [("# on a plain host\n", entry.fix), ("# in a container\n", entry.container)]
    )
    block = "\n".join(comment + fix for comment, fix in fixes if fix)
    return f"### `{code}` ({entry.severity})\n{entry.message}\n```\n{block}\n```\n"


def test_the_page_shows_each_problem_with_its_sentence_and_fix():
    page = (ROOT / "docs" / "volume.md").read_text()
    shown = re.findall(r"^### .*?(?=^##|\Z)", page, re.MULTILINE | re.DOTALL)
    assert [text.strip() for text in shown] == [section(code, entry).strip() for code, entry in PROBLEMS.items()]


@pytest.mark.parametrize("code", PROBLEMS)
@pytest.mark.parametrize("container", [False, True])
def test_a_problem_is_a_sentence_and_has_a_fix(code: str, container: bool):
    told = problem(code, PATH, FACTS, container=container)
    assert not re.search(r"[{}]", told.message + told.fix)
    assert told.message == "Input/output error" or told.message.endswith(".")
    assert told.fix or code in ("container_layer", "anonymous_volume", "pod_folder")
    if container:
        assert told.fix
        assert "sudo" not in told.fix or code == "failing_disk"


@pytest.mark.parametrize("code", PROBLEMS)
def test_a_command_of_several_parts_is_not_torn_apart_by_the_container(code: str):
    entry = PROBLEMS[code]
    assert entry.container or not re.search(r"&&|;|\||\$|sudo", entry.fix)


def test_the_templates_use_only_what_is_filled_in():
    used = {
        name
        for entry in PROBLEMS.values()
        for template in (entry.message, entry.fix, entry.container)
        for _, name, _, _ in string.Formatter().parse(template)
        if name
    }
    assert used == FACTS.keys() | {"path", "name", "python"}


def test_what_can_be_restored_is_signed_in_anew_without_a_copy():
    restorable = {code for code, entry in PROBLEMS.items() if entry.fix == RESTORE}
    assert restorable == {"login_gone", "login_empty", "login_truncated", "login_damaged", "login_blank"}
    for code in restorable:
        assert problem(code, PATH, FACTS, container=False).fix == ".venv/bin/python -m app.cli login"
        restored = problem(code, PATH, FACTS, container=False, restorable=True)
        assert restored.fix == ".venv/bin/python -m app.cli login --restore"

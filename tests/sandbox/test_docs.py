import re

from sandbox.__main__ import options_from
from sandbox.admin import ACTIONS, CHANGES
from sandbox.scripts import CHECKS, FAILURES
from tests.support.sandbox import ROOT

TEXT = (ROOT / "docs/sandbox.md").read_text("utf-8")


def table(heading: str) -> list[str]:
    part = TEXT.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^\| `([^`]+)` \|", part, re.MULTILINE)


def test_every_key_of_a_script_is_in_the_table():
    assert sorted(table("Script an answer")) == sorted(CHECKS)
    assert set(FAILURES) < set(CHECKS)


def test_every_key_of_the_state_is_in_the_table():
    assert sorted(table("Turn the account")) == sorted((*CHANGES, *ACTIONS))


def test_every_option_is_in_the_table():
    names = [f"--{name.replace('_', '-')}" for name in vars(options_from([]))]
    assert sorted(table("Start")) == sorted(names)

"""Screens of the real CLI (its version is in the name), and variations of them. What is expected stands beside each."""

import json
import re
from pathlib import Path
from typing import Any

import pexpect
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.claude import login_screen
from app.claude.command import Installation, sign_in_environment
from app.claude.login_link import genuine
from tests.support.cli import VERSIONS, claude_binary
from tests.support.sandbox import Sandbox

SCREENS = Path(__file__).parent / "screens"
CASES = sorted(folder.name for folder in SCREENS.iterdir())
TYPED = "THE-CODE-0123456789#THE-STATE-0123456789"
# What differs from one sign-in to the next.
RANDOM = re.compile(r"[A-Za-z0-9_-]{43}")


def screen(case: str) -> str:
    return (SCREENS / case / "screen").read_bytes().decode()


def expected(case: str) -> dict[str, Any]:
    return json.loads((SCREENS / case / "expected.json").read_text())


@pytest.mark.parametrize("case", CASES)
def test_the_first_genuine_link_of_a_screen_is_found_by_its_shape(case: str):  # threats 30, 31
    links = login_screen.links(screen(case), expected(case)["columns"])
    found = next((link for link in map(genuine, links) if link), None)
    assert (found and found.url, found and found.state) == (expected(case)["link"], expected(case)["state"])


@pytest.mark.parametrize("case", [case for case in CASES if "said" in expected(case)])
def test_what_the_cli_says_becomes_one_plain_line(case: str):  # threats 31, 32
    said = login_screen.words(screen(case), TYPED, "garbage")
    assert said == expected(case)["said"]
    assert login_screen.asks_again(screen(case)) == expected(case)["asks_again"]
    assert login_screen.is_unreachable(said) == expected(case)["unreachable"]


@pytest.mark.parametrize("case", [case for case in CASES if expected(case)["link"]])
def test_a_link_that_is_there_in_part_is_never_taken_for_the_whole(case: str):  # threat 30
    whole, columns = screen(case), expected(case)["columns"]
    for length in range(len(whole)):
        found = [link for link in map(genuine, login_screen.links(whole[:length], columns)) if link]
        assert {link.url for link in found} <= {expected(case)["link"]}


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet=st.sampled_from("\x1b]8;\x07\\[[0mP\x9b\r\n\u202e\x00ab<sk-ant-oat01-x #"), max_size=400))
def test_no_control_character_is_left_in_words(text: str):  # threat 31
    said = login_screen.words(text)
    assert said.isprintable()
    assert len(said) <= login_screen.LONGEST_SAID
    assert "sk-ant-oat01-x" not in said


def test_a_secret_is_not_repeated():  # threat 32
    said = login_screen.words("Login failed: CODE-12345678 sk-ant-api03-abc\r\nTry again\r\n", "CODE-12345678")
    assert said == "Try again"


@pytest.mark.parametrize("method", ["claudeai", "console", "sso"])
@pytest.mark.parametrize("version", VERSIONS)
def test_the_real_screen_is_the_recorded_one(sandbox: Sandbox, tmp_path: Path, version: str, method: str):
    network = {"HTTPS_PROXY": sandbox.proxy, "NODE_EXTRA_CA_CERTS": sandbox.ca}
    binary = claude_binary(version)
    own = {"CLAUDE_CONFIG_DIR": str(tmp_path), "CLAUDE_SECURESTORAGE_CONFIG_DIR": str(tmp_path)}
    env = sign_in_environment(Installation(binary, *[tmp_path] * 4, passed=network)) | own
    terminal = pexpect.spawn(
        str(binary),
        ["auth", "login", f"--{method}"],
        env=env,
        cwd=tmp_path,
        dimensions=(50, 4000),
        encoding="utf-8",
        timeout=20,
        echo=False,
    )
    terminal.expect("prompted > ")
    shown = terminal.before + terminal.after
    terminal.close(force=True)
    assert RANDOM.sub("_", shown) == RANDOM.sub("_", screen(f"{version}-{method}"))

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.claude.command import HARDENING, PASSED_THROUGH, Installation, command_line, environment

OURS = {"CLAUDE_CONFIG_DIR", "CLAUDE_SECURESTORAGE_CONFIG_DIR", "HOME", "LANG", "PATH", "TMPDIR"}


def installation(**passed: str) -> Installation:
    names = ("binary", "config_dir", "home", "empty_dir", "temp_dir")
    return Installation(*(Path("/srv") / name for name in names), passed=passed)


# threat 8
@settings(deadline=None, max_examples=100)
@given(
    st.dictionaries(
        st.sampled_from(sorted(PASSED_THROUGH | HARDENING.keys() | OURS))
        | st.sampled_from(["GATEWAY_MASTER_KEY", "LITELLM_MASTER_KEY", "LD_PRELOAD", "NODE_OPTIONS", "REDIS_URL"])
        | st.text(max_size=20),
        st.text(max_size=20),
    )
)
def test_the_environment_is_built_from_the_list_alone(passed: dict[str, str]):
    env = environment(installation(**passed))
    assert env.keys() <= PASSED_THROUGH | HARDENING.keys() | OURS
    assert {name: env[name] for name in HARDENING} == HARDENING
    assert {name: env[name] for name in env.keys() & PASSED_THROUGH} == {
        name: value for name, value in passed.items() if name in PASSED_THROUGH
    }
    assert {name: env[name] for name in OURS} == {name: environment(installation())[name] for name in OURS}


def test_what_is_passed_and_what_is_set_are_different_names():
    assert not PASSED_THROUGH & (HARDENING.keys() | OURS)


# threat 8
@pytest.mark.parametrize(
    "word", ["GATEWAY", "LITELLM", "MASTER", "REDIS", "SECRET_KEY", "PASSWORD", "NODE_OPTIONS", "LD_"]
)
def test_nothing_of_the_gateways_own_is_on_the_list(word: str):
    assert [name for name in PASSED_THROUGH if word in name] == []


# threats 1, 5, 10, 25: without one of these, tests with the real CLI fail
@pytest.mark.parametrize(
    "name",
    [
        "CLAUDE_CODE_DISABLE_ATTACHMENTS",
        "CLAUDE_CODE_DISABLE_CLAUDE_MDS",
        "CLAUDE_CODE_SKIP_PROMPT_HISTORY",
        "DISABLE_AUTOUPDATER",
    ],
)
def test_the_hardening_is_in_every_environment(name: str):
    assert environment(installation())[name] == "1"


def test_processes_live_in_the_folders_of_the_installation():
    env = environment(installation())
    assert {name: env[name] for name in ("HOME", "CLAUDE_CONFIG_DIR", "TMPDIR")} == {
        "HOME": "/srv/home",
        "CLAUDE_CONFIG_DIR": "/srv/home/config",
        "TMPDIR": "/srv/temp_dir",
    }


# threat 3
def test_the_command_line_is_flags_and_the_models_name():
    binary, *flags = command_line(installation(), "sonnet")
    assert binary == "/srv/binary"
    assert all(flag.startswith("--") for flag in flags)
    assert [flag for flag in flags if "sonnet" in flag] == ["--model=sonnet"]
    assert command_line(installation(), "opus") == [binary, *(flag.replace("sonnet", "opus") for flag in flags)]


# threats 5, 7, 10
@pytest.mark.parametrize(
    "flag",
    [
        "--tools=",
        "--setting-sources=",
        "--strict-mcp-config",
        "--no-session-persistence",
        "--disable-slash-commands",
        "--permission-mode=dontAsk",
    ],
)
@pytest.mark.parametrize("passed", [{}, {"ANTHROPIC_API_KEY": "x"}], ids=["login", "key"])
def test_the_hardened_flags_are_always_there(flag: str, passed: dict[str, str]):
    assert flag in command_line(installation(**passed), "sonnet")


# threat 32
def test_no_credential_stands_on_the_command_line():
    secrets = {name: f"secret-{number}" for number, name in enumerate(sorted(PASSED_THROUGH))}
    assert "secret" not in " ".join(command_line(installation(**secrets), "sonnet"))


@pytest.mark.parametrize(
    ("passed", "bare"),
    [
        ({}, False),
        ({"ANTHROPIC_API_KEY": "x"}, True),
        ({"ANTHROPIC_AUTH_TOKEN": "x"}, False),
        ({"CLAUDE_CODE_OAUTH_TOKEN": "x"}, False),
        ({"CLAUDE_CODE_USE_BEDROCK": "1"}, False),
        ({"ANTHROPIC_API_KEY": "x", "CLAUDE_CODE_USE_BEDROCK": "1"}, True),
    ],
)
def test_bare_goes_with_an_api_key_only(passed: dict[str, str], bare: bool):
    assert installation(**passed).bare is bare
    assert ("--bare" in command_line(installation(**passed), "sonnet")) is bare

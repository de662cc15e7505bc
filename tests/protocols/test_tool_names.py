import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.protocols.tool_names import ToolNames

LEGAL = re.compile(r"(?![A-Z][a-zA-Z]*\Z)[a-zA-Z0-9_-]{1,64}")
NAMES = st.sets(st.text(max_size=70) | st.from_regex(LEGAL, fullmatch=True), max_size=8)


@pytest.mark.parametrize("name", ["get_weather", "a", "-", "A-b_9", "x" * 64, "Get_Weather", "mcp__files__read"])
def test_a_legal_name_is_kept(name: str):
    names = ToolNames([name, "other.tool"])
    assert (names.to_upstream(name), names.from_upstream(name)) == (name, name)


@pytest.mark.parametrize(
    ("name", "beginning"),
    [
        ("files.read", "files_read_"),
        ("files:read:all", "files_read_all_"),
        ("x" * 65, "x" * 48 + "_"),
        ("größe", "gr_e_"),
        ("", "tool_"),
        ("工具", "tool_"),
        ("a b\n", "a_b_"),
        ("..", "tool_"),
        ("Bash", "Bash_"),
        ("NotebookEdit", "NotebookEdit_"),
        ("get_weather\n", "get_weather_"),
    ],
)
def test_another_name_stays_readable(name: str, beginning: str):
    names = ToolNames([name])
    upstream = names.to_upstream(name)
    assert upstream.startswith(beginning)
    assert LEGAL.fullmatch(upstream)
    assert names.from_upstream(upstream) == name


def test_names_that_look_alike_are_kept_apart():
    given_names = ["a.b", "a:b", "a/b", "a_b", "a b"]
    names = ToolNames(given_names)
    assert len({names.to_upstream(name) for name in given_names}) == len(given_names)


def test_a_name_that_another_would_be_mapped_to_is_kept_apart():
    (mapped,) = {ToolNames(["a.b"]).to_upstream("a.b")}
    names = ToolNames(["a.b", mapped])
    assert names.to_upstream(mapped) == mapped
    assert names.to_upstream("a.b") != mapped
    assert names.from_upstream(names.to_upstream("a.b")) == "a.b"


def test_what_the_model_made_up_comes_back_as_it_is():
    assert ToolNames(["a.b"]).from_upstream("WebSearch") == "WebSearch"


@settings(deadline=None)
@given(NAMES, st.randoms())
def test_the_mapping_is_legal_injective_and_can_be_undone(given_names: set[str], random):
    names = ToolNames(given_names)
    upstream = {name: names.to_upstream(name) for name in given_names}
    assert all(LEGAL.fullmatch(name) for name in upstream.values())
    assert len(set(upstream.values())) == len(given_names)
    assert all(names.from_upstream(mapped) == name for name, mapped in upstream.items())
    shuffled = sorted(given_names)
    random.shuffle(shuffled)
    again = ToolNames([*shuffled, *shuffled])
    assert {name: again.to_upstream(name) for name in given_names} == upstream


@settings(deadline=None)
@given(NAMES, st.text(max_size=70))
def test_a_name_that_was_not_given_becomes_a_legal_one_of_its_own(given_names: set[str], other: str):
    names = ToolNames(given_names - {other})
    upstream = names.to_upstream(other)
    assert LEGAL.fullmatch(upstream)
    assert upstream not in {names.to_upstream(name) for name in given_names - {other}}

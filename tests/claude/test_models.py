import tomllib
from pathlib import Path

import pytest

from app.claude.models import Catalogue, Model, read_catalogue
from app.errors import SettingsError, UnknownModel
from app.settings import CONFIG_DIR

SHIPPED = read_catalogue(CONFIG_DIR / "models.toml")
SONNET = Model("sonnet", 200_000, aliases=("claude-sonnet",))


@pytest.fixture
def file(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "models.toml"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize(
    ("name", "cli"),
    [
        ("sonnet", "sonnet"),
        ("opus", "opus"),
        ("haiku", "haiku"),
        ("default", "default"),
        ("claude-sonnet-5-5", "claude-sonnet-5-5"),
        ("claude-sonnet", "sonnet"),
        ("claude-3-5-haiku-20240307", "haiku"),
    ],
)
def test_promised_names_and_old_ones_are_known(name: str, cli: str):
    assert SHIPPED.find(name).cli == cli


def test_no_name_is_given_twice():
    entries = tomllib.loads((CONFIG_DIR / "models.toml").read_text("utf-8"))
    names = [*entries, *(alias for entry in entries.values() for alias in entry.get("aliases", []))]
    assert sorted(names) == sorted({name for name, _ in SHIPPED})


def test_every_shipped_model_has_a_context_window_of_a_plausible_size():
    assert all(100_000 <= model.context_window <= 2_000_000 for _, model in SHIPPED)


# threats 3, 11
@pytest.mark.parametrize(
    "name",
    ["", "gpt-4o", "Sonnet", "sonnet ", " sonnet", "--settings={}", "sonnet\n", "sonnet\0", "\ud800", "../sonnet"],
)
def test_a_name_that_is_not_listed_is_refused(name: str):
    with pytest.raises(UnknownModel, match=r"does not exist here\. Known models: sonnet, opus") as refused:
        SHIPPED.find(name)
    assert (refused.value.status, refused.value.param) == (404, "model")
    assert str(refused.value).isprintable()


def test_a_long_name_is_not_repeated_whole():
    with pytest.raises(UnknownModel) as refused:
        SHIPPED.find("x" * 100_000)
    assert len(str(refused.value)) < 1_000


def test_a_catalogue_lists_names_and_aliases_with_their_model():
    assert dict(Catalogue({"sonnet": SONNET})) == {"sonnet": SONNET, "claude-sonnet": SONNET}


def test_a_name_wins_over_an_alias_of_another_model():
    other = Model("other", 1, aliases=("sonnet",))
    assert Catalogue({"other": other, "sonnet": SONNET}).find("sonnet") is SONNET


def test_a_model_is_read_with_its_defaults(file):
    found = read_catalogue(file('[sonnet]\ncli = "sonnet[1m]"\ncontext_window = 5\n')).find("sonnet")
    assert found == Model("sonnet[1m]", 5, "anthropic", ())


# threat 3
@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[s]\ncli = "--settings={}"\ncontext_window = 5', "--settings={}"),
        ('[s]\ncli = "a b"\ncontext_window = 5', "a b"),
        ('[s]\ncli = ""\ncontext_window = 5', "''"),
        ('["-s"]\ncli = "s"\ncontext_window = 5', "-s"),
        ('[s]\ncli = "s"\ncontext_window = 5\naliases = ["é"]', "é"),
        ('[s]\ncli = "s\\n"\ncontext_window = 5', "s\\n"),
        (f'[s]\ncli = "{"s" * 101}"\ncontext_window = 5', "s" * 101),
        ("[s]\ncontext_window = 5", "cli"),
        ('[s]\ncli = "s"', "context_window"),
        ('[s]\ncli = "s"\ncontext_window = "5"', "context_window"),
        ('[s]\ncli = "s"\ncontext_window = 5\nprice = 3', "price"),
        ('[s]\ncli = "s"\ncontext_window = 5\naliases = ["s"]', "the name 's' stands there twice"),
        ('[s]\ncli = "s"\ncontext_window = 5\naliases = ["t", "t"]', "the name 't' stands there twice"),
        (
            '[s]\ncli = "s"\ncontext_window = 5\naliases = ["t"]\n[t]\ncli = "t"\ncontext_window = 5',
            "the name 't' stands there twice",
        ),
        (
            '[s]\ncli = "s"\ncontext_window = 5\naliases = ["a"]\n[t]\ncli = "t"\ncontext_window = 5\naliases = ["a"]',
            "the name 'a' stands there twice",
        ),
        ('[s]\ncli = "s"\ncontext_window = 5\n[s]\ncli = "t"\ncontext_window = 5', "declare"),
        ("s = 5", "[...]"),
        ("[s", "table declaration"),
    ],
)
def test_a_mistake_in_the_file_stops_the_start_and_is_named(text: str, named: str, file):
    path = file(text)
    with pytest.raises(SettingsError) as refused:
        read_catalogue(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert named in str(refused.value)


def test_two_names_may_ask_the_cli_for_the_same_model(file):
    entries = [f'[{name}]\ncli = "sonnet"\ncontext_window = 5\n' for name in ("sonnet", "s")]
    found = read_catalogue(file("".join(entries)))
    assert found.find("s") == found.find("sonnet")


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"none\.toml"):
        read_catalogue(tmp_path / "none.toml")

import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.access.keys import Keys
from app.errors import PosternError, SettingsError
from app.services.ground import prepare
from app.settings import CONFIG_DIR, SECRETS, Settings, load

FILE = CONFIG_DIR / "gateway.toml"
TEXT = FILE.read_text("utf-8")
SECRET = "sk-A1b2C3d4E5f6G7h8I9j0"


def leaves(values: dict[str, Any], *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, *path, key)
        else:
            yield (*path, key), value


DEFAULTS = dict(leaves(tomllib.loads(TEXT)))


def variable(path: tuple[str, ...]) -> str:
    return "GATEWAY_" + "__".join(path).upper()


def setting(settings: Settings, path: tuple[str, ...]) -> Any:
    found: Any = settings
    for name in path:
        found = getattr(found, name)
    return found


def another(value: Any) -> tuple[str, Any]:
    """A text for the environment, and what it stands for: not the default."""
    match value:
        case bool():
            return str(not value).lower(), not value
        case int():
            return f" {value + 1} ", value + 1
        case float():
            return str(value + 0.5), value + 0.5
        case list():
            return "opus, haiku,", ["opus", "haiku"]
        case "info":  # log_level takes a few words only
            return "warning", "warning"
        case "never":  # pool.reuse as well
            return "always", "always"
        case _:
            return "another text", "another text"


def refusal(environ: dict[str, str], path: Path = FILE) -> str:
    with pytest.raises(SettingsError) as raised:
        load(environ, path)
    assert str(raised.value)
    return str(raised.value)


@pytest.fixture
def file_with(tmp_path: Path):
    def write(old: str, new: str) -> Path:
        assert old in TEXT
        path = tmp_path / "gateway.toml"
        path.write_text(TEXT.replace(old, new))
        return path

    return write


def test_the_defaults_are_those_of_the_file():
    settings = load({})
    assert {path: setting(settings, path) for path in DEFAULTS} == DEFAULTS


def test_the_file_holds_every_setting():
    typed = load({})
    sections = {path[0] for path in DEFAULTS if len(path) == 2}
    fields = {(name,) for name in Settings.__struct_fields__ if name not in {*sections, "environ"}}
    nested = {(name, field) for name in sections for field in getattr(typed, name).__struct_fields__}
    assert fields | nested == set(DEFAULTS)


@pytest.mark.parametrize("path", DEFAULTS, ids=".".join)
def test_a_variable_overrides_each_setting_and_no_other(path: tuple[str, ...]):
    text, value = another(DEFAULTS[path])
    settings = load({variable(path): text})
    assert {other: setting(settings, other) for other in DEFAULTS} == DEFAULTS | {path: value}


def test_every_setting_stands_below_a_comment():
    """One comment may serve the settings right below it, and a section's first setting needs its own."""
    commented = False
    for line in TEXT.splitlines():
        if re.match(r"# \S", line):
            commented = True
        elif re.match(r"\w+ = ", line):
            assert commented, line
        else:
            commented = False


@pytest.mark.parametrize(
    "name",
    [
        "GATEWAY_PORTS",
        "GATEWAY_POOL__WORM",
        "GATEWAY_POOL",
        "GATEWAY_PORT__X",
        "GATEWAY_ENVIRON",
        "GATEWAY_HTTP__THREADS",
        "GATEWAY_",
    ],
)
def test_an_unknown_variable_stops_the_start(name: str):
    assert refusal({name: "5"}).startswith(f"{name} is not a setting")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("GATEWAY_PORT", ""),
        ("GATEWAY_PORT", "http"),
        ("GATEWAY_PORT", "-1"),
        ("GATEWAY_PORT", "65536"),
        ("GATEWAY_PORT", "4000.5"),
        ("GATEWAY_PORT", "true"),
        ("GATEWAY_PORT", "null"),
        ("GATEWAY_PORT", "[4000]"),
        ("GATEWAY_POOL__WARM", "-1"),
        ("GATEWAY_POOL__STARTERS", "-1"),
        ("GATEWAY_POOL__EXERCISE", "yes"),
        ("GATEWAY_POOL__EXERCISE", "1"),
        ("GATEWAY_QUEUE__TIMEOUT", "0"),
        ("GATEWAY_QUEUE__TIMEOUT", "-1"),
        ("GATEWAY_QUEUE__TIMEOUT", "soon"),
        ("GATEWAY_QUEUE__TIMEOUT", "nan"),
        ("GATEWAY_QUEUE__TIMEOUT", "inf"),
        ("GATEWAY_TURN__RETRY_SECONDS", "-0.5"),
        ("GATEWAY_TURN__RETRY_SECONDS", "inf"),
        ("GATEWAY_HTTP__MAX_BODY_BYTES", "0"),
        ("GATEWAY_HTTP__CONNECTIONS", "0"),
        ("GATEWAY_HTTP__CONNECTIONS", "many"),
        ("GATEWAY_SESSION__IDLE", "0"),
        ("GATEWAY_SESSION__ABSOLUTE", "inf"),
    ],
)
def test_a_malformed_variable_is_named_with_its_value(name: str, text: str):
    assert refusal({name: text}).startswith(f"{name} (it is {text!r}): ")


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        ("GATEWAY_POOL__REUSE", "sometimes", '"never", "under-pressure" or "always"'),
        ("GATEWAY_LOG_LEVEL", "loud", '"debug", "info", "warning" or "error"'),
        ("GATEWAY_POOL__EXERCISE", "yes", "true or false"),
        ("GATEWAY_POOL__WARM", "some", "a whole number of 0 or more"),
        ("GATEWAY_HTTP__CONNECTIONS", "0", "a whole number of 1 or more"),
        ("GATEWAY_PORT", "65536", "a whole number from 0 to 65535"),
        ("GATEWAY_POOL__KEEP", "-1", "a number from 0 to 86400"),
        ("GATEWAY_QUEUE__TIMEOUT", "0", "a number above 0 and at most 86400"),
        ("GATEWAY_BIND", "", "a text that is not empty"),
    ],
)
def test_a_refusal_tells_what_is_allowed(name: str, text: str, allowed: str):
    assert refusal({name: text}) == f"{name} (it is {text!r}): it must be {allowed}."


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("port = 4000", "port = 70000", "port (it is 70000): it must be a whole number from 0 to 65535."),
        ("port = 4000", 'port = "4000"', "port (it is '4000'): it must be a whole number from 0 to 65535."),
        ("port = 4000", "ports = 4000", "ports is not a setting."),
        ("port = 4000", "", "port must be there."),
        ("port = 4000", "port = 4000\nenviron = {}", "environ is not a setting."),
        ("warm = 2\n", "warm = -2\n", "pool.warm (it is -2): it must be a whole number of 0 or more."),
        ("warm = 2\n", "warm = 2\nhot = 2\n", "pool.hot is not a setting."),
        ("[pool]", "[pond]", "pond.warm is not a setting."),
        ("[pool]", "[pond]\n[pool]", "pond is not a setting."),
        ('models = ["sonnet"]', "models = [1]", "pool.models (it is [1]): it must be a list of texts."),
        ('data_dir = "var/data"', "data_dir = 1", "data_dir (it is 1): it must be a text."),
        (
            "timeout = 30.0",
            "timeout = inf",
            "queue.timeout (it is inf): it must be a number above 0 and at most 86400.",
        ),
        ("port = 4000", "port = ", "Invalid value (at line 6, column 8)"),
    ],
)
def test_a_mistake_in_the_file_names_file_and_setting(old: str, new: str, told: str, file_with):
    path = file_with(old, new)
    assert refusal({}, path) == f"{path}: {told}"


def test_a_missing_file_is_named(tmp_path: Path):
    assert str(tmp_path / "none.toml") in refusal({}, tmp_path / "none.toml")


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_secret_may_come_from_a_file(name: str, tmp_path: Path):
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    assert getattr(load({f"GATEWAY_{name.upper()}_FILE": str(file)}), name) == SECRET


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_secret_that_is_set_twice_stops_the_start(name: str, tmp_path: Path):
    file = tmp_path / "secret"
    file.write_text(SECRET)
    variable_name = f"GATEWAY_{name.upper()}"
    both = {variable_name: SECRET, f"{variable_name}_FILE": str(file)}
    assert refusal(both) == f"{variable_name} and {variable_name}_FILE are both set: set one."
    assert getattr(load(both | {variable_name: ""}), name) == SECRET
    assert getattr(load(both | {f"{variable_name}_FILE": ""}), name) == SECRET


def test_a_file_of_a_secret_that_cannot_be_read_is_named(tmp_path: Path):
    missing = tmp_path / "none"
    assert f"GATEWAY_MASTER_KEY_FILE: cannot read {missing}" in refusal({"GATEWAY_MASTER_KEY_FILE": str(missing)})
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    assert str(binary) in refusal({"GATEWAY_MASTER_KEY_FILE": str(binary)})


def test_only_secrets_come_from_files(tmp_path: Path):
    assert refusal({"GATEWAY_PORT_FILE": "/dev/null"}).startswith("GATEWAY_PORT_FILE is not a setting")


def test_the_old_name_of_the_master_key_is_read():
    assert load({"LITELLM_MASTER_KEY": SECRET}).master_key == SECRET
    assert load({"LITELLM_MASTER_KEY": ""}).master_key == ""


def test_an_empty_master_key_gives_way_to_the_old_name():
    """An empty value is what compose makes of a variable that is not set."""
    old = {"LITELLM_MASTER_KEY": SECRET}
    assert load(old | {"GATEWAY_MASTER_KEY": ""}).master_key == SECRET
    assert load(old | {"GATEWAY_MASTER_KEY": "", "GATEWAY_MASTER_KEY_FILE": ""}).master_key == SECRET
    assert load({"GATEWAY_MASTER_KEY": "", "GATEWAY_MASTER_KEY_FILE": ""}).master_key == ""


def test_the_new_name_of_the_master_key_wins(tmp_path: Path):
    file = tmp_path / "secret"
    file.write_text("sk-from-the-file")
    old = {"LITELLM_MASTER_KEY": "sk-old"}
    assert load(old | {"GATEWAY_MASTER_KEY": SECRET}).master_key == SECRET
    assert load(old | {"GATEWAY_MASTER_KEY_FILE": str(file)}).master_key == "sk-from-the-file"


# threat 32
@pytest.mark.parametrize("new", [f'master_key = ["{SECRET}"]', f"master_key = {SECRET}"])
def test_no_refusal_repeats_a_secret(new: str, file_with):
    message = refusal({}, file_with('master_key = ""', new))
    assert SECRET not in message


# threat 32
def test_a_mistyped_name_of_a_secret_does_not_show_it():
    assert SECRET not in refusal({"GATEWAY_MASTERKEY": SECRET})


def test_the_whole_environment_is_kept_for_the_cli():
    environ = {"PATH": "/bin", "ANTHROPIC_API_KEY": "x", "GATEWAY_PORT": "1"}
    assert load(environ).environ == environ


def test_variables_of_others_are_let_be():
    assert load({"PORT": "1", "GATEWAYPORT": "1", "MY_GATEWAY_PORT": "1"}).port == 4000


# ---- what the settings point to


@pytest.fixture
def installed(tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """The environment of a gateway whose CLI prints this, and writes down what it was called with."""

    def make(printed: str = "2.1.330 (Claude Code)") -> dict[str, str]:
        binary = tmp_path / "claude"
        binary.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\necho "{printed}"\n')
        binary.chmod(0o755)
        return {
            "GATEWAY_CLAUDE_BIN": str(binary),
            "GATEWAY_DATA_DIR": str(tmp_path / "data"),
            "GATEWAY_MASTER_KEY": SECRET,
        }

    return make


def test_the_ground_is_prepared_and_nothing_is_started(installed, tmp_path: Path):
    environ = installed() | {"ANTHROPIC_API_KEY": "sk-ant", "GATEWAY_POOL__MODELS": "opus, claude-3-5-haiku-20240307"}
    for _ in range(2):  # in the master, and again in its worker
        ground = prepare(load(environ))
    assert ground.version == (2, 1, 330)
    assert Keys(ground.database, secret=ground.secret_key).find(SECRET).kind == "master"
    assert ground.catalogue.find("opus").cli == "opus"
    assert ground.installation.binary == tmp_path / "claude"
    assert ground.installation.passed == {"ANTHROPIC_API_KEY": "sk-ant"}
    assert (tmp_path / "calls").read_text() == "--version\n" * 2


def unprepared(environ: dict[str, str]) -> str:
    with pytest.raises(PosternError) as refused:
        prepare(load(environ))
    return str(refused.value)


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"GATEWAY_POOL__MODELS": "sonnet,gpt-4o"}, "pool.models: The model 'gpt-4o' does not exist here"),
        ({"GATEWAY_MASTER_KEY": "sk-weak"}, "GATEWAY_MASTER_KEY: "),
        ({"GATEWAY_SECRET_KEY": "0123456789" * 3}, "GATEWAY_SECRET_KEY: the secret key is too easy to guess"),
        ({"GATEWAY_SECRET_KEY": "a" * 64}, "GATEWAY_SECRET_KEY: the secret key is too easy to guess"),
        ({"GATEWAY_ADMIN_PASSWORD": "short"}, "GATEWAY_ADMIN_PASSWORD: The password needs 10 characters or more"),
        ({"GATEWAY_ADMIN_PASSWORD": "changeme123!"}, "GATEWAY_ADMIN_PASSWORD: The password is too easy to guess"),
        ({"GATEWAY_CLAUDE_BIN": "/nowhere/claude"}, "claude_bin: there is no claude CLI at /nowhere/claude"),
        ({"GATEWAY_CLAUDE_BIN": "/dev/null"}, "claude_bin: there is no claude CLI at /dev/null"),
        ({"GATEWAY_CLAUDE_BIN": "/bin/false"}, "/bin/false cannot be run: "),
        ({"GATEWAY_CLAUDE_BIN": "/bin/true"}, "/bin/true does not tell its version"),
        ({"GATEWAY_TRUSTED_PROXIES": "10.0.0.1/8"}, "trusted_proxies: 10.0.0.1/8 has host bits set"),
        ({"GATEWAY_TRUSTED_PROXIES": "a proxy"}, "trusted_proxies: 'a proxy' does not appear to be"),
        ({"GATEWAY_SIGN_IN_BASE": "127.0.0.1:4010"}, "sign_in_base (it is '127.0.0.1:4010'): it must be like"),
        ({"GATEWAY_DATA_DIR": "/dev/null/data"}, "data_dir: cannot use the folder /dev/null/data"),
        (
            {"GATEWAY_CLAUDE_CONFIG_DIR": "/dev/null/config"},
            "claude_config_dir: cannot use the folder /dev/null/config",
        ),
    ],
)
def test_what_a_setting_points_to_must_be_there(environ: dict[str, str], told: str, installed):
    assert unprepared(installed() | environ).startswith(told)


@pytest.mark.parametrize(
    "address",
    ["gateway.example.com", "ftp://x", "https://", "https://x:99999", "https://[x", "https://x/?a=b", "https://u@x"],
)
def test_an_address_for_browsers_must_be_one(address: str, installed):
    assert unprepared(installed() | {"GATEWAY_PUBLIC_URL": address}).startswith(f"public_url (it is {address!r}): ")


def test_a_cli_that_is_too_old_stops_the_start(installed):
    assert unprepared(installed("2.0.1 (Claude Code)")).startswith("claude 2.0.1 (Claude Code) is too old: ")


def test_a_cli_that_was_never_tried_stops_the_start_unless_it_is_allowed(installed):  # threats 1 and 25
    for printed in ("2.1.331 (Claude Code)", "3.0.0 (Claude Code)"):
        told = unprepared(installed(printed))
        assert told.startswith(f"claude {printed[:-14]} is newer than 2.1.330, the newest that was tried")
        assert "GATEWAY_ALLOW_NEWER_CLI=true" in told
        prepare(load(installed(printed) | {"GATEWAY_ALLOW_NEWER_CLI": "true"}))


# A file there would be in every process's working directory.
def test_a_folder_of_the_cli_that_is_not_empty_stops_the_start(installed, tmp_path: Path):
    environ = installed()
    prepare(load(environ))
    empty = tmp_path / "data/empty"
    empty.chmod(0o755)
    (empty / "CLAUDE.md").touch()
    assert unprepared(environ).startswith(f"{empty} must be empty")

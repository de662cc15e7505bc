"""The shell without a gateway: what it demands, what it refuses, what it leaves behind."""

import json
import os
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click
import pexpect
import pytest

from app.access.administrators import Administrators
from app.access.keys import Keys
from app.cli.commands import commands
from app.cli.texts import Moment, Span, moment
from app.store.database import Database
from tests.support import stub_claude
from tests.support.sandbox import ROOT
from tests.support.shell import Shell, shell_of

PASSWORD = "nine tame otters in a boat"


@contextmanager
def opened(data: Path) -> Iterator[Database]:
    with closing(Database(data / "postern.sqlite")) as database:
        yield database


def has_administrator(data: Path) -> bool:
    with opened(data) as database:
        return Administrators(database).exists()


def is_password(data: Path, password: str) -> bool:
    with opened(data) as database:
        return Administrators(database).verify(password)


@pytest.fixture
def begun(tmp_path: Path) -> Shell:
    """The data of a gateway that was started once, and its shell."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    with opened(data) as database:
        Keys(database, secret=b"secret").seed_master("", data)
    return shell_of(tmp_path, GATEWAY_CLAUDE_BIN=str(stub_claude.install(tmp_path / "bin")))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


# ---- where the gateway's data is


@pytest.mark.parametrize("command", ["status", "keys list", "rotate", "audit verify", "sessions list", "logout"])
def test_a_folder_that_is_not_there_is_named_with_the_setting(tmp_path: Path, command: str):
    said = shell_of(tmp_path).run(*command.split(), status=2).stderr
    assert f"There is no folder {tmp_path / 'data'}. Set GATEWAY_DATA_DIR" in said
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("command", ["keys list", "rotate", "audit list", "sessions end-all"])
def test_what_needs_a_gateways_data_says_that_none_was_started(tmp_path: Path, data: Path, command: str):
    data.mkdir()
    said = shell_of(tmp_path).run(*command.split(), status=2).stderr
    assert f"No gateway has been started with its data in {data} yet." in said
    assert list(data.iterdir()) == []


def test_before_the_first_start_there_may_be_a_password_and_keys(tmp_path: Path, data: Path):
    data.mkdir()
    shell = shell_of(tmp_path)
    shell.run("reset-admin", "--password-file", "-", given=PASSWORD + "\n")
    text = shell.run("keys", "create", "first").stdout.strip()
    assert "There is no master key yet" in shell.run("rotate", status=1).stderr
    assert is_password(data, PASSWORD)
    with opened(data) as database:
        # The first start seeds the master key all the same: the shell may lack the gateway's GATEWAY_MASTER_KEY.
        assert Keys(database, secret=b"").masters() == []
        assert Keys(database, secret=b"").find(text).name == "first"


def test_a_wrong_setting_is_named(tmp_path: Path):
    shell = shell_of(tmp_path, GATEWAY_PORT="many")
    assert "GATEWAY_PORT (it is 'many')" in shell.run("status", status=2).stderr
    assert "Usage:" in shell.run("keys", "--help").stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("command", ["keys list", "rotate", "login", "status", "doctor", "reset-admin"])
def test_another_users_data_is_not_touched(begun: Shell, data: Path, command: str):  # threat 35
    before = {path.name for path in data.iterdir()}
    for path in (data, data / "postern.sqlite"):
        os.chown(path, 10001, 10001)
    said = begun.run(*command.split(), status=2).stderr
    assert "belongs to user 10001, and this shell runs as user 0" in said
    assert "python -m app.cli" in said
    assert {path.name for path in data.iterdir()} == before


# ---- keys


def test_a_new_key_stands_alone_on_standard_output(begun: Shell):  # threat 42
    done = begun.run("keys", "create", "a wiki", "--model", "sonnet", "--expires", "90d")
    assert len(done.stdout.split()) == 1
    assert done.stdout.startswith("sk-a-")
    assert done.stdout.strip() not in done.stderr
    assert "is not shown again" in done.stderr
    (key,) = json.loads(begun.run("keys", "list", "wiki", "--json").stdout)["keys"]
    assert (key["name"], key["models"], key["state"]) == ("a wiki", ["sonnet"], "live")
    assert done.stdout.strip() not in begun.run("keys", "show", key["id"]).stdout


def test_a_key_is_changed_and_revoked(begun: Shell):
    made = json.loads(begun.run("keys", "create", "a wiki", "--json").stdout)
    assert made["key"].startswith("sk-a-")
    edit = ("keys", "edit", made["id"], "--json")
    changed = begun.run(*edit, "--name", "b", "--model", "opus", "--expires", "2099-01-01T12:00", "--disable")
    told = json.loads(changed.stdout)
    assert (told["name"], told["models"], told["expires_at"], told["state"]) == (
        "b",
        ["opus"],
        4070952000.0,
        "disabled",
    )
    told = json.loads(begun.run(*edit, "--every-model", "--never-expires", "--enable").stdout)
    assert (told["models"], told["expires_at"], told["state"]) == (None, None, "live")
    assert "b is refused from now on." in begun.run("keys", "revoke", made["id"]).stderr
    assert "stays revoked" in begun.run(*edit, "--enable", status=1).stderr


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        ("keys show nobody", 1, "There is no key with this id."),
        ("keys revoke nobody", 1, "There is no key with this id."),
        ("keys create x --model gpt-4", 1, "There is no model 'gpt-4'. There are"),
        ("keys create x --expires yesterday", 2, "'yesterday' is no time"),
        ("keys create x --expires 2001-01-01", 1, "a time that lies ahead"),
        ("keys create x --expires 9999999d", 1, "before the year 9999"),
        ("keys create x --expires 9999-12-31", 1, "before the year 9999"),
        ("keys create", 2, "Missing argument 'NAME'"),
        ("rotate --grace soon", 2, "'soon' is no span of time"),
        ("rotate --grace 91d", 1, "at most 90 days"),
        ("rotate --grace 1h --revoke-previous", 2, "one at a time"),
        ("rotate --extend-until 1d", 1, "no previous master key"),
        ("rotate --idempotency-key short", 1, "16 to 100 characters"),
        ("sessions end nobody", 1, "no session with this id"),
        ("login --method password", 2, "'password' is not one of"),
        ("login --restore", 1, "There is no good copy of the login"),
        ("login --email -x", 1, "not an e-mail address"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(begun: Shell, command: str, status: int, said: str):
    done = begun.run(*command.split(), status=status)
    assert said in " ".join(done.stderr.split())
    assert done.stdout == ""


def test_a_key_is_edited_by_naming_what_changes(begun: Shell):
    made = json.loads(begun.run("keys", "create", "a wiki", "--json").stdout)
    assert "Nothing to change" in begun.run("keys", "edit", made["id"], status=2).stderr
    both = ("--every-model", "--model", "opus")
    assert "contradict" in begun.run("keys", "edit", made["id"], *both, status=2).stderr


def test_the_same_rotation_again_tells_the_same_key(begun: Shell):  # threat 43
    again = ("rotate", "--idempotency-key", "0123456789abcdef-again")
    first = begun.run(*again)
    assert begun.run(*again).stdout == first.stdout
    assert first.stdout.startswith("sk-m-")
    assert "still valid" in begun.run("rotate", status=1).stderr
    other = json.loads(begun.run("rotate", "--give-up-previous", "--grace", "0", "--json").stdout)
    assert other["previous_valid_until"] is None
    assert [key["id"] for key in json.loads(begun.run("keys", "list", "--json").stdout)["keys"]] == [other["id"]]


# ---- the audit log


def test_every_change_is_in_the_audit_log_and_no_secret_is(begun: Shell, data: Path):  # threats 32, 61
    secrets = [begun.run("keys", "create", "a wiki").stdout.strip(), begun.run("rotate").stdout.strip(), PASSWORD]
    begun.run("reset-admin", "--password-file", "-", given=PASSWORD + "\n")
    begun.run("rotate", "--extend-until", "2d")
    begun.run("rotate", "--revoke-previous")
    begun.run("keys", "edit", "nobody", "--name", "x", status=1)
    begun.run("rotate", "--revoke-previous", status=1)
    entries = json.loads(begun.run("audit", "list", "--json").stdout)["entries"][::-1]
    assert [(each["action"], each["target"], each["outcome"]) for each in entries] == [
        ("create a key", "a wiki", "begun"),
        ("rotate the master key", "", "begun"),
        ("reset the administrator's password", "admin", "begun"),
        ("extend the previous master key", "", "begun"),
        ("revoke the previous master key", "", "begun"),
        ("revoke the previous master key", "", "begun"),
        ("revoke the previous master key", "", "failed"),
    ]
    assert {each["actor"] for each in entries} == {f"shell (uid {os.getuid()})"}
    kept = b"".join(path.read_bytes() for path in data.rglob("*") if path.is_file())
    assert [secret for secret in secrets if secret.encode() in kept] == []


def test_what_cannot_be_written_down_is_not_done(begun: Shell, data: Path):  # threat 61
    begun.run("audit", "list")
    (data / "audit.jsonl").unlink()
    (data / "audit.jsonl").mkdir()
    before = begun.run("keys", "list").stdout
    for command in ("keys create x", "rotate", "logout", "reset-admin --password-file -", "sessions end-all"):
        assert "This was not done" in begun.run(*command.split(), status=1, given=PASSWORD).stderr
    assert begun.run("keys", "list").stdout == before
    assert not has_administrator(data)


def test_a_changed_entry_is_found(begun: Shell, data: Path):  # threat 61
    for name in ("one", "two", "three"):
        begun.run("keys", "create", name)
    assert begun.run("audit", "verify").stdout == "All 3 entries are as they were written.\n"
    log = data / "audit.jsonl"
    assert begun.run("audit", "export").stdout == log.read_text()
    log.write_text(log.read_text().replace('"two"', '"ten"'))
    assert "Entry 2: It is not as it was written." in begun.run("audit", "verify", status=1).stderr
    found = json.loads(begun.run("audit", "verify", "--json", status=1).stdout)
    assert (found["ok"], found["broken_at"]) == (False, 2)


def test_entries_are_listed_a_page_at_a_time(begun: Shell):
    for name in ("one", "two", "three"):
        begun.run("keys", "create", name)
    head, line = begun.run("audit", "list", "--limit", "1", "--before", "3").stdout.splitlines()
    assert head.split() == ["NO", "TIME", "WHO", "FROM", "WHAT", "OUTCOME", "FACTS"]
    assert line.startswith("2 ")
    assert "create a key: two" in line


# ---- the administrator


def test_a_password_is_typed_twice_and_not_shown(begun: Shell, data: Path):  # threat 32
    terminal = begun.on_terminal("reset-admin")
    for question in ("New password: ", "The same again: "):
        terminal.expect(question)
        terminal.sendline(PASSWORD)
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert "every session has ended" in terminal.before
    assert PASSWORD not in terminal.before
    assert terminal.exitstatus == 0
    assert is_password(data, PASSWORD)


@pytest.mark.parametrize("second", [PASSWORD + "s", "password"])
def test_a_password_that_will_not_do_changes_nothing(begun: Shell, data: Path, second: str):  # threat 49
    first = second if second == "password" else PASSWORD
    terminal = begun.on_terminal("reset-admin")
    for question, answer in (("New password: ", first), ("The same again: ", second)):
        terminal.expect(question)
        terminal.sendline(answer)
    terminal.expect(["The two are not the same", "needs 10 characters"])
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 1
    assert not has_administrator(data)


def test_a_pipe_is_not_asked(begun: Shell):
    assert "--password-file -" in begun.run("reset-admin", given=f"{PASSWORD}\n{PASSWORD}\n", status=2).stderr


# ---- status and doctor


def test_the_status_is_told_in_the_words_of_the_page_and_as_the_api_does(begun: Shell, data: Path):
    told = begun.run("status").stdout
    assert "signed out" in told
    assert "error: Nobody is signed in to Claude.\n    " in told
    assert "python -m app.cli login" in told
    (data / "claude").mkdir(mode=0o700)
    status = json.loads(begun.run("status", "--json").stdout)
    assert status.keys() == {"auth", "volume", "pool"}
    assert (status["auth"]["state"], status["volume"]["path"]) == ("signed_out", str(data / "claude"))
    assert status["volume"]["writable"] is True
    # It looks, and leaves nothing behind.
    assert {path.name for path in data.iterdir()} == {"claude", "master-key", "postern.sqlite"}


def test_the_doctor_tells_each_problem_with_its_fix(begun: Shell, data: Path, tmp_path: Path):
    told = begun.run("doctor", status=1).stdout
    assert f"error: {data / 'claude'} does not exist.\n    " in told
    absent = shell_of(tmp_path, GATEWAY_CLAUDE_BIN="/nowhere/claude").run("doctor", "--json", status=1)
    codes = {problem["code"] for problem in json.loads(absent.stdout)["problems"]}
    assert {"cli_missing", "signed_out", "missing"} <= codes


def test_the_doctor_is_content_with_what_is_well(begun: Shell, data: Path):
    (data / "claude").mkdir(mode=0o700)
    key = Shell({**begun.environ, "ANTHROPIC_API_KEY": "sk-ant-api03-none"})
    done = key.run("doctor", "--json", status=None)
    codes = {problem["code"] for problem in json.loads(done.stdout)["problems"] if problem["severity"] == "error"}
    # The folder of the tests may lie in a container, or in memory.
    assert codes <= {"container_layer", "in_memory"}
    assert done.returncode == bool(codes)


# ---- how it is written


def test_files_are_private(begun: Shell, data: Path):  # threat 39
    begun.run("keys", "create", "x")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in data.iterdir()}
    assert {name: mode for name, mode in modes.items() if mode != 0o600} == {}


def walk(command: click.Command, name: str = "") -> list[tuple[str, click.Command]]:
    """Every command that does something, by its whole name."""
    if isinstance(command, click.Group):
        return [each for child in command.commands.values() for each in walk(child, f"{name} {child.name}".strip())]
    return [(name, command)]


def test_the_page_tells_every_command_and_option_as_the_help_does():
    page = (ROOT / "docs/shell.md").read_text()
    headings = {line.split("`")[1]: line for line in page.splitlines() if line.startswith("### `")}
    documented = {heading.split(" [")[0].split(" <")[0]: heading for heading in headings}
    found = dict(walk(commands))
    assert documented.keys() == found.keys()
    for name, command in found.items():
        options = {option for each in command.params if isinstance(each, click.Option) for option in each.opts}
        options |= {option for each in command.params for option in each.secondary_opts}
        section = page.split(f"### `{documented[name]}`")[1].split("\n##")[0]
        missing = {option for option in options if f"`{option}" not in section}
        assert missing == set(), name
        named = {word.split("`")[0].split(" ")[0] for word in section.split("`--")[1:]}
        assert {f"--{word}" for word in named} <= options, name


def test_times():
    span, when = Span(), Moment()
    assert [span.convert(text, None, None) for text in ("0", "90m", "24h", "7d", "2w", "30s")] == [
        0.0,
        5400.0,
        86400.0,
        604800.0,
        1209600.0,
        30.0,
    ]
    assert when.convert("2099-01-01T12:00", None, None) == when.convert("2099-01-01T13:00+01:00", None, None)
    assert moment(4070952000.0) == "2099-01-01 12:00 UTC"
    for text in ("", "-1h", "1y", "1.5h", "٣h", "99999999999d"):
        with pytest.raises(click.BadParameter):
            span.convert(text, None, None)

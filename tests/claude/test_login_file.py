"""The CLI's file with the login: whatever has become of it is told apart from a sign-out."""

import json
import os
from pathlib import Path

import pytest

from app.claude.account import credentials
from app.claude.command import Installation
from app.claude.login_file import LoginFile, parse_login, problems_of, read_login
from tests.support.cli import VERSIONS
from tests.support.login import log_in, run_claude
from tests.support.login_files import ACCOUNT, DAY, text, write_login

# threat 34

NOW = 1_800_000_000.0
GOOD = text(NOW)


def installation(config_dir: Path) -> Installation:
    return Installation(config_dir / "claude", config_dir, config_dir, config_dir, config_dir)


def codes(file: Path, login: LoginFile, *, has_copy: bool = True) -> list[str]:
    return [each.code for each in problems_of(file, login, container=False, has_copy=has_copy)]


@pytest.mark.parametrize(
    ("content", "state"),
    [
        (GOOD, "sound"),
        (text(NOW, "2.1.197"), "sound"),
        (text(NOW, refreshToken="", expiresAt="soon", subscriptionType=None, rateLimitTier=7), "sound"),
        (b"{}", "none"),
        (b'{"claudeAiOauth": {}}', "none"),
        (b"", "empty"),
        (b"\n", "empty"),
        (b"\0" * 690, "empty"),
        (text(NOW, accessToken="", refreshToken=""), "blank"),
        (text(NOW, accessToken=""), "blank"),
        (text(NOW, accessToken=" \n"), "blank"),
        (text(NOW, accessToken=None), "blank"),
        (text(NOW, accessToken=["x"]), "blank"),
        (b"[]", "damaged"),
        (b"null", "damaged"),
        (b"not json", "damaged"),
        (b"\xff\xfe{}", "damaged"),
        (b'{"claudeAiOauth": "x"}', "damaged"),
        (b'{"claudeAiOauth": {"accessToken": }}', "damaged"),
        (b"[" * 100_000, "damaged"),
    ],
)
def test_each_content_has_its_name(content: bytes, state: str, tmp_path: Path):
    file = write_login(tmp_path, content)
    login = read_login(file)
    assert login.state == state
    assert codes(file, login) == ([] if state in ("sound", "none") else [f"login_{state}"])
    # As the CLI itself sees it: only a sound file signs in.
    assert (credentials(installation(tmp_path)) is not None) == (state == "sound")


def test_a_file_cut_anywhere_is_no_sign_out():
    states = {cut: parse_login(GOOD[:cut])["state"] for cut in range(len(GOOD))}
    assert {state for cut, state in states.items() if cut} <= {"truncated", "damaged"}
    assert states[0] == "empty"
    # Only one that is cut within its last braces looks whole at its end.
    assert [cut for cut, state in states.items() if state == "damaged"] == [len(GOOD) - 1]


def test_what_a_file_tells(tmp_path: Path):
    login = read_login(write_login(tmp_path, GOOD))
    assert (login.plan, login.account_id, login.refreshable) == ("max 5x", ACCOUNT, True)
    assert (login.access_expires_at, login.login_expires_at) == (NOW + 8 * 3600, NOW + 30 * DAY)
    old = read_login(write_login(tmp_path, text(NOW, "2.1.197")))
    assert (old.plan, old.account_id, old.refreshable) == ("max 5x", "", True)
    assert (old.access_expires_at, old.login_expires_at) == (NOW + 8 * 3600, None)
    odd = text(NOW, refreshToken=None, expiresAt=True, refreshTokenExpiresAt=-1, subscriptionType="pro")
    login = read_login(write_login(tmp_path, odd))
    assert (login.plan, login.refreshable, login.access_expires_at, login.login_expires_at) == (
        "pro",
        False,
        None,
        None,
    )


def test_the_fingerprint_changes_with_the_token_and_shows_nothing_of_it(tmp_path: Path):
    first = read_login(write_login(tmp_path, GOOD))
    again = read_login(write_login(tmp_path, text(NOW, expiresAt=1)))
    other = read_login(write_login(tmp_path, text(NOW, accessToken="oat-another")))
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert "oat-" not in repr(first)  # threat 32


def test_nothing_there_is_a_sign_out(tmp_path: Path):
    file = tmp_path / ".credentials.json"
    login = read_login(file)
    assert (login.state, codes(file, login, has_copy=False)) == ("absent", [])
    assert codes(file, login, has_copy=True) == ["login_gone"]
    assert read_login(tmp_path / "none" / "file").state == "absent"


def test_what_cannot_be_read_is_no_sign_out(tmp_path: Path):
    file = tmp_path / ".credentials.json"
    file.mkdir(mode=0o700)
    login = read_login(file)
    assert (login.state, codes(file, login)) == ("unreadable", ["login_unreadable"])
    (told,) = problems_of(file, login, container=False, has_copy=False)
    assert told.message == f"{file} cannot be read: Is a directory."


def test_a_pipe_in_its_place_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / ".credentials.json", 0o600)
    assert read_login(tmp_path / ".credentials.json").state == "empty"


def test_a_file_of_someone_elses_and_one_open_to_others_are_told(tmp_path: Path):
    file = write_login(tmp_path, GOOD, mode=0o644)
    login = read_login(file)
    assert (login.foreign, login.mode, codes(file, login)) == (False, 0o644, ["login_open"])
    foreign = read_login(file, uid=os.geteuid() + 1)
    assert codes(file, foreign) == ["login_foreign", "login_open"]
    file.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(file, 10001, 10001)
        login = read_login(file)
        assert (login.state, login.owner, codes(file, login)) == ("sound", "10001:10001", ["login_foreign"])


def test_a_damaged_file_of_someone_elses_has_both_told_but_one_that_is_closed_only_its_owner(tmp_path: Path):
    file = write_login(tmp_path, b"")
    assert codes(file, read_login(file, uid=os.geteuid() + 1)) == ["login_empty", "login_foreign"]
    assert codes(file, LoginFile("unreadable", foreign=True, mode=0o600)) == ["login_foreign"]


def test_the_fix_is_the_copy_if_there_is_one_else_a_new_login(tmp_path: Path):
    file = write_login(tmp_path, b"")
    login = read_login(file)
    fixes = [
        each.fix
        for container in (False, True)
        for has_copy in (True, False)
        for each in problems_of(file, login, container=container, has_copy=has_copy)
    ]
    commands = ["python -m app.cli login --restore", "python -m app.cli login"]
    assert fixes == [prefix + each for prefix in (".venv/bin/", "docker compose exec gateway ") for each in commands]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_real_cli_agrees_on_what_is_a_login(tmp_path: Path, sandbox, version: str):
    log_in(tmp_path, sandbox, version)
    config = tmp_path / "config"
    good = (config / ".credentials.json").read_bytes()
    login = read_login(config / ".credentials.json")
    assert (login.state, login.plan, login.mode, login.foreign) == ("sound", "max 5x", 0o600, False)
    assert (login.login_expires_at is None) == (version == "2.1.197")

    def signed_in() -> bool:
        return json.loads(run_claude(tmp_path, sandbox, version, "auth", "status").stdout)["loggedIn"]

    assert signed_in()
    half = good[: len(good) // 2]
    for content in (b"", b"{}", b"[]", half, text(NOW, accessToken=""), text(NOW, accessToken="", refreshToken="")):
        write_login(config, content)
        assert not signed_in()
        assert credentials(installation(config)) is None
    write_login(config, good)
    run_claude(tmp_path, sandbox, version, "auth", "logout")
    assert read_login(config / ".credentials.json").state == "absent"

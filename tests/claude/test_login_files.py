import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.claude import login_files
from app.claude.account import credentials, environment_login, with_login
from app.claude.command import Installation, command_line, environment
from tests.support.sandbox import ROOT

OAUTH = {"claudeAiOauth": {"accessToken": "sk-ant-oat01-a", "refreshToken": "sk-ant-ort01-b", "expiresAt": 1}}
ACCOUNT = {"emailAddress": "someone@firm.example"}
TOKEN, KEY = "sk-ant-oat01-" + "t" * 20, "sk-ant-api03-" + "k" * 20


@pytest.fixture
def places(tmp_path: Path) -> Installation:
    folders = [tmp_path / name for name in ("config", "home", "empty", "tmp")]
    for folder in [*folders, tmp_path / "home/config", tmp_path / "staged"]:
        folder.mkdir()
    return Installation(Path("/claude"), *folders)


def put(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content))


def subscription(places: Installation) -> None:
    """As the CLI leaves it in the staging folder, put into force."""
    staged = places.config_dir.parent / "staged"
    put(staged / ".credentials.json", OAUTH)
    put(staged / ".claude.json", {"oauthAccount": ACCOUNT, "userID": "x"})
    assert login_files.adopt(staged, places.config_dir, places.own_config)


def console(places: Installation) -> None:
    staged = places.config_dir.parent / "staged"
    put(staged / ".credentials.json", {})
    put(staged / ".claude.json", {"oauthAccount": ACCOUNT, "primaryApiKey": KEY})
    assert login_files.adopt(staged, places.config_dir, places.own_config)


def token(places: Installation) -> None:
    login_files.paste("token", TOKEN, places.config_dir, places.own_config)


def api_key(places: Installation) -> None:
    login_files.paste("api_key", KEY, places.config_dir, places.own_config)


LOGINS = {
    subscription: (".credentials.json", {}),
    console: (".claude.json", {"ANTHROPIC_API_KEY": KEY}),
    token: ("postern-credential.json", {"CLAUDE_CODE_OAUTH_TOKEN": TOKEN}),
    api_key: ("postern-credential.json", {"ANTHROPIC_API_KEY": KEY}),
}


@pytest.mark.parametrize("last", LOGINS)
@pytest.mark.parametrize("first", LOGINS)
def test_the_login_that_was_chosen_last_is_the_one_in_force(places: Installation, first: Callable, last: Callable):
    first(places)
    last(places)
    name, variables = LOGINS[last]
    assert credentials(places) == name
    assert with_login(places).passed == variables
    assert variables.items() <= environment(with_login(places)).items()
    assert ("--bare" in command_line(with_login(places), "sonnet")) == ("ANTHROPIC_API_KEY" in variables)
    account = login_files.read(places.config_dir / ".claude.json").get("oauthAccount")
    assert account == (ACCOUNT if last in (subscription, console) else None)
    there = {path.name for path in places.config_dir.iterdir() if path.name != ".claude.json"}
    assert there == {name} - {".claude.json"}, "nothing of the first one is left"


@pytest.mark.parametrize("login", LOGINS)
def test_a_login_is_readable_for_its_owner_only(places: Installation, login: Callable):
    os.umask(0)
    try:
        login(places)
    finally:
        os.umask(0o022)
    assert {path.stat().st_mode & 0o777 for path in places.config_dir.iterdir()} == {0o600}


@pytest.mark.parametrize("pasted", [token, api_key])
def test_a_login_by_the_cli_itself_wins_over_a_pasted_one(places: Installation, pasted: Callable):
    pasted(places)
    put(places.config_dir / ".claude.json", {"primaryApiKey": "sk-ant-api03-newer"})
    assert credentials(places) == ".claude.json"
    put(places.config_dir / ".credentials.json", OAUTH)
    assert (credentials(places), with_login(places).passed) == (".credentials.json", {})


@pytest.mark.parametrize("login", LOGINS)
def test_a_variable_of_the_operators_wins_over_every_login(places: Installation, login: Callable):
    login(places)
    passed = {"ANTHROPIC_AUTH_TOKEN": "the operator's"}
    theirs = Installation(places.binary, places.config_dir, places.home, places.empty_dir, places.temp_dir, passed)
    assert credentials(theirs) == environment_login(theirs) == "ANTHROPIC_AUTH_TOKEN"
    assert with_login(theirs).passed == passed


@pytest.mark.parametrize("login", LOGINS)
def test_nothing_of_a_login_is_left_after_its_removal(places: Installation, login: Callable):  # threat 37
    put(places.config_dir / ".claude.json", {"theme": "dark"})
    (places.config_dir / "backups").mkdir()
    put(places.config_dir / "backups/.claude.json.backup.1", {"primaryApiKey": KEY})
    put(places.own_config / ".claude.json", {"oauthAccount": ACCOUNT, "userID": "x"})
    login(places)
    login_files.remove(places.config_dir, places.own_config)
    assert credentials(places) is None
    left = {path.relative_to(places.home.parent): path.read_text() for path in places.home.parent.rglob("*.json*")}
    assert {str(name): json.loads(text) for name, text in left.items() if "staged" not in name.parts} == {
        "config/.claude.json": {"theme": "dark"},
        "home/config/.claude.json": {"userID": "x"},
    }


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"kind": "token"}', '{"kind": "x", "value": "y"}', '{"kind": "token", "value": 1}'],
)
def test_a_damaged_file_is_no_login(places: Installation, content: str):  # threat 34
    for name in (login_files.PASTED, login_files.LOGIN, login_files.CONFIG):
        (places.config_dir / name).write_text(content)
    assert credentials(places) is None


def test_a_sign_in_that_left_no_login_changes_nothing(places: Installation):
    token(places)
    staged = places.config_dir.parent / "staged"
    put(staged / ".claude.json", {"oauthAccount": ACCOUNT})
    assert not login_files.adopt(staged, places.config_dir, places.own_config)
    assert credentials(places) == login_files.PASTED


def test_what_else_the_volume_holds_stays(places: Installation):
    put(places.config_dir / ".claude.json", {"theme": "dark"})
    put(places.config_dir / ".credentials.json", {"mcpOAuth": {"server": "x"}})
    subscription(places)
    token(places)
    assert login_files.read(places.config_dir / ".claude.json") == {"theme": "dark"}
    assert login_files.read(places.config_dir / ".credentials.json") == {"mcpOAuth": {"server": "x"}}


KILLED = """
import os, sys
from pathlib import Path
from app.claude import login_files
folder, own, step = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
{before}
steps = 0
def count(event, arguments):
    global steps
    if event in ("open", "os.rename", "os.remove"):
        steps += 1
        if steps == step:
            os.kill(os.getpid(), 9)
sys.addaudithook(count)
{act}
"""
PASTE = KILLED.format(before="", act='login_files.paste("token", "sk-ant-oat01-new", folder, own)')
REFUSE = """
before = login_files.Before(folder, own)
login_files.paste("token", "sk-ant-oat01-refused", folder, own)
before.another_is_stored()
"""
PUT_BACK = KILLED.format(before=REFUSE, act="before.put_back()")


def status_of(program: str, places: Installation, step: int) -> int:
    command = [sys.executable, "-c", program, str(places.config_dir), str(places.own_config), str(step)]
    return subprocess.run(command, cwd=ROOT, check=False, timeout=30).returncode


def test_a_paste_that_is_killed_at_any_step_leaves_one_login_whole(places: Installation):  # threats 34, 38
    killed = 0
    for step in range(1, 60):
        subscription(places)
        done = status_of(PASTE, places, step)
        assert credentials(places) in (login_files.LOGIN, login_files.PASTED)
        if done == 0:
            break
        assert done == -signal.SIGKILL
        killed += 1
    assert killed > 5
    login_files.tidy(places.config_dir)
    assert {path.name for path in places.config_dir.iterdir()} <= {login_files.PASTED, login_files.CONFIG}
    assert with_login(places).passed == {"CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-new"}


@pytest.mark.parametrize("login", [subscription, api_key])
def test_a_putting_back_that_is_killed_at_any_step_leaves_one_login_whole(
    places: Installation, login: Callable
):  # threats 34, 38
    (name, variables), killed = LOGINS[login], 0
    for step in range(1, 60):
        login(places)
        done = status_of(PUT_BACK, places, step)
        refused = (login_files.PASTED, {"CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-refused"})
        assert (credentials(places), with_login(places).passed) in ((name, variables), refused)
        if done == 0:
            break
        assert done == -signal.SIGKILL
        killed += 1
    assert killed > 5
    login_files.tidy(places.config_dir)
    assert (credentials(places), with_login(places).passed) == (name, variables)
    assert {path.name for path in places.config_dir.iterdir()} <= {name, login_files.CONFIG}


def test_a_file_that_cannot_be_read_keeps_nobody_from_signing_in(places: Installation):
    put(places.config_dir / ".credentials.json", OAUTH)
    (places.config_dir / ".claude.json").mkdir()
    before = login_files.Before(places.config_dir, places.own_config)
    (places.config_dir / ".claude.json").rmdir()
    token(places)
    before.another_is_stored()
    assert before.put_back()
    assert credentials(places) == login_files.LOGIN
    assert repr(before).count("sk-ant") == 0

"""The wizard's engine with the real CLI, both versions, over the sandbox's OAuth.

`pytest tests/claude/test_login_cli.py --wizard-runs 100` does the long form of the last but one test.
"""

import gc
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from app.claude import login_files
from app.claude.account import credentials
from app.claude.command import Installation
from app.claude.login import Login, LoginStatus, sign_out
from app.claude.worker import Worker, installed_version
from app.errors import InvalidRequest
from tests.support.cli import VERSIONS, claude_binary
from tests.support.gateway import running_gateway
from tests.support.login import EMAIL, authorise, code_on, log_in
from tests.support.processes import children, descendants, open_files, wait_until
from tests.support.sandbox import ROOT, Sandbox

FOLDERS = ("config", "home", "empty", "tmp")


def installation(folder: Path, sandbox: Sandbox, version: str) -> Installation:
    for name in FOLDERS:
        (folder / name).mkdir(exist_ok=True, parents=True)
    network = {"HTTPS_PROXY": sandbox.proxy, "NODE_EXTRA_CA_CERTS": sandbox.ca}
    return Installation(claude_binary(version), *[folder / name for name in FOLDERS], passed=network)


@pytest.fixture(params=VERSIONS)
def place(request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path: Path) -> Installation:
    return installation(tmp_path, sandbox, request.param)


@pytest.fixture
def login(place: Installation) -> Iterator[Login]:
    wizard = Login(place, lambda: None)
    yield wizard
    wizard.close()


def until(login: Login, *states: str) -> LoginStatus:
    deadline = time.monotonic() + 60
    status = login.status()
    while status.state not in states:
        assert time.monotonic() < deadline, f"still {status}"
        status = login.wait(status.version, 1)
    return status


def opened(login: Login, method: str = "claudeai", holder: str = "anna", **options: str) -> LoginStatus:
    login.start(method, holder, **options)
    status = until(login, "awaiting_code", "failed")
    assert status.state == "awaiting_code", status
    return status


def pasted(login: Login, code: str, holder: str = "anna") -> LoginStatus:
    login.submit(code, holder)
    return until(login, "succeeded", "refused", "failed", "expired", "awaiting_code")


def code_for(sandbox: Sandbox, status: LoginStatus) -> str:
    return code_on(authorise(sandbox, status.url).text)


# ---- each way to sign in


@pytest.mark.parametrize(
    ("method", "host", "file"),
    [
        ("claudeai", "claude.com", ".credentials.json"),
        ("console", "platform.claude.com", ".claude.json"),
        ("sso", "claude.com", ".credentials.json"),
    ],
)
def test_a_sign_in(sandbox: Sandbox, place: Installation, login: Login, method: str, host: str, file: str):  # threat 30
    status = opened(login, method, email="me@firm.example")
    parts = urlsplit(status.url)
    query = parse_qs(parts.query)
    assert (parts.scheme, parts.netloc, query["login_hint"]) == ("https", host, ["me@firm.example"])
    assert (query["code_challenge_method"], len(query["state"][0])) == (["S256"], 43)
    assert pasted(login, code_for(sandbox, status)).state == "succeeded"
    assert credentials(place) == file
    account = json.loads((place.config_dir / ".claude.json").read_text())["oauthAccount"]
    assert account["emailAddress"] == EMAIL
    assert list(place.temp_dir.iterdir()) == list(place.empty_dir.iterdir()) == []


def test_a_code_that_anthropic_refuses(sandbox: Sandbox, place: Installation, login: Login):
    status = opened(login)
    code = code_for(sandbox, status)
    sandbox.state(refuse_next_code=True)
    status = pasted(login, code)
    assert status.state == "refused"
    assert status.message.startswith("Anthropic did not accept the code. The claude CLI says: ")
    assert code.split("#")[0] not in status.message
    assert credentials(place) is None


def test_a_code_of_an_earlier_attempt(sandbox: Sandbox, login: Login):  # threat 27
    code = code_for(sandbox, opened(login))
    opened(login)
    with pytest.raises(InvalidRequest, match="from another sign-in attempt"):
        login.submit(code, "anna")


def test_anthropic_cannot_be_reached(sandbox: Sandbox, place: Installation):
    cut_off = Login(replace(place, passed={"HTTPS_PROXY": "http://127.0.0.1:9"}), lambda: None)
    status = opened(cut_off)
    status = pasted(cut_off, code_for(sandbox, status))
    assert status.state == "failed"
    assert "ECONNREFUSED" in status.message


# ---- signing out


def test_signing_out_revokes_the_login(sandbox: Sandbox, place: Installation, login: Login):  # threat 37
    assert pasted(login, code_for(sandbox, opened(login))).state == "succeeded"
    token = json.loads((place.config_dir / ".credentials.json").read_text())["claudeAiOauth"]["accessToken"]
    seen = sandbox.requests()[-1]["n"]
    sign_out(place)
    assert "/v1/oauth/token/revoke" in {entry["path"] for entry in sandbox.requests(seen)}
    assert credentials(place) is None
    left = "".join(file.read_text() for file in place.config_dir.rglob("*") if file.is_file())
    assert EMAIL not in left
    assert token not in left


def test_signing_out_works_when_anthropic_cannot_be_reached(  # threat 37
    sandbox: Sandbox, place: Installation, login: Login
):
    assert pasted(login, code_for(sandbox, opened(login))).state == "succeeded"
    said = sign_out(replace(place, passed={"HTTPS_PROXY": "http://127.0.0.1:9"}))
    assert credentials(place) is None
    if "2.1.197" not in str(place.binary):
        assert "Anthropic didn't confirm the login was revoked" in said


# ---- the processes that serve


@pytest.mark.parametrize("version", VERSIONS)
def test_spare_processes_follow_the_login(sandbox: Sandbox, tmp_path: Path, version: str):
    place = installation(tmp_path, sandbox, version)
    wizard = Login(place, lambda: None)
    numbers = installed_version(place)

    def sign_in(method: str, text: str = "") -> None:
        status = opened(wizard, method)
        assert pasted(wizard, text or code_for(sandbox, status)).state == "succeeded"

    started: list[Worker] = []

    def start() -> Worker:
        started.append(Worker(place, numbers, "sonnet"))
        return started[-1]

    try:
        signed_out = start()
        assert signed_out.usable
        sign_in("token", "sk-ant-oat01-" + "t" * 40)
        token = start()
        sign_in("api_key", "sk-ant-api03-" + "k" * 40)
        key = start()
        sign_in("claudeai")
        subscription = start()
        assert [worker.usable for worker in started] == [False, False, False, True]
        assert variable(token) == "CLAUDE_CODE_OAUTH_TOKEN"
        assert variable(key) == "ANTHROPIC_API_KEY"
        assert variable(subscription) == ""
        sign_in("claudeai")
        assert subscription.usable, "it reads its login anew at each message"
        sign_in("console")
        assert not subscription.usable
    finally:
        for worker in started:
            worker.close()
        wizard.close()


def variable(worker: Worker) -> str:
    environ = Path(f"/proc/{worker.pid}/environ").read_text().split("\0")
    names = {entry.partition("=")[0] for entry in environ}
    return " ".join(names & set(login_files.VARIABLES.values()))


@pytest.mark.parametrize(("method", "version"), [("token", "2.1.330"), ("console", "2.1.330"), ("console", "2.1.197")])
def test_the_gateway_answers_by_what_was_chosen(sandbox: Sandbox, tmp_path: Path, method: str, version: str):
    """Signed in beside the gateway, as the operator's shell does."""
    data = tmp_path / "data"
    place = installation(tmp_path / "shell", sandbox, version)
    place = replace(place, config_dir=tmp_path / "login")
    place.config_dir.mkdir()
    environ = {
        "HTTPS_PROXY": sandbox.proxy,
        "NODE_EXTRA_CA_CERTS": sandbox.ca,
        "GATEWAY_CLAUDE_CONFIG_DIR": str(place.config_dir),
        "GATEWAY_DATA_DIR": str(data),
    }
    with running_gateway(None, tmp_path, version=version, environ=environ, ready=False) as gateway:
        assert gateway.chat("hi").json()["error"]["code"] == "not_signed_in"
        wizard = Login(place, lambda: None)
        status = opened(wizard, method)
        code = code_for(sandbox, status) if method == "console" else a_token(sandbox, tmp_path / "elsewhere")
        assert pasted(wizard, code).state == "succeeded"
        with gateway.http() as client:
            wait_until(lambda: client.get("/health/ready").status_code == 200, 10, "the gateway is ready")
        seen = sandbox.requests()[-1]["n"]
        answer = gateway.chat('[[sandbox: {"words": 2}]]')
        assert answer.status_code == 200, answer.text
        assert answer.json()["choices"][0]["message"]["content"] == "w0 w1"
        assert EMAIL not in json.dumps([entry["body"] for entry in sandbox.messages(seen)])
        sign_out(place)
        assert gateway.chat("hi").json()["error"]["code"] == "not_signed_in"


def a_token(sandbox: Sandbox, folder: Path) -> str:
    """As good as one of `claude setup-token`: an access token of a login that was made elsewhere."""
    log_in(folder, sandbox)
    return json.loads((folder / "config/.credentials.json").read_text())["claudeAiOauth"]["accessToken"]


# ---- many times


def helpers(pid: int) -> list[int]:
    return [found for found in descendants(pid) if "login_helper" in command_of(found)]


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def succeed(login: Login, sandbox: Sandbox) -> str:
    return pasted(login, code_for(sandbox, opened(login))).state


def bad_code(login: Login, sandbox: Sandbox) -> str:
    opened(login)
    with pytest.raises(InvalidRequest):
        login.submit("garbage", "anna")
    return login.abandon("anna").state


def refused(login: Login, sandbox: Sandbox) -> str:
    code = code_for(sandbox, opened(login))
    sandbox.state(refuse_next_code=True)
    return pasted(login, code).state


def abandoned(login: Login, sandbox: Sandbox) -> str:
    login.start("claudeai", "anna")
    time.sleep(0.3)
    return login.abandon("anna").state


def killed_helper(login: Login, sandbox: Sandbox) -> str:
    opened(login)
    os.kill(helpers(os.getpid())[0], signal.SIGKILL)
    return until(login, "failed").state


def killed_cli(login: Login, sandbox: Sandbox) -> str:
    opened(login)
    (cli,) = children(helpers(os.getpid())[0])
    os.kill(cli, signal.SIGKILL)
    return until(login, "failed").state


RUNS: dict[Callable[[Login, Sandbox], str], str] = {
    succeed: "succeeded",
    bad_code: "idle",
    refused: "refused",
    abandoned: "idle",
    killed_helper: "failed",
    killed_cli: "failed",
}


def held() -> tuple[int, int, set[int]]:
    """What earlier tests have let go of may be closed at any time: it is, before it is counted."""
    gc.collect()
    return open_files(os.getpid()), threading.active_count(), descendants(os.getpid())


def test_many_sign_ins_leave_nothing_behind(  # threats 24, 28, 38
    sandbox: Sandbox, tmp_path: Path, pytestconfig: pytest.Config
):
    runs = pytestconfig.getoption("--wizard-runs")
    places = [installation(tmp_path / version, sandbox, version) for version in VERSIONS]
    wizards = [Login(place, lambda: None) for place in places]
    before = held()
    for number in range(runs):
        run = list(RUNS)[number % len(RUNS)]
        wizard = wizards[number // len(RUNS) % len(wizards)]
        assert run(wizard, sandbox) == RUNS[run], f"run {number}: {run.__name__}"
    for wizard in wizards:
        wizard.close()
    wait_until(
        lambda: all(now <= then for now, then in zip(held(), before, strict=True)),
        20,
        "no process, no thread, no descriptor is left",
    )
    for place in places:
        assert list(place.temp_dir.iterdir()) == []
        assert {file.name for file in place.config_dir.iterdir()} <= {".credentials.json", ".claude.json"}
        assert sign_out(place) is not None, "no lock is left"


# ---- under gevent

GREENLETS = textwrap.dedent("""
    from gevent import monkey
    monkey.patch_all()
    import json, sys, threading, time
    from pathlib import Path
    from app.claude.command import Installation
    from app.claude.login import Login, sign_out
    binary, folder, proxy, ca = sys.argv[1:]
    places = [Path(folder, name) for name in ("config", "home", "empty", "tmp")]
    network = {"HTTPS_PROXY": proxy, "NODE_EXTRA_CA_CERTS": ca}
    login = Login(Installation(Path(binary), *places, passed=network), lambda: None)
    gaps, over = [], False
    def beat():
        last = time.monotonic()
        while not over:
            time.sleep(0.005)
            now = time.monotonic()
            gaps.append(now - last)
            last = now
    beating = threading.Thread(target=beat)
    beating.start()
    status = login.start("claudeai", "anna")
    while status.state != "succeeded":
        if status.state == "awaiting_code":
            print(json.dumps({"url": status.url}), flush=True)
            # Standard input is a file of the system's: reading it would stop the loop.
            while not Path(folder, "code").exists():
                time.sleep(0.05)
            status = login.submit(Path(folder, "code").read_text(), "anna")
        status = login.wait(status.version, 30)
        assert status.state in ("starting", "awaiting_code", "verifying", "succeeded"), status
    login.start("claudeai", "anna")
    login.close()
    sign_out(login._installation)
    over = True
    beating.join()
    print(json.dumps({"state": status.state, "late": sum(gap > 0.055 for gap in gaps), "beats": len(gaps)}), flush=True)
""")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_sign_in_under_gevent_stops_no_other_greenlet(  # threats 28, 67
    sandbox: Sandbox, tmp_path: Path, version: str
):
    installation(tmp_path, sandbox, version)
    command = [sys.executable, "-c", GREENLETS, str(claude_binary(version)), str(tmp_path), sandbox.proxy, sandbox.ca]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            url = json.loads(process.stdout.readline())["url"]
            (tmp_path / "new").write_text(code_on(authorise(sandbox, url).text))
            (tmp_path / "new").rename(tmp_path / "code")
            told = json.loads(process.stdout.readline())
        finally:
            process.kill()
    assert told["state"] == "succeeded"
    assert list((tmp_path / "config").glob(".credentials.json")) == []
    assert told["late"] <= max(3, told["beats"] // 50), told

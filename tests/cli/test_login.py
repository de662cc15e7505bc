"""Signing the real CLI in and out from the shell, over the sandbox."""

import json
import os
import re
import signal
from pathlib import Path

import pexpect
import pytest

from tests.support.admin import ENVIRON, administrator
from tests.support.cli import VERSIONS, claude_binary
from tests.support.gateway import running_gateway
from tests.support.login import EMAIL, authorise, code_on
from tests.support.processes import alive, descendants, wait_until
from tests.support.sandbox import Sandbox
from tests.support.shell import Shell, shell_of


def network(sandbox: Sandbox, version: str = "2.1.330") -> dict[str, str]:
    binary = str(claude_binary(version))
    return {"HTTPS_PROXY": sandbox.proxy, "NODE_EXTRA_CA_CERTS": sandbox.ca, "GATEWAY_CLAUDE_BIN": binary}


@pytest.fixture
def shell(tmp_path: Path, sandbox: Sandbox) -> Shell:
    (tmp_path / "data").mkdir(mode=0o700)
    return shell_of(tmp_path, **network(sandbox))


def opened(shell: Shell, *arguments: str) -> tuple[pexpect.spawn, str]:
    terminal = shell.on_terminal("login", *arguments)
    terminal.expect(r"(https://\S+)\r\n")
    link = terminal.match[1]
    terminal.expect("Code: ")
    return terminal, link


def pasted(terminal: pexpect.spawn, text: str) -> tuple[int, str]:
    terminal.sendline(text)
    terminal.expect(pexpect.EOF)
    terminal.close()
    return terminal.exitstatus, terminal.before


def sign_in(shell: Shell, sandbox: Sandbox, *arguments: str) -> tuple[int, str]:
    terminal, link = opened(shell, *arguments)
    return pasted(terminal, code_on(authorise(sandbox, link).text))


def state(shell: Shell, *arguments: str) -> dict:
    return json.loads(shell.run("status", "--json", *arguments).stdout)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_gateway_that_runs_takes_the_login_and_its_end(tmp_path: Path, sandbox: Sandbox, version: str):
    environ = network(sandbox, version) | ENVIRON
    with running_gateway(None, tmp_path, version=version, environ=environ, ready=False) as gateway:
        shell = shell_of(tmp_path, **environ)
        assert gateway.chat("hi").status_code == 503

        status, said = sign_in(shell, sandbox, "--email", EMAIL)
        assert (status, "Signed in: a test question was answered." in said) == (0, True), said
        with gateway.http() as client:
            wait_until(lambda: client.get("/health/ready").status_code == 200, 10, "the gateway is ready")
        with administrator(gateway) as admin:
            wait_until(
                lambda: admin.script("GET", "/admin/api/status").json()["auth"]["state"] == "connected",
                10,
                "the gateway knows of the shell's question",
            )
        assert gateway.chat('[[sandbox: {"words": 2}]]').json()["choices"][0]["message"]["content"] == "w0 w1"
        told = state(shell)["auth"]
        assert (told["state"], told["account"], told["method"]) == ("connected", EMAIL, "subscription")
        assert "answered in" in shell.run("status", "--test").stdout

        assert "Claude is signed out." in shell.run("logout").stderr
        assert gateway.chat("hi").json()["error"]["code"] == "not_signed_in"
        assert state(shell)["auth"]["state"] == "signed_out"
        tried = shell.run("status", "--test", status=1).stdout
        assert "NOT answered" in tried
        assert "/auth" not in tried  # this is where one signs in


def test_a_code_is_asked_for_again_and_a_refused_one_told(shell: Shell, sandbox: Sandbox):
    terminal, link = opened(shell)
    terminal.sendline("half a code")
    terminal.expect("This is not the whole code.")
    terminal.expect("Code: ")
    sandbox.state(refuse_next_code=True)
    status, said = pasted(terminal, code_on(authorise(sandbox, link).text))
    assert status == 1
    assert "Error: Anthropic did not accept the code." in said
    assert state(shell)["auth"]["state"] == "signed_out"


def test_a_login_that_answers_nothing_is_no_success(shell: Shell, sandbox: Sandbox):  # threat 36
    terminal, link = opened(shell)
    code = code_on(authorise(sandbox, link).text)
    sandbox.script(match="Say hello in one short sentence", status=401)
    try:
        status, said = pasted(terminal, code)
    finally:
        sandbox.clear()
    assert status == 1
    assert "Anthropic accepted the sign-in, but refused the login that it gave. It was not kept" in said
    assert state(shell)["auth"]["state"] == "signed_out"


def test_a_key_that_is_refused_gives_way_to_the_one_before(shell: Shell, sandbox: Sandbox):  # threat 36
    good, bad = ("sk-ant-api03-" + word * 5 for word in ("sandbox", "invalid"))
    with_api = Shell({**shell.environ, "ANTHROPIC_BASE_URL": sandbox.api, "NO_PROXY": "127.0.0.1"})
    with_api.run("login", "--method", "api_key", given=good + "\n")
    said = with_api.run("login", "--method", "api_key", given=bad + "\n", status=1).stderr
    assert "Anthropic refused this API key. It was not kept: the login from before is in force again." in said
    assert "/auth" not in said
    assert state(with_api)["auth"]["state"] == "connected"
    assert with_api.run("status", "--test").stdout.count("NOT answered") == 0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
def test_one_that_is_given_up_leaves_nothing(shell: Shell, tmp_path: Path, how: int):  # threat 38
    terminal, _ = opened(shell)
    others = descendants(terminal.pid)
    assert others
    os.kill(terminal.pid, how)
    terminal.expect(pexpect.EOF)
    wait_until(lambda: not any(map(alive, others)), 10, "what it has started is gone")
    assert list((tmp_path / "data/claude").iterdir()) == []
    # And nothing is locked.
    opened(shell)[0].close()


def test_one_at_a_time(shell: Shell):  # threat 27
    first, _ = opened(shell)
    assert "Someone signs in already" in shell.run("login", status=1).stderr
    assert "Someone signs in already" in shell.run("logout", status=1).stderr
    first.close(force=True)


def test_an_api_key_from_a_pipe(shell: Shell, sandbox: Sandbox):  # threat 32
    key = "sk-ant-api03-" + "sandbox" * 5
    with_api = Shell({**shell.environ, "ANTHROPIC_BASE_URL": sandbox.api, "NO_PROXY": "127.0.0.1"})
    done = with_api.run("login", "--method", "api_key", given=key + "\n")
    assert "Signed in: a test question was answered." in done.stderr
    assert key not in done.stderr + done.stdout
    told = state(with_api)["auth"]
    assert (told["state"], told["method"]) == ("connected", "api_key")
    assert "begins with sk-ant-oat01-" in shell.run("login", "--method", "token", given=key, status=1).stderr


def test_the_last_good_copy_is_brought_back(tmp_path: Path, sandbox: Sandbox):  # threat 34
    environ = network(sandbox)
    shell = shell_of(tmp_path, **environ)
    file = tmp_path / "data/claude/.credentials.json"
    with running_gateway(None, tmp_path, environ=environ, ready=False) as gateway:
        status, said = sign_in(shell, sandbox)
        assert status == 0, said
        assert gateway.chat('[[sandbox: {"words": 2}]]').status_code == 200
        good = file.read_bytes()
        copy = tmp_path / "data/login-copy/credentials.json"
        wait_until(lambda: copy.exists() and copy.read_bytes() == good, 15, "a copy is kept")
        file.write_bytes(good[:50])
        fix = re.search(r"python -m app.cli (.*)", shell.run("status").stdout)[1]
        assert fix == "login --restore"
        shell.run(*fix.split())
        assert file.read_bytes() == good
        # A spare process may have read the broken file; it is ended with the request that it fails.
        question = '[[sandbox: {"words": 2}]]'
        wait_until(lambda: gateway.chat(question).status_code == 200, 20, "the restored login answers")

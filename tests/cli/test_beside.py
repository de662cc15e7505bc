"""The shell beside a running gateway, which is not restarted: it takes what the shell has done at once."""

import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support import stub_claude
from tests.support.admin import ENVIRON, PASSWORD, administrator
from tests.support.gateway import MASTER_KEY, Gateway, running_gateway
from tests.support.processes import alive, wait_until
from tests.support.sandbox import NO_TLS, ROOT
from tests.support.shell import COMMAND, Shell, shell_of

NEW_PASSWORD = "nine tame otters in a boat"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    environ = {
        "GATEWAY_CLAUDE_BIN": str(stub_claude.install(tmp_path / "bin")),
        "ANTHROPIC_API_KEY": "sk-ant-api03-none",
        "GATEWAY_POOL__WARM": "1",
    }
    with running_gateway(None, tmp_path, environ=environ | ENVIRON) as running:
        yield running


@pytest.fixture
def shell(gateway: Gateway, tmp_path: Path) -> Shell:
    return shell_of(tmp_path, GATEWAY_CLAUDE_BIN=str(tmp_path / "bin/claude"))


def status_with(gateway: Gateway, key: str) -> int:
    headers = {"Authorization": f"Bearer {key}"}
    url = f"{gateway.url}/v1/models"
    return httpx.get(url, headers=headers, timeout=10, trust_env=False, verify=NO_TLS).status_code


def test_a_rotation_is_in_force_at_once(gateway: Gateway, shell: Shell):  # threats 43, 44
    pid = gateway.worker_pid
    done = shell.run("rotate", "--grace", "1h")
    new = done.stdout.strip()
    assert (status_with(gateway, new), status_with(gateway, MASTER_KEY)) == (200, 200)
    assert "is valid until" in done.stderr

    told = json.loads(shell.run("rotate", "--extend-until", "3s", "--json").stdout)
    assert told["expires_at"] - time.time() < 3
    wait_until(lambda: status_with(gateway, MASTER_KEY) == 401, 10, "the old key is at its end")
    assert status_with(gateway, new) == 200

    shell.run("rotate", "--grace", "0")
    assert status_with(gateway, new) == 401
    assert gateway.worker_pid == pid


def test_requests_go_on_while_the_shell_rotates(gateway: Gateway, shell: Shell):  # threat 43
    refused, stop = [], threading.Event()

    def go_on() -> None:
        while not stop.is_set():
            if status_with(gateway, MASTER_KEY) != 200:
                refused.append(time.time())

    asking = threading.Thread(target=go_on)
    asking.start()
    try:
        keys = [shell.run("rotate", "--grace", "1h").stdout.strip()]
        keys.append(shell.run("keys", "create", "a wiki").stdout.strip())
    finally:
        stop.set()
        asking.join()
    assert refused == []
    assert [status_with(gateway, key) for key in keys] == [200, 200]


def test_an_applications_key_is_made_disabled_and_revoked(gateway: Gateway, shell: Shell):  # threat 44
    made = json.loads(shell.run("keys", "create", "a wiki", "--model", "sonnet", "--json").stdout)
    assert status_with(gateway, made["key"]) == 200
    for change, status in (("--disable", 401), ("--enable", 200)):
        shell.run("keys", "edit", made["id"], change)
        assert status_with(gateway, made["key"]) == status
    shell.run("keys", "revoke", made["id"])
    assert status_with(gateway, made["key"]) == 401


def test_a_new_password_ends_every_session(gateway: Gateway, shell: Shell):  # threat 53
    with administrator(gateway) as admin:
        admin.sign_in()
        assert admin.get("/admin/keys").status_code == 200
        (session,) = json.loads(shell.run("sessions", "list", "--json").stdout)["sessions"]
        assert session["address"] == "127.0.0.1"
        shell.run("reset-admin", "--password-file", "-", given=NEW_PASSWORD)
        assert admin.get("/admin/keys").status_code == 302
        assert admin.script("GET", "/admin/api/status").status_code == 401
        assert admin.script("GET", "/admin/api/status", password=NEW_PASSWORD).status_code == 200
        assert admin.sign_in(NEW_PASSWORD).status_code == 200


def test_a_session_is_ended(gateway: Gateway, shell: Shell):
    with administrator(gateway) as admin:
        for ends in (lambda session: ("end", session["id"]), lambda _: ("end-all",)):
            admin.sign_in()
            assert admin.get("/admin/keys").status_code == 200
            (session,) = json.loads(shell.run("sessions", "list", "--json").stdout)["sessions"]
            assert session["id"] in shell.run("sessions", "list").stdout
            shell.run("sessions", *ends(session))
            assert admin.get("/admin/keys").status_code == 302


def test_both_write_one_audit_log(gateway: Gateway, shell: Shell):  # threat 61
    with administrator(gateway) as admin:
        admin.sign_in()
        for number in range(3):
            shell.run("keys", "create", f"of the shell {number}")
            assert admin.call("POST", "/admin/api/keys", {"name": f"of the browser {number}"}).status_code == 201
        told = admin.call("GET", "/admin/api/audit/verify").json()
        entries = admin.call("GET", "/admin/api/audit").json()["entries"]
    assert told["ok"]
    assert json.loads(shell.run("audit", "verify", "--json").stdout) == told
    assert json.loads(shell.run("audit", "list", "--json").stdout)["entries"] == entries
    assert {entry["actor"].split(" ")[0] for entry in entries} == {"admin", "shell"}


def test_what_is_told_has_the_shape_of_the_api(gateway: Gateway, shell: Shell):
    with administrator(gateway) as admin:
        status = admin.script("GET", "/admin/api/status").json()
        made = admin.script("POST", "/admin/api/keys", {"name": "one"}).json()
        key = admin.script("GET", f"/admin/api/keys/{made['id']}").json()
        rotated = admin.script("POST", "/admin/api/master-key/rotate", {"grace_seconds": 60}).json()
    told = json.loads(shell.run("status", "--json").stdout)
    for part in ("auth", "volume"):
        assert told[part].keys() == status[part].keys()
    assert json.loads(shell.run("keys", "show", made["id"], "--json").stdout) == key
    assert json.loads(shell.run("keys", "create", "two", "--json").stdout).keys() == made.keys()
    other = shell.run("rotate", "--give-up-previous", "--json").stdout
    assert json.loads(other).keys() == rotated.keys()
    assert rotated["id"] in shell.run("keys", "show", rotated["id"]).stdout


def test_a_pasted_secret_is_on_no_command_line(gateway: Gateway, shell: Shell):  # threat 32
    """Nor is a password: everything that runs meanwhile is looked at."""
    seen: set[str] = set()
    secret = "sk-ant-api03-" + "CANARY" * 8
    commands = [
        ([*COMMAND, "login", "--method", "api_key"], secret),
        ([*COMMAND, "reset-admin", "--password-file", "-"], PASSWORD + " twice"),
    ]
    for command, given in commands:
        with subprocess.Popen(
            command,
            cwd=ROOT,
            env=dict(shell.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            process.stdin.write(given + "\n")
            process.stdin.close()
            while process.poll() is None:
                seen |= {text for text in map(_command_line, Path("/proc").glob("[0-9]*")) if text}
                time.sleep(0.02)
            assert given not in process.stdout.read()
        assert not alive(process.pid)
    assert any("reset-admin" in line for line in seen)
    assert [line for line in seen if secret in line or PASSWORD in line] == []
    log = gateway.log.read_text() + (gateway.data_dir / "audit.jsonl").read_text()
    assert re.findall(f"{secret}|{PASSWORD}", log) == []


def _command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""

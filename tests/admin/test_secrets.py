"""Nothing secret is left in a log, the audit log or the database, after a run in which all of it was used."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.admin import Admin, administrator, set_up_link, stubbed_gateway
from tests.support.gateway import Gateway
from tests.support.stub_sign_in import CODE

PASSWORD = "CANARY-password of nine cold rivers"
NEXT_PASSWORD = "CANARY-password of ten warm lakes"
WRONG_PASSWORD = "CANARY-wrong password of nobody"
MASTER = "sk-CANARY-master-0123456789abcdef"
TOKEN = "sk-ant-oat01-" + "CANARY" * 5
UNKNOWN = "sk-CANARY-unknown-0123456789abcdef"
ENVIRON = {"GATEWAY_MASTER_KEY": MASTER, "GATEWAY_LOG_LEVEL": "debug"}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with stubbed_gateway(tmp_path_factory.mktemp("secrets"), environ=ENVIRON) as running:
        yield running


def reaches(admin: Admin, state: str) -> None:
    deadline = time.monotonic() + 30
    while (told := admin.call("GET", "/admin/api/login").json())["state"] != state:
        assert time.monotonic() < deadline, str(told)
        time.sleep(0.05)


def use_everything(admin: Admin) -> list[str]:
    """Gives what nobody could know beforehand."""
    link = set_up_link(admin.gateway.log.read_text())
    secrets = []
    admin.get(link)
    admin.post("/setup", token=link.partition("=")[2])
    admin.post("/setup", step="password", password=PASSWORD, repeat=PASSWORD + "x")
    admin.post("/setup", step="password", password=PASSWORD, repeat=PASSWORD)
    for step in ("connect", "key", "test"):
        admin.post("/setup", step=step, action="skip", stored="1")
    secrets += [admin.client.cookies["postern"], admin.csrf_token]
    for method, text in (("claudeai", CODE), ("token", TOKEN)):
        admin.call("POST", "/admin/api/login", {"method": method})
        reaches(admin, "awaiting_code")
        admin.call("POST", "/admin/api/login/code", {"code": text + "wrong!"})
        admin.call("POST", "/admin/api/login/code", {"code": text})
        reaches(admin, "succeeded")
    secrets.append(admin.call("POST", "/admin/api/keys", {"name": "one"}).json()["key"])
    rotated = admin.script("POST", "/admin/api/master-key/rotate", {"grace_seconds": 60}, password=PASSWORD)
    secrets.append(rotated.json()["key"])
    for key in (MASTER, UNKNOWN, *secrets[-2:]):
        for headers in ({"Authorization": f"Bearer {key}"}, {"x-api-key": key}):
            admin.client.get("/v1/models", headers=headers)
            admin.client.get("/admin/api/keys", headers=headers)
        admin.get("/admin/keys", params={"q": key})
    admin.script("GET", "/admin/api/status", password=WRONG_PASSWORD)
    admin.post("/admin/password", current=PASSWORD, password=NEXT_PASSWORD, repeat=NEXT_PASSWORD)
    secrets.append(admin.client.cookies["postern"])
    admin.post("/admin/sign-out")
    admin.post("/admin/sign-in", password=WRONG_PASSWORD)
    admin.client.post("/admin/sign-in", content=b"password=CANARY%ff\xff&x", headers={"Content-Type": "x/CANARY"})
    return secrets


def kept(gateway: Gateway) -> dict[Path, bytes]:
    """All but the CLI's own folder, and the secret key, which is one."""
    files = [gateway.log, *gateway.data_dir.glob("*"), *(gateway.data_dir / "tmp").rglob("*")]
    return {file: file.read_bytes() for file in files if file.is_file() and file.name != "secret-key"}


def test_nothing_secret_is_left_anywhere(fresh: Gateway):  # threats 32, 39, 62
    with administrator(fresh) as admin:
        secrets = [secret.encode() for secret in use_everything(admin)]
    files = kept(fresh)
    assert {"gateway.log", "audit.jsonl", "postern.sqlite"} <= {file.name for file in files}
    # The last good copy of a login is one (docs/volume.md); only its owner reads it.
    copies = [file for file in files if b"CANARY" in files[file] and file.stat().st_mode & 0o077 == 0]
    assert {file.name for file in copies} <= {"login-copy.json", "claude-login.json"}, copies
    for file, content in files.items():
        found = [secret for secret in (b"CANARY", *secrets) if secret in content]
        assert file in copies or found == [], (file, found)
    for pid in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = pid.read_bytes()
        except OSError:
            continue
        assert str(fresh.data_dir).encode() not in command or b"CANARY" not in command

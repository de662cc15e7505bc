"""`make image-test`: builds the image and runs it. No part of the suite: it takes minutes, and root."""

import json
import os
import re
import signal
import stat
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pexpect
import pytest

from tests.image.build import Builder, Image, builder
from tests.image.container import Container, Network, network, running, sandbox_command, volume
from tests.support.login import LINK, WIDE, authorise, code_on
from tests.support.processes import children, descendants, wait_until
from tests.support.sandbox import NO_TLS, ROOT, Sandbox

pytestmark = pytest.mark.timeout(1800)

URL = "http://127.0.0.1:4000"
VOLUMES = ("/var/lib/claude-auth", "/var/lib/gateway-data")
UNWANTED = "node npm npx gcc cc c++ g++ clang make ld as pip pip3 curl wget git"
GRACE = 45.0  # stop_grace_period in docker-compose.yml
WITHIN = 60.0


@dataclass(frozen=True)
class Images:
    builder: Builder
    gateway: Image
    demo: Image


@pytest.fixture(scope="module")
def images(request: pytest.FixtureRequest) -> Iterator[Images]:
    assert os.geteuid() == 0, "the image can be built here by root only"
    with builder() as build:
        build.make_base()
        gateway, demo = build.make("gateway"), build.make("demo")
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            for image in (gateway, demo):
                print(f"\n{image.name}: {image.bytes / 1e6:.0f} MB, built in {image.seconds:.0f} s")
        yield Images(build, gateway, demo)


@pytest.fixture(scope="module")
def place() -> Iterator[Network]:
    with network() as made:
        yield made


@pytest.fixture(scope="module")
def sandbox(place: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    directory = tmp_path_factory.mktemp("sandbox")
    directory.chmod(0o755)
    with place.start(sandbox_command(directory), cwd=ROOT, stdout=-1) as process:
        try:
            yield Sandbox(**json.loads(process.stdout.readline()), pid=process.pid)
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def gateway(
    images: Images, place: Network, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Container]:
    """As after the first `docker compose up`: nobody has signed in."""
    folder = tmp_path_factory.mktemp("gateway")
    volumes = {target: volume(folder / Path(target).name, images.gateway, target) for target in VOLUMES}
    certificates = folder / "certificates"  # seen in the container as what an operator mounts
    certificates.mkdir(mode=0o755)
    (certificates / "ca.pem").write_bytes(Path(sandbox.ca).read_bytes())
    way_out = {"HTTPS_PROXY": sandbox.proxy, "NODE_EXTRA_CA_CERTS": "/mnt/ca.pem"}
    with running(images.gateway, place, folder, volumes | {"/mnt": certificates}, **way_out) as container:
        wait_until(lambda: status(container, "/health/live") == 200, WITHIN, container.log.read_text())
        yield container


def call(container: Container, method: str, path: str, **options: Any) -> httpx.Response:
    return container.network.call(
        lambda: httpx.request(method, URL + path, trust_env=False, verify=NO_TLS, timeout=60, **options)
    )


def status(container: Container, path: str) -> int:
    try:
        return call(container, "GET", path).status_code
    except httpx.TransportError:
        return 0


def streamed(container: Container, key: str) -> list[str]:
    """The events of one streamed completion."""
    body = {"model": "sonnet", "stream": True, "messages": [{"role": "user", "content": "What is a postern?"}]}
    answer = call(
        container, "POST", "/v1/chat/completions", json=body, headers={"Authorization": f"Bearer {key.strip()}"}
    )
    assert answer.status_code == 200, answer.text
    return [line for line in answer.text.splitlines() if line.startswith("data: ")]


# ---- what is in it


def test_neither_node_nor_a_compiler_nor_pip_is_in_it(images: Images):  # threat 77
    for image in (images.gateway, images.demo):
        folders = [image.root / name.lstrip("/") for name in image.environment["PATH"].split(":")]
        folders += [image.root / name for name in ("usr/sbin", "usr/local/sbin")]
        found = {file.name for folder in folders for file in folder.iterdir()}
        assert {"claude", "python", "gunicorn", "tini"} <= found
        assert found & set(UNWANTED.split()) == set()


def test_no_file_lends_its_owners_rights_and_the_program_is_not_the_users(images: Images):  # threat 77
    files = [Path(folder) / name for folder, _, names in os.walk(images.gateway.root) for name in names]
    for file in files:
        info = file.lstat()
        if stat.S_ISREG(info.st_mode):
            assert not info.st_mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IWOTH), file
            assert info.st_uid != 10001, file


def test_nothing_runs_at_the_start_of_python_but_python(images: Images):  # threat 78
    for image in (images.gateway, images.demo):
        (packages,) = (image.root / "opt/venv/lib").glob("python3*/site-packages")
        assert list(packages.rglob("*.pth")) == []
        assert list(packages.glob("*customize*")) == []


def test_the_cli_is_the_pinned_one(images: Images):  # threats 25, 78
    pinned = json.loads((ROOT / "package.json").read_text())["dependencies"]["@anthropic-ai/claude-code"]
    assert images.builder.run(images.gateway, "claude", "--version").startswith(f"{pinned} ")
    assert images.builder.run(images.gateway, "id", "-u") == "10001"


def test_nothing_of_the_builder_stays(images: Images):  # threats 32, 78
    for image in (images.gateway, images.demo):
        for value in handed_in(images.builder):
            assert value not in image.history
        assert re.search(r"sk-(?!to)", image.history) is None
        assert not list((image.root / "run").rglob("*secret*/*"))
        assert (image.root / "etc/pip.conf").exists() is False or (image.root / "etc/pip.conf").read_bytes() == b""
        assert not (image.root / "build").exists()
        assert {"tests", "docs", "node_modules", ".git", ".env"}.isdisjoint(os.listdir(image.root / "app"))
    assert not (images.gateway.root / "app/sandbox").exists()


def handed_in(build: Builder) -> set[str]:
    """Addresses and folders of this machine's own configuration."""
    lines = build.secrets["pip"].read_text().splitlines() if "pip" in build.secrets else []
    values = {word for line in lines for word in line.partition(" = ")[2].split() if "/" in word}
    return values | {str(file) for file in build.secrets.values()}


def test_what_it_says_about_running_it(images: Images):  # threats 16, 77
    for image in (images.gateway, images.demo):
        config = image.config
        assert config["User"] == "10001:10001"
        assert config["Entrypoint"] == ["/usr/bin/tini", "--"]
        assert config["Healthcheck"]["Test"][0] == "CMD"
        assert config["StopSignal"] == "SIGTERM"
        assert not config.get("Volumes")
        assert not any(re.search("KEY|TOKEN|PASSWORD|SECRET|PIP|NPM|SSL", name) for name in image.environment)


# ---- how it runs


def test_it_runs_without_rights_on_a_root_that_nobody_can_write(gateway: Container):  # threat 77
    checked = []
    for pid in descendants(gateway.process.pid):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            checked.append(Path(f"/proc/{pid}/status").read_text())
    assert len(checked) >= 3
    for text in checked:
        facts = dict(re.findall(r"^(\w+):\t(.*)$", text, re.MULTILINE))
        assert set(facts["Uid"].split()) == {"10001"}
        assert {facts[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
        assert facts["NoNewPrivs"] == "1"
    for path in ("/app/x", "/opt/venv/x", "/usr/local/bin/x", "/x"):
        assert "Read-only file system" in gateway.run("sh", "-c", f": >{path}", check=False).stderr
    for path in ("/tmp/x", *(f"{target}/x" for target in VOLUMES)):
        gateway.run("sh", "-c", f": >{path} && rm {path}")
    assert "Permission denied" in gateway.run("sh", "-c", "cp /usr/bin/id /tmp && /tmp/id", check=False).stderr


def test_it_listens_and_its_health_check_sees_it(gateway: Container):
    listening = Path(f"/proc/{gateway.init}/net/tcp").read_text()
    assert "00000000:0FA0" in listening  # 0.0.0.0:4000
    gateway.run(*gateway.image.config["Healthcheck"]["Test"][1:])
    ready = call(gateway, "GET", "/health/ready")
    assert (ready.status_code, ready.json()["ready"]) == (503, False)


ORPHANS = """
import os, time
for code in (3, 4, 3, 4):
    if os.fork() == 0:
        if os.fork() == 0:
            os.closerange(0, 3)
            time.sleep(2)  # its parent is gone by then
            os._exit(code)
        os._exit(0)
    os.wait()
"""


def test_orphans_go_to_tini_and_disturb_nobody(gateway: Container):  # threat 16
    (master,) = children(gateway.init)
    assert Path(f"/proc/{gateway.init}/comm").read_text() == "tini\n"
    workers = children(master)
    gateway.run("python", "-c", ORPHANS)
    assert len(children(gateway.init)) == 5, "the four are tini's now"
    wait_until(lambda: children(gateway.init) == {master}, 5, "the orphans are reaped")
    assert children(master) == workers
    assert status(gateway, "/health/live") == 200


def test_a_login_by_hand_in_the_container_is_noticed(gateway: Container, sandbox: Sandbox):
    command = gateway.inside(["claude", "auth", "login", "--claudeai"], TERM="xterm-256color")
    terminal = pexpect.spawn(command[0], command[1:], dimensions=WIDE, encoding="utf-8", timeout=30)
    terminal.expect("Paste code here")
    page = gateway.network.call(lambda: authorise(sandbox, LINK.search(terminal.before)[0]))
    terminal.sendline(code_on(page.text))
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0, terminal.before

    found = gateway.run("stat", "-c", "%u %a", "/var/lib/claude-auth/.credentials.json").stdout
    assert found == "10001 600\n"
    account = json.loads(gateway.run("cat", "/var/lib/claude-auth/.claude.json").stdout)["oauthAccount"]
    assert account["emailAddress"]
    wait_until(lambda: status(gateway, "/health/ready") == 200, 30, "the login is noticed")
    events = streamed(gateway, gateway.run("cat", "/var/lib/gateway-data/master-key").stdout)
    assert events[-1] == "data: [DONE]"
    assert len(events) > 20


def test_the_operators_shell_works_in_it(gateway: Container):
    assert gateway.run("python", "-m", "app.cli", "status").stdout


def test_it_stops_within_the_grace_that_compose_gives(gateway: Container):  # threat 14
    drain = tomllib.loads((ROOT / "config/gateway.toml").read_text())["http"]["drain"]
    assert drain + 10 < GRACE
    everyone = descendants(gateway.process.pid)
    took = gateway.stop(GRACE)
    assert took < 10, "nothing was running, so nothing was to be waited for"
    assert gateway.ended in (0, 128 + signal.SIGTERM)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in everyone), 5, "nothing is left")


# ---- the demo


def test_the_demo_streams_an_answer_without_a_network(images: Images, tmp_path: Path):
    with network() as place:
        volumes = {"/app/var": volume(tmp_path / "var", images.demo, "/app/var")}
        with running(images.demo, place, tmp_path, volumes) as container:
            wait_until(lambda: container.says("Ctrl-C stops everything"), 120, container.log.read_text())
            listening = Path(f"/proc/{container.init}/net/tcp").read_text()
            assert "00000000:0FA0" in listening
            assert "00000000:0FAA" in listening  # the sandbox's pages, on 4010
            key = container.run("cat", "var/demo/data/master-key").stdout
            events = streamed(container, key)
            assert events[-1] == "data: [DONE]"
            assert len(events) > 20
            assert "sandbox" in "".join(events)
            container.run(*images.demo.config["Healthcheck"]["Test"][1:])
            assert key.strip() not in container.log.read_text()  # threat 32
            assert container.stop(GRACE) < 15

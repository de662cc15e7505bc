"""What the image's and Compose's files say. `make image-test` builds the image and runs it."""

import base64
import hashlib
import io
import json
import re
import subprocess
import tarfile
import tomllib
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from scripts import fetch_cli, healthcheck
from tests.support.sandbox import ROOT

COMPOSE = ("docker-compose.yml", "deploy/compose.nginx.yml", "deploy/compose.caddy.yml")


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def block(text: str, key: str) -> str:
    """What stands indented below `key:` in a YAML file."""
    found = re.search(rf"^( *){re.escape(key)}:.*\n((?:\1 +.*\n|\s*\n)*)", text, re.MULTILINE)
    assert found, key
    return found[2]


# ---- the Dockerfile


def instructions(name: str) -> list[str]:
    """Of the Dockerfile, or of one of its stages."""
    text = re.sub(r"^#.*\n", "", read("Dockerfile"), flags=re.MULTILINE).replace("\\\n", " ")
    stages = re.split(r"^FROM ", text, flags=re.MULTILINE)
    (found,) = [stage for stage in stages if stage.splitlines()[0].endswith(f" AS {name}")]
    return [re.sub(r"\s+", " ", line).strip() for line in found.splitlines()[1:] if line]


def test_the_base_is_an_argument_with_a_version():
    assert re.findall(r"^ARG BASE=(\S+)", read("Dockerfile"), re.MULTILINE) == ["docker.io/library/debian:12-slim"]
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", read("Dockerfile"), re.MULTILINE))
    sources = set(re.findall(r"^FROM (\S+)", read("Dockerfile"), re.MULTILINE))
    assert sources - {"${BASE}"} <= stages


def test_every_image_that_is_named_has_a_version():  # threat 78
    for name in COMPOSE:
        images = re.findall(r"^ +image: (\S+)$", read(name), re.MULTILINE)
        assert images
        for image in images:
            assert re.fullmatch(r"[a-z-]+:(local|\d+(\.\d+)+-alpine)", image), image


def test_the_image_runs_as_a_user_who_is_not_root():  # threat 77
    for stage in ("gateway", "demo"):
        lines = instructions(stage)
        assert lines[-2] == "USER 10001:10001", stage
        assert lines[-1].startswith("CMD ["), stage


def test_tini_is_process_1_and_the_gateway_its_child():  # threat 16
    assert 'ENTRYPOINT ["/usr/bin/tini", "--"]' in instructions("runtime")
    assert 'CMD ["gunicorn", "-c", "config/gunicorn.conf.py", "wsgi:app"]' in instructions("gateway")
    version = re.search(r"^gunicorn==(\d+)\.(\d+)", read("requirements.txt"), re.MULTILINE)
    assert tuple(map(int, version.groups())) >= (26, 1)


def test_python_packages_come_as_wheels_by_their_checksums():  # threat 78
    installs = re.findall(r"pip --python .*", read("Dockerfile").replace("\\\n", " "))
    assert len(installs) == 2
    assert all("--require-hashes" in line and "--only-binary :all:" in line for line in installs)


def test_the_cli_in_the_container_signs_in_where_the_gateway_looks():
    (environment,) = [line for line in instructions("runtime") if line.startswith("ENV ")]
    values = dict(pair.split("=", 1) for pair in environment.split()[1:])
    assert values["CLAUDE_CONFIG_DIR"] == values["GATEWAY_CLAUDE_CONFIG_DIR"] == "/var/lib/claude-auth"
    mounts = re.findall(r"- [a-z-]+:(/\S+)", block(block(read("docker-compose.yml"), "services"), "gateway"))
    assert mounts == [values["GATEWAY_CLAUDE_CONFIG_DIR"], values["GATEWAY_DATA_DIR"]]
    settings = tomllib.loads(read("config/gateway.toml"))
    assert {name.removeprefix("GATEWAY_").lower() for name in values if name.startswith("GATEWAY_")} <= settings.keys()


def test_everything_that_is_copied_is_let_into_the_build_and_nothing_else():  # threat 32
    allowed = {line[1:] for line in read(".dockerignore").splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", read("Dockerfile"), re.MULTILINE)
    assert {name for line in copied for name in line.split()} == allowed
    assert "\n*\n" in read(".dockerignore")
    assert all((ROOT / name).exists() for name in allowed)


# ---- Compose


def test_every_container_is_without_rights_and_within_limits():  # threat 77
    text = read("docker-compose.yml")
    shared = block(text, "x-container")
    for line in ("read_only: true", "cap_drop: [ALL]", 'security_opt: ["no-new-privileges:true"]', "restart:"):
        assert line in shared
    for key in ("pids_limit", "mem_limit", "tmpfs", "stop_grace_period"):
        assert re.search(rf"^  {key}: \S", shared, re.MULTILINE), key
    for service in ("gateway", "demo"):
        assert "<<: *container" in block(block(text, "services"), service)
    for name in COMPOSE[1:]:
        for line in ("read_only: true", "cap_drop: [ALL]", 'security_opt: ["no-new-privileges:true"]'):
            assert line in read(name), name


def test_running_answers_have_their_time_when_the_container_stops():  # threat 69
    drain = tomllib.loads(read("config/gateway.toml"))["http"]["drain"]
    (grace,) = re.findall(r"stop_grace_period: (\d+)s", read("docker-compose.yml"))
    assert int(grace) > drain + 10


def test_all_ports_are_published_on_loopback():
    services = block(read("docker-compose.yml"), "services")
    published = re.findall(r"(\S*):\$\{(?:PORT|SANDBOX_PORT):-\d+\}:", services)
    assert [address.strip('["') for address in published] == ["127.0.0.1"] * 3
    for name in COMPOSE[1:]:
        assert "ports: !reset []" in block(read(name), "gateway")


def test_the_link_of_the_first_start_leads_where_browsers_find_the_gateway():
    gateway = block(block(read("docker-compose.yml"), "services"), "gateway")
    assert "GATEWAY_PUBLIC_URL: http://127.0.0.1:${PORT:-4000}" in gateway
    for name in COMPOSE[1:]:
        assert "GATEWAY_PUBLIC_URL: https://${POSTERN_HOST}${POSTERN_PATH:-}" in block(read(name), "gateway")


def test_each_profile_has_one_gateway_and_the_usual_one_is_on_by_default():
    services = block(read("docker-compose.yml"), "services")
    assert "profiles: [gateway]" in block(services, "gateway")
    assert "profiles: [demo]" in block(services, "demo")
    assert re.findall(r"^(?!#)(.+)$", read(".env"), re.MULTILINE) == ["COMPOSE_PROFILES=gateway"]


def test_the_demo_shares_no_volume_with_the_gateway():
    services = block(read("docker-compose.yml"), "services")
    assert not re.search("claude-auth|gateway-data|env_file", block(services, "demo"))


def test_secrets_stay_out_of_the_repository():  # threat 32
    assert "gateway.env" in read(".gitignore").splitlines()
    assert re.findall(r"^(?!#)\S", read("gateway.env.example"), re.MULTILINE) == []


# ---- the CLI's package


def test_the_pinned_package_is_the_locks_own(tmp_path: Path):  # threats 25, 78
    version = json.loads(read("package.json"))["dependencies"]["@anthropic-ai/claude-code"]
    for machine, name in (("x86_64", "claude-code-linux-x64"), ("aarch64", "claude-code-linux-arm64")):
        package = fetch_cli.pinned(ROOT / "package-lock.json", machine)
        assert (package.name, package.version) == (name, version)
        assert package.integrity.startswith("sha512-")
        assert package.url("https://registry.example/") == (
            f"https://registry.example/@anthropic-ai/{name}/-/{name}-{version}.tgz"
        )
    with pytest.raises(fetch_cli.FetchError, match="no claude CLI for riscv64"):
        fetch_cli.pinned(ROOT / "package-lock.json", "riscv64")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    def handler(*arguments: object) -> Quiet:
        return Quiet(*arguments, directory=str(tmp_path / "registry"))

    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def publish(folder: Path, files: dict[str, bytes]) -> fetch_cli.Package:
    place = folder / "registry/@anthropic-ai/x/-/x-1.0.tgz"
    place.parent.mkdir(parents=True)
    with tarfile.open(place, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    digest = hashlib.sha512(place.read_bytes()).digest()
    return fetch_cli.Package("x", "1.0", "sha512-" + base64.b64encode(digest).decode())


PROGRAM = {"package/claude": b"program", "package/LICENSE.md": b"terms", "package/../../evil": b"evil"}


def test_only_the_program_and_its_licence_are_unpacked(tmp_path: Path, registry: str):  # threat 78
    package = publish(tmp_path, PROGRAM)
    fetch_cli.fetch(package, registry, tmp_path / "out")
    assert {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()} == {
        "claude": b"program",
        "LICENSE.md": b"terms",
    }
    assert (tmp_path / "out/claude").stat().st_mode & 0o777 == 0o755
    assert not list(tmp_path.rglob("evil"))


def test_another_package_than_the_pinned_one_is_not_unpacked(tmp_path: Path, registry: str):  # threat 78
    published = publish(tmp_path, PROGRAM)
    pinned = fetch_cli.Package(published.name, published.version, "sha512-" + "A" * 86 + "==")
    with pytest.raises(fetch_cli.FetchError, match=r"x 1\.0 is not what is pinned"):
        fetch_cli.fetch(pinned, registry, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_package_without_a_program_is_refused(tmp_path: Path, registry: str):
    with pytest.raises(fetch_cli.FetchError, match="lacks package/claude"):
        fetch_cli.fetch(publish(tmp_path, {"package/LICENSE.md": b""}), registry, tmp_path / "out")


def test_a_registry_that_does_not_answer_is_asked_again_and_then_named(tmp_path: Path, registry: str):
    with (tmp_path / "x").open("wb") as file, pytest.raises(fetch_cli.FetchError, match="nothing-here cannot be"):
        fetch_cli.download_patiently(f"{registry}/nothing-here", file, pause=0.0)


# ---- small programs


def test_the_health_check_asks_the_port_of_the_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, registry: str):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("GATEWAY_PORT", registry.rpartition(":")[2])
    assert healthcheck.main() == 1  # it answers, but with 404
    (tmp_path / "registry/health").mkdir(parents=True)
    (tmp_path / "registry/health/live").touch()
    assert healthcheck.main() == 0


def test_the_health_check_fails_where_nobody_answers(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GATEWAY_PORT", "1")
    assert healthcheck.main() == 1


def test_building_says_what_is_missing(tmp_path: Path):
    for tool in ("bash", "dirname"):
        (tmp_path / tool).symlink_to(f"/usr/bin/{tool}")
    done = subprocess.run(
        [ROOT / "scripts/image.sh", "build"], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "apt-get install buildah" in done.stderr

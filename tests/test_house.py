"""The house around the product: make, the set-up, the pins, and what surrounds the demo."""

import base64
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from scripts import demo

ROOT = Path(__file__).parent.parent
REQUIREMENTS = ("requirements.txt", "requirements-sandbox.txt", "requirements-dev.txt", "requirements-clients.txt")
NOT_OURS = {".git", ".venv", ".venv-clients", "node_modules", "var"}


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def make(*arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["/usr/bin/env", "make", "-C", str(ROOT), "--no-print-directory", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout


# ---- make


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))


def test_make_without_a_target_lists_every_target_with_its_description():
    lines = make().splitlines()
    assert lines == make("help").splitlines()
    listed = {re.fullmatch(r"  make ([\w-]+) +\S.*", line)[1] for line in lines}
    assert listed == targets()
    assert {"demo", "run", "test", "check", "bench", "image", "image-test", "setup", "lock", "clean"} <= listed


def test_every_recipe_is_one_line_and_sets_up_what_it_needs():
    for target, recipe in re.findall(r"^([a-z-]+):.*\n((?:\t.*\n?)*)", read("Makefile"), re.MULTILINE):
        assert recipe.count("\t") == 1, target
        assert target in ("help", "clean", "image") or "scripts/setup.sh " in recipe, target


@pytest.mark.parametrize("document", ["README.md", "CHANGELOG.md", "scripts/demo.py", "docs/deploy.md", ".ci/run"])
def test_documents_name_only_targets_that_exist(document: str):
    named = set(re.findall(r"(?:^|`|\.\.\. )make ([a-z-]+)", read(document), re.MULTILINE))
    assert named
    assert named <= targets()


def test_arguments_reach_pytest():
    assert "-m pytest -k some_name" in make("-n", "test", "ARGS=-k some_name")


def test_ci_runs_the_check_and_the_tests_and_nothing_else():
    assert read(".ci/run").splitlines() == ["#!/usr/bin/env bash", "set -euo pipefail", "make check", "make test"]
    assert os.access(ROOT / ".ci/run", os.X_OK)


# ---- pins


def pins(name: str) -> dict[str, str]:
    found = {}
    for entry in re.split(r"\n(?=[a-z])", re.sub(r"^ *#.*\n", "", read(name), flags=re.MULTILINE)):
        package, version = re.match(r"([a-z0-9.-]+)==(\S+)", entry.strip()).groups()
        assert "--hash=sha256:" in entry, package
        found[package] = version
    return found


def test_every_python_package_is_pinned_with_hashes_and_to_one_version():
    run, sandbox, dev, clients = (pins(name) for name in REQUIREMENTS)
    assert sandbox.items() <= dev.items()
    shared = run.keys() & dev.keys()
    assert {name: run[name] for name in shared} == {name: dev[name] for name in shared}
    assert {"anthropic", "langchain-anthropic", "langchain-openai", "litellm", "llm", "openai"} <= clients.keys()


def test_npm_pins_the_cli_by_checksum():
    lock = json.loads(read("package-lock.json"))
    assert json.loads(read("package.json"))["dependencies"] == {"@anthropic-ai/claude-code": "2.1.330"}
    assert lock["packages"]["node_modules/@anthropic-ai/claude-code"]["version"] == "2.1.330"
    assert all("integrity" in package for name, package in lock["packages"].items() if name)
    assert "ignore-scripts=true" in read(".npmrc").splitlines()


@pytest.mark.parametrize("name", ["package-lock.json", "package.json", ".npmrc", "Makefile", *REQUIREMENTS])
def test_pins_name_no_host(name: str):
    text = re.sub(r'"funding": \{\s*"url": "[^"]*"\s*\}', "", read(name))  # where a package asks for gifts
    assert not re.search(r"https?://(?!127\.0\.0\.1)|^--(extra-)?index-url|^--find-links|^registry", text, re.MULTILINE)


def our_files() -> Iterator[Path]:
    for folder, below, names in os.walk(ROOT):
        below[:] = [name for name in below if name not in NOT_OURS and not name.endswith(("cache", "cache__"))]
        yield from (Path(folder, name) for name in names)


def test_no_file_holds_a_secret():
    secret = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/]{32}|sk-ant-[a-z]+\d\d-[A-Za-z0-9_-]{60}")
    assert [path for path in our_files() if secret.search(path.read_bytes())] == []


# ---- set-up, in a project of its own: a local package, and an npm that notes its calls

TOOLS = "bash cat chmod cut dirname env flock grep head mkdir mktemp mv paste rm sed sha256sum sleep"
NPM = """#!/usr/bin/env bash
if [[ $1 == --version ]]; then echo 11.0.0; exit; fi
echo "$*" >>"$(dirname "$0")/../npm.log"
rm -rf node_modules
sleep "${NPM_TAKES:-0}"
mkdir -p node_modules/@anthropic-ai/claude-code-linux-{x64,x64-musl}
cd node_modules/@anthropic-ai
printf '#!/nowhere\\n' >claude-code-linux-x64-musl/claude
printf '#!/usr/bin/env bash\\necho "%s (Claude Code)"\\n' "${NPM_BRINGS:-2.1.330}" >claude-code-linux-x64/claude
chmod +x */claude
"""
# "Installs" npm by giving it its name; anything else it is asked for is in the log.
APT_GET = """#!/usr/bin/env bash
echo "$*" >>"$(dirname "$0")/../apt.log"
if [[ $1 == install ]]; then mv "$(dirname "$0")/npm.later" "$(dirname "$0")/npm"; fi
"""
SUDO = """#!/usr/bin/env bash
exec "$@"
"""


def executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def wheel(folder: Path) -> str:
    """The smallest package there can be; returns its line for a requirements file."""
    path = folder / "tiny-1.0-py3-none-any.whl"
    files = {
        "tiny.py": "",
        "tiny-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        "tiny-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [f"{name},sha256={record_hash(text)},{len(text)}" for name, text in files.items()]
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {**files, "tiny-1.0.dist-info/RECORD": "\n".join(record)}.items():
            archive.writestr(name, text)
    return f"tiny==1.0 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


def record_hash(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


@dataclass(frozen=True)
class Project:
    root: Path

    @property
    def binaries(self) -> Path:
        return self.root / "bin"

    def start(self, which: str, **environment: str) -> subprocess.Popen[str]:
        base = {"PATH": str(self.binaries), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.root)}
        return subprocess.Popen(
            [str(self.root / "scripts/setup.sh"), which],
            env=base | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def setup(self, which: str, status: int = 0, **environment: str) -> str:
        process = self.start(which, **environment)
        output = process.communicate(timeout=60)[0]
        assert process.returncode == status, output
        return output

    def npm_calls(self) -> list[str]:
        log = self.root / "npm.log"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """With its environments, which take seconds to make."""
    project = Project(tmp_path_factory.mktemp("project"))
    project.binaries.mkdir()
    for tool in TOOLS.split():
        (project.binaries / tool).symlink_to(shutil.which(tool))
    executable(project.binaries / "python3", f'#!/usr/bin/env bash\nexec "{sys._base_executable}" "$@"\n')
    executable(project.binaries / "npm", NPM)
    for tool in ("chromium", "nginx", "caddy"):
        executable(project.binaries / tool, "#!/usr/bin/env bash\n")
    shutil.copytree(ROOT / "scripts", project.root / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / name, project.root)
    requirement = wheel(project.root)
    for name in REQUIREMENTS:
        (project.root / name).write_text(requirement)
    said = [re.sub(r" with /.*", "", line) for line in project.setup("dev").splitlines()]
    assert said == [
        "setup: Creating .venv",
        "setup: Installing the Python packages (dev) into .venv.",
        "setup: Creating .venv-clients",
        "setup: Installing the Python packages (dev) into .venv-clients.",
        "setup: Installing the claude CLI 2.1.330 with npm (dev).",
    ]
    return project


@pytest.fixture
def project(prepared: Project) -> Project:
    """Without its node_modules."""
    shutil.rmtree(prepared.root / "node_modules", ignore_errors=True)
    (prepared.root / "npm.log").unlink(missing_ok=True)
    return prepared


def test_setup_runs_once_and_then_costs_next_to_nothing(project: Project):
    assert "claude CLI 2.1.330" in project.setup("dev")
    begun = time.monotonic()
    assert project.setup("dev") == ""
    assert project.setup("run", PIP_FIND_LINKS="/nowhere") == ""
    assert time.monotonic() - begun < 5
    assert len(project.npm_calls()) == 1
    assert "--omit=dev" not in project.npm_calls()[0]


def test_setup_follows_the_pins_and_keeps_the_larger_set(project: Project):
    project.setup("dev")
    for name in ("requirements.txt", "package.json"):
        with (project.root / name).open("a") as file:
            file.write("\n")
    assert "Python packages (dev)" in project.setup("run")
    assert [call for call in project.npm_calls() if "--omit=dev" in call] == []
    assert len(project.npm_calls()) == 2


def test_the_clients_are_set_up_for_the_tests_alone_and_apart(project: Project):
    project.setup("dev")
    with (project.root / "requirements-clients.txt").open("a") as file:
        file.write("\n")
    assert project.setup("run") == ""
    assert project.setup("dev") == "setup: Installing the Python packages (dev) into .venv-clients.\n"
    shutil.rmtree(project.root / ".venv-clients")
    assert "Python packages" not in project.setup("demo")
    assert not (project.root / ".venv-clients").exists()
    assert "Creating .venv-clients" in project.setup("dev")
    assert project.setup("dev") == ""


def test_an_interrupted_npm_runs_again(project: Project):
    interrupted = project.start("run", NPM_TAKES="60")
    wait_for(lambda: len(project.npm_calls()) == 1)
    os.killpg(interrupted.pid, signal.SIGKILL)
    interrupted.communicate()
    assert "claude CLI" in project.setup("run")
    assert project.setup("run") == ""


def test_an_environment_that_broke_half_way_is_not_built_upon(project: Project):
    with (project.root / "requirements.txt").open("a") as file:
        file.write(f"absent==1.0 --hash=sha256:{'0' * 64}\n")
    leftover = project.root / ".venv/leftover"
    leftover.touch()
    assert "pip could not install" in project.setup("run", status=1)
    shutil.copy(project.root / "requirements-dev.txt", project.root / "requirements.txt")
    assert "Creating .venv" in project.setup("run")
    assert not leftover.exists()
    assert project.setup("run") == ""


def test_two_setups_at_once_take_turns(project: Project):
    first, second = (project.start("run", NPM_TAKES="0.5") for _ in range(2))
    outputs = [process.communicate(timeout=60)[0] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), outputs
    assert len(project.npm_calls()) == 1
    assert any("Waiting for another set-up" in output for output in outputs)


def test_the_build_of_the_cli_that_runs_is_the_one_that_stays(project: Project):
    project.setup("run")
    assert [path.name for path in (project.root / "node_modules/@anthropic-ai").iterdir()] == ["claude-code-linux-x64"]


def test_another_version_of_the_cli_is_refused(project: Project):
    assert "does not run as 2.1.330" in project.setup("run", status=1, NPM_BRINGS="2.1.33")


def test_apt_brings_what_is_missing_and_nothing_else(project: Project):
    binaries = project.binaries
    (binaries / "npm").rename(binaries / "npm.later")
    output = project.setup("run", status=1)
    assert "npm" in output
    assert "Install what is missing" in output

    executable(binaries / "apt-get", APT_GET)
    if os.geteuid() != 0:
        assert "As root, run: apt-get update && apt-get install" in project.setup("run", status=1)
        executable(binaries / "sudo", SUDO)
    assert "Installing npm with apt." in project.setup("run")
    asked = (project.root / "apt.log").read_text().splitlines()
    assert asked == ["update -qq", "install -y -qq --no-install-recommends npm"]


def test_the_tests_want_a_browser(project: Project):
    (project.binaries / "chromium").unlink()
    (project.binaries / "apt-get").unlink(missing_ok=True)
    assert "chromium" not in project.setup("demo")
    assert "This system lacks chromium " in project.setup("dev", status=1)


def wait_for(condition: Callable[[], bool], within: float = 30.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# ---- the demo


def test_nothing_of_the_callers_but_the_listed_reaches_the_demo():
    caller = {
        "PATH": "/bin",
        "HOME": "/home/someone",
        "ANTHROPIC_API_KEY": "sk-ant-of-the-caller",
        "ANTHROPIC_AUTH_TOKEN": "x",
        "CLAUDE_CODE_OAUTH_TOKEN": "x",
        "CLAUDE_CONFIG_DIR": "x",
        "GATEWAY_MASTER_KEY": "x",
        "GATEWAY_PORT": "1",
        "GATEWAY_CLAUDE_BIN": "x",
        "LITELLM_MASTER_KEY": "x",
        "HTTPS_PROXY": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
    }
    assert demo.base_environment(caller) == {"PATH": "/bin", "HOME": "/home/someone"}
    sandbox = demo.Addresses("http://127.0.0.1:5", "http://127.0.0.1:6", "/ca.pem")
    gateway = demo.gateway_environment(caller, sandbox, 4001)
    ours = {name: value for name, value in gateway.items() if name not in ("PATH", "HOME")}
    assert ours == {
        "GATEWAY_BIND": "127.0.0.1",
        "GATEWAY_PORT": "4001",
        "GATEWAY_DATA_DIR": str(ROOT / "var/demo/data"),
        "GATEWAY_CLAUDE_CONFIG_DIR": str(ROOT / "var/demo/claude"),
        "GATEWAY_SIGN_IN_BASE": "http://127.0.0.1:5",
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:5",
        "HTTPS_PROXY": "http://127.0.0.1:6",
        "NO_PROXY": "127.0.0.1",
        "NODE_EXTRA_CA_CERTS": "/ca.pem",
    }


def test_a_port_in_use_is_said_with_the_way_out():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(demo.DemoError, match=rf"Port {port} is in use.*make demo PORT=\d+"):
            demo.demand_free(port)
    demo.demand_free(port)


def test_settings_of_how_the_gateway_works_reach_the_demo_and_the_others_are_named():
    passed = {
        "GATEWAY_LOG_LEVEL": "debug",
        "GATEWAY_POOL__WARM": "4",
        "GATEWAY_QUEUE__MAX": "1",
        "GATEWAY_TURN__TIMEOUT": "9",
        "GATEWAY_STREAM__KEEPALIVE": "1",
        "GATEWAY_HTTP__DRAIN": "1",
    }
    caller = passed | {"GATEWAY_PORT": "4001", "GATEWAY_MASTER_KEY": "sk-secret", "GATEWAY_BIND": "192.0.2.1"}
    gateway = demo.gateway_environment(caller, demo.Addresses("", "", ""), 4001)
    assert gateway.items() >= passed.items()
    assert "GATEWAY_MASTER_KEY" not in gateway
    assert gateway["GATEWAY_BIND"] == "127.0.0.1"
    assert demo.left_out(caller) == "Not for the demo, and left out: GATEWAY_BIND, GATEWAY_MASTER_KEY."
    assert demo.left_out(passed | {"PORT": "4001"}) == ""


def test_the_operators_shell_beside_the_demo_has_its_environment_and_no_other(tmp_path: Path):
    """`printenv` in the place of Python."""
    python = tmp_path / "py thon"
    executable(python, "#!/bin/sh\necho $PWD $*\nexec printenv -0\n")
    script = demo.shell_script({"PATH": "/of/the/start", "ANTHROPIC_BASE_URL": "it's 1"}, str(python))
    caller = {"PATH": "/usr/bin:/bin", "TERM": "a b", "ANTHROPIC_API_KEY": "x", "GATEWAY_PORT": "1", "HTTPS_PROXY": "x"}
    told = subprocess.run(
        ["/bin/sh", "-c", script, "cli", "keys", "list"], env=caller, capture_output=True, text=True, check=True
    ).stdout
    first, _, rest = told.partition("\n")
    assert first == f"{ROOT} -m app.cli keys list"
    environment = dict(line.split("=", 1) for line in rest.rstrip("\0").split("\0"))
    environment.pop("PWD", None)
    assert environment == {"PATH": "/usr/bin:/bin", "TERM": "a b", "ANTHROPIC_BASE_URL": "it's 1"}


@pytest.mark.parametrize("name", ["PORT", "GATEWAY_PORT"])
@pytest.mark.parametrize("text", ["0", "65536", "-1", "4000x", "٤٠٠٠"])
def test_a_port_that_is_none_is_refused(name: str, text: str):
    with pytest.raises(demo.DemoError, match=f"^{name} must be a number"):
        demo.port_from({name: text})


@pytest.mark.parametrize(
    ("caller", "port"),
    [
        ({}, 4000),
        ({"PORT": "", "GATEWAY_PORT": ""}, 4000),
        ({"PORT": "4711"}, 4711),
        ({"GATEWAY_PORT": "4711"}, 4711),
        ({"PORT": "4711", "GATEWAY_PORT": "4711"}, 4711),
    ],
)
def test_the_port_is_4000_unless_told_otherwise(caller: dict[str, str], port: int):
    assert demo.port_from(caller) == port


def test_two_ports_that_differ_are_refused():
    with pytest.raises(demo.DemoError, match="PORT is 4711 and GATEWAY_PORT is 4712: set one"):
        demo.port_from({"PORT": "4711", "GATEWAY_PORT": "4712"})


def test_one_demo_per_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with demo.only_demo_here(), pytest.raises(demo.DemoError, match="already"), demo.only_demo_here():
        pass
    with demo.only_demo_here():
        pass


def test_the_sandbox_is_believed_once_its_line_is_complete():
    line = '{"api": "http://127.0.0.1:5", "proxy": "http://127.0.0.1:6", "ca": "ca.pem"}\n'
    assert demo.announced("") is None
    assert demo.announced(line[:-1]) is None
    assert demo.announced("a warning\n" + line).api == "http://127.0.0.1:5"


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, b"{}", None),
        (503, b'{"reasons": ["No process is ready.", "Redis is away."]}', "No process is ready; Redis is away"),
        (503, b'{"reasons": []}', "it answers with status 503"),
        (502, b"<html>", "it answers with status 502"),
    ],
)
def test_the_reason_for_waiting_is_the_gateways_own(status: int, body: bytes, reason: str | None):
    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/health/ready" else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Health) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        try:
            assert demo.unready_reason(server.server_port) == reason
        finally:
            server.shutdown()
    assert demo.unready_reason(server.server_port) == "it does not answer yet"


PARENT = """
import os, signal
from scripts import demo
demo.on_stop_signals(demo.interrupt)
print(demo.start("sleeper", ["sleep", "60"], dict(os.environ), None, "").process.pid, flush=True)
signal.pause()
"""


def test_a_killed_demo_leaves_no_child():
    with subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        assert is_running(child)
        parent.kill()
    wait_for(lambda: not is_running(child), within=5)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


def test_a_child_that_ends_by_itself_is_named():
    ended = demo.start("gateway", ["false"], dict(os.environ), None, "the reason stands above")
    ended.process.wait()
    with pytest.raises(demo.DemoError, match=r"The gateway ended by itself \(exit status 1\); the reason stands above"):
        ended.demand_alive()
    demo.stop([ended])

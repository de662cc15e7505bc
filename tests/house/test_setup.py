"""The set-up, in a project of its own: a local package, and an npm that notes its calls."""

import base64
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.house.files import REQUIREMENTS, executable
from tests.support.processes import wait_until
from tests.support.sandbox import ROOT

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
    wait_until(lambda: len(project.npm_calls()) == 1, 30, "npm is called")
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

"""`git clone`, `make demo`, one curl: the first minutes of a newcomer, with nothing prepared."""

import json
import os
import re
import signal
import subprocess

import pytest

from tests.e2e.demo import Demo, wait_for_banner
from tests.e2e.journey import first_run
from tests.support.browser import running_browser, someone
from tests.support.gateway import free_port
from tests.support.hands import Mouse
from tests.support.processes import alive, descendants, wait_until
from tests.support.sandbox import ROOT

SETUP_SECONDS = 400


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A running `make demo` in a fresh clone of what is committed: (folder, port, log, the banner's curl)."""
    clone = tmp_path_factory.mktemp("newcomer") / "postern"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    port = free_port()
    log = clone.parent / "demo.log"
    env = {name: value for name, value in os.environ.items() if not name.startswith(("ANTHROPIC", "CLAUDE", "GATEWAY"))}
    with (
        log.open("wb") as output,
        subprocess.Popen(
            ["make", "demo"],
            cwd=clone,
            env=env | {"PORT": str(port)},
            stdout=output,
            stderr=output,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield clone, port, log, wait_for_banner(process, log, SETUP_SECONDS)
        finally:
            everyone = descendants(process.pid)
            os.killpg(process.pid, signal.SIGINT)
            process.wait(15)
            wait_until(lambda: not any(map(alive, everyone)), 5, "the demo left nothing behind")


@pytest.mark.timeout(SETUP_SECONDS + 60)
def test_the_banners_own_curl_streams_an_answer(demo):
    clone, _, _, curl = demo
    done = subprocess.run(["bash", "-c", curl], cwd=clone, capture_output=True, text=True, timeout=60, check=True)
    frames = [line for line in done.stdout.splitlines() if line.startswith("data: ")]
    assert len(frames) > 20
    assert frames[-1] == "data: [DONE]"
    assert "sandbox" in done.stdout


@pytest.mark.timeout(SETUP_SECONDS + 60)
def test_the_key_is_in_a_file_of_its_own_and_in_no_log(demo):  # threat 32
    clone, _, log, _ = demo
    file = clone / "var/demo/data/master-key"
    assert file.stat().st_mode & 0o777 == 0o600
    assert str(file.relative_to(clone)) in log.read_text()
    assert file.read_text().strip() not in log.read_text()


@pytest.mark.timeout(SETUP_SECONDS + 60)
def test_the_banners_own_shell_asks_the_sandbox_and_nobody_else(demo):
    clone, _, log, _ = demo
    command = re.search(r"^  (var/demo/cli .*)$", log.read_text(), re.MULTILINE)[1]
    elsewhere = {"ANTHROPIC_BASE_URL": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "GATEWAY_PORT": "x"}
    env = {name: os.environ[name] for name in ("PATH", "HOME")} | elsewhere
    bash = ["bash", "-c", f"{command} --json"]
    done = subprocess.run(bash, cwd=clone, env=env, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["test"]["ok"]
    assert "sandbox" in told["test"]["text"]


@pytest.mark.timeout(SETUP_SECONDS + 120)
def test_the_first_run_in_a_browser(demo):
    """The last one here: it puts another login and another key in force."""
    clone, port, log, _ = demo
    assert "claude 2.1.330" in log.read_text()
    with running_browser() as browser, someone(browser) as context:
        first_run(Demo(clone, f"http://127.0.0.1:{port}", log), context, Mouse())

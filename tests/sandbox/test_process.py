import ast
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.sandbox import ROOT, running_sandbox

START = [sys.executable, "-m", "sandbox"]
PARENT = "import subprocess, sys; p = subprocess.Popen(sys.argv[1:]); print(p.pid, flush=True); p.wait()"
LISTENING = "0A"


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def sockets(pid: int) -> list[tuple[str, str]]:
    """Local address and state of every TCP socket of a process."""
    folder = Path(f"/proc/{pid}/fd")
    inodes = {os.readlink(entry)[8:-1] for entry in folder.iterdir() if os.readlink(entry).startswith("socket:[")}
    rows = [row.split() for name in ("tcp", "tcp6") for row in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return [(row[1].split(":")[0], row[3]) for row in rows if row[9] in inodes]


def test_it_listens_on_loopback_only():
    with running_sandbox() as sandbox:
        listening = [address for address, state in sockets(sandbox.pid) if state == LISTENING]
    assert listening == ["0100007F"] * 3


def test_ports_and_directory_can_be_chosen(tmp_path: Path):
    with running_sandbox() as first:
        port = int(first.api.rsplit(":", 1)[1])
    with running_sandbox(port=port, directory=tmp_path / "new") as second:
        assert second.api == first.api
        assert Path(second.ca) == tmp_path / "new/ca.pem"
        assert "BEGIN CERTIFICATE" in Path(second.ca).read_text()
        assert "PRIVATE KEY" not in Path(second.ca).read_text()


def test_a_port_in_use_is_told_in_a_sentence():
    with running_sandbox() as sandbox:
        port = sandbox.api.rsplit(":", 1)[1]
        again = subprocess.run([*START, "--port", port], cwd=ROOT, capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert again.stdout == ""
    assert again.stderr.startswith("The sandbox cannot start: ")
    assert "Traceback" not in again.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once_and_leaves_nothing(number: signal.Signals):
    with running_sandbox() as sandbox:
        began = time.monotonic()
        os.kill(sandbox.pid, number)
        while is_alive(sandbox.pid) and time.monotonic() - began < 5:
            time.sleep(0.01)
        assert time.monotonic() - began < 1
        assert not Path(sandbox.ca).exists()


def test_it_dies_with_its_parent():
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, *START], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        assert json.loads(parent.stdout.readline())["api"].startswith("http://127.0.0.1:")
        parent.kill()
        parent.wait()
        until = time.monotonic() + 5
        while is_alive(pid) and time.monotonic() < until:
            time.sleep(0.01)
        assert not is_alive(pid)


def test_it_imports_nothing_of_the_product():
    for path in (ROOT / "sandbox").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.split(".", 1)[0] == "app" for name in names), path

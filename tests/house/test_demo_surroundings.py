"""What surrounds the demo: what reaches it of its caller, its ports, and its processes."""

import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from scripts import demo
from tests.house.files import executable
from tests.support.processes import alive, wait_until
from tests.support.sandbox import ROOT


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
        assert alive(child)
        parent.kill()
    wait_until(lambda: not alive(child), 5, "the child is gone")


def test_a_child_that_ends_by_itself_is_named():
    ended = demo.start("gateway", ["false"], dict(os.environ), None, "the reason stands above")
    ended.process.wait()
    with pytest.raises(demo.DemoError, match=r"The gateway ended by itself \(exit status 1\); the reason stands above"):
        ended.demand_alive()
    demo.stop([ended])

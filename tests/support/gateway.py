"""The real gateway: gunicorn with gevent, the real CLI, on a free port of loopback."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai

from tests.support.cli import claude_binary
from tests.support.processes import children, descendants, die_with_parent
from tests.support.sandbox import ROOT, Sandbox

MASTER_KEY = "sk-test-0123456789abcdefghij"


@dataclass(frozen=True)
class Gateway:
    url: str
    pid: int
    data_dir: Path
    log: Path
    key: str = MASTER_KEY

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    @property
    def worker_pid(self) -> int:
        (pid,) = children(self.pid)
        return pid

    def claude_pids(self) -> set[int]:
        return {pid for pid in descendants(self.pid) if is_claude(pid)}

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def http(self, timeout: float = 60) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers=self.headers(), timeout=timeout, trust_env=False)

    def chat(self, content: Any, **members: Any) -> httpx.Response:
        """One whole completion of one user message, or of `messages`."""
        body = {"model": "sonnet", "messages": [{"role": "user", "content": content}], **members}
        with self.http() as client:
            return client.post("/v1/chat/completions", json=body)

    def openai(self, **options: Any) -> openai.OpenAI:
        options = {"api_key": self.key, "max_retries": 0, "timeout": 60.0, **options}
        return openai.OpenAI(base_url=f"{self.url}/v1", **options)


def is_claude(pid: int) -> bool:
    try:
        return b"stream-json" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_gateway(
    sandbox: Sandbox | None,
    directory: Path,
    *,
    version: str = "2.1.330",
    environ: Mapping[str, str] | None = None,
    ready: bool = True,
    application: str = "wsgi:app",
) -> Iterator[Gateway]:
    """`environ` adds to a small environment of its own, and overrides it. Without a sandbox nothing signs it in.

    Dies with the thread that starts it: keep that thread alive for as long.
    """
    port = free_port()
    data_dir = directory / "data"
    log = directory / "gateway.log"
    upstream = {"ANTHROPIC_BASE_URL": sandbox.api, "ANTHROPIC_API_KEY": "sk-ant-api03-sandbox"} if sandbox else {}
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "LANG": "C.UTF-8",
        "GATEWAY_PORT": str(port),
        "GATEWAY_DATA_DIR": str(data_dir),
        "GATEWAY_CLAUDE_BIN": str(claude_binary(version)),
        "GATEWAY_MASTER_KEY": MASTER_KEY,
        **upstream,
        **(environ or {}),
    }
    command = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.conf.py", application]
    with (
        log.open("ab") as output,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=env,
            stdout=output,
            stderr=output,
            preexec_fn=die_with_parent,  # noqa: PLW1509  # one system call
        ) as process,
    ):
        gateway = Gateway(f"http://127.0.0.1:{port}", process.pid, data_dir, log)
        try:
            _wait(gateway, process, "/health/ready" if ready else "/health/live")
            yield gateway
        finally:
            _stop(process)


def _wait(gateway: Gateway, process: subprocess.Popen[bytes], path: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    said = "nothing"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"the gateway ended with {process.returncode}:\n{gateway.log.read_text()}")
        try:
            answer = httpx.get(gateway.url + path, timeout=5, trust_env=False)
            said = answer.text
            if answer.status_code == 200:
                return
        except httpx.TransportError as error:
            said = str(error)
        time.sleep(0.05)
    raise AssertionError(f"the gateway was not ready in {seconds} s ({said}):\n{gateway.log.read_text()}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)

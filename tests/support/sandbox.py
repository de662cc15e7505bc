import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]
# Plain HTTP needs no certificates, and loading the machine's takes longer than a call.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass(frozen=True)
class Sandbox:
    api: str
    proxy: str
    ca: str
    pid: int

    def call(self, method: str, path: str, json: Any = None) -> Any:
        answer = httpx.request(method, self.api + path, json=json, trust_env=False, verify=NO_TLS, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def requests(self, since: int = 0) -> list[dict[str, Any]]:
        return self.call("GET", f"/sandbox/requests?since={since}")

    def messages(self, since: int = 0) -> list[dict[str, Any]]:
        """Only what was asked of the model."""
        return [entry for entry in self.requests(since) if entry["path"].split("?")[0] == "/v1/messages"]

    def script(self, **behaviour: Any) -> None:
        self.call("POST", "/sandbox/script", behaviour)

    def clear(self) -> None:
        """Forgets the requests and the scripts; logins and the prompt cache stay."""
        self.call("DELETE", "/sandbox/requests")
        self.call("DELETE", "/sandbox/script")

    def state(self, **changes: Any) -> dict[str, Any]:
        return self.call("POST", "/sandbox/state", changes) if changes else self.call("GET", "/sandbox/state")


@contextmanager
def running_sandbox(**options: Any) -> Iterator[Sandbox]:
    """Options as on the command line: running_sandbox(first_delay=0.35).

    The sandbox dies with the thread that started it: keep that thread alive for as long.
    """
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    command = [sys.executable, "-m", "sandbox", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert line, f"the sandbox did not start (exit {process.wait(5)})"
            yield Sandbox(**json.loads(line), pid=process.pid)
        finally:
            process.terminate()
            process.wait(5)

"""A client in a process of its own, with nothing of the caller's: what it needs is the gateway's address and a key."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.support.gateway import Gateway
from tests.support.sandbox import ROOT

SCRIPTS = Path(__file__).parent / "scripts"
TOOLS = ROOT / ".venv-clients/bin"
# What would speak to its makers, or fetch a list from elsewhere, is told not to.
QUIET = {
    "ANONYMIZED_TELEMETRY": "false",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "LANGCHAIN_TRACING_V2": "false",
    "LANGSMITH_TRACING": "false",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_TELEMETRY": "False",
}
SECONDS = 300  # a script starts a client, or ten, and waits for the CLI's patience with failures
Observation = dict[str, Any]


def run_script(name: str, gateway: Gateway, home: Path) -> Observation:
    """What the script printed: an object with a member for each of its cases."""
    output = run([*interpreter(name), str(SCRIPTS / name)], gateway, home)
    return json.loads(output.splitlines()[-1])


def run(command: list[str], gateway: Gateway, home: Path, folder: Path | None = None) -> str:
    done = subprocess.run(
        command,
        cwd=folder or home,
        env=environment(gateway, home),
        capture_output=True,
        text=True,
        timeout=SECONDS - 20,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def interpreter(name: str) -> list[str]:
    return [client_node()] if name.endswith(".mjs") else [client_python()]


def client_python() -> str:
    return present(TOOLS / "python", "The clients for Python")


def client_node() -> str:
    present(ROOT / "node_modules/openai/package.json", "The client for Node")
    return "node"


def present(path: Path, what: str) -> str:
    if not path.is_file():
        raise FileNotFoundError(f"{what} cannot be found: run `make setup`")
    return str(path)


def environment(gateway: Gateway, home: Path) -> dict[str, str]:
    return QUIET | {
        "PATH": f"{TOOLS}:{os.environ['PATH']}",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "OPENAI_BASE_URL": f"{gateway.url}/v1",
        "OPENAI_API_KEY": gateway.key,
        "ANTHROPIC_BASE_URL": gateway.url,
        "ANTHROPIC_API_KEY": gateway.key,
    }

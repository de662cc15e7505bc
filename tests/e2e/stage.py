"""The real gateway with an administrator, whose CLI signs in at the sandbox."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.admin import ENVIRON
from tests.support.gateway import Gateway, running_gateway
from tests.support.processes import descendants
from tests.support.sandbox import Sandbox


@contextmanager
def running_stage(
    sandbox: Sandbox, folder: Path, version: str = "2.1.330", environ: dict[str, str] = ENVIRON, **more: Any
) -> Iterator[Gateway]:
    """Signed in by nothing. The wizard's link opens the sandbox's own page, as in the demo."""
    upstream = {
        "ANTHROPIC_BASE_URL": sandbox.api,
        "HTTPS_PROXY": sandbox.proxy,
        "NO_PROXY": "127.0.0.1",
        "NODE_EXTRA_CA_CERTS": sandbox.ca,
        "GATEWAY_SIGN_IN_BASE": sandbox.api,
        "GATEWAY_POOL__WARM": "1",
        **environ,
        **more,
    }
    folder.mkdir(exist_ok=True)
    with running_gateway(None, folder, version=version, environ=upstream, ready=False) as gateway:
        yield gateway


def of_sign_ins(gateway: Gateway) -> list[int]:
    """The helper, and then the CLI that it drives."""
    found = {pid: command_of(pid) for pid in descendants(gateway.pid)}
    helpers = [pid for pid, command in found.items() if "login_helper" in command]
    return helpers + [pid for pid, command in found.items() if "\0auth\0" in command]


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""

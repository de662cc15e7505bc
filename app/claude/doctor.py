"""All that can be checked without asking Anthropic, for the operator's shell."""

import os
from collections.abc import Callable
from pathlib import Path

from app.claude.account import Account
from app.claude.command import Installation
from app.claude.problems import Problem, problem
from app.claude.volume import in_container, inspect
from app.claude.worker import installed_version
from app.errors import CliCrashed

PROCESS_BYTES = 300 * 1024 * 1024  # a claude process at its peak


def doctor(
    installation: Installation,
    data_dir: Path,
    account: Account,
    free_memory: int,
    *,
    version: Callable[[Installation], object] = installed_version,
) -> list[Problem]:
    """Blocks: it starts the CLI, and writes to both folders. The worst comes first."""
    container = in_container()
    found = [
        *_cli(installation, version, container),
        *inspect(installation.config_dir).problems,
        *account.problems,
        *inspect(data_dir).problems,
        *_memory(data_dir, free_memory, container),
    ]
    return sorted(found, key=lambda each: each.severity != "error")


def _cli(installation: Installation, version: Callable[[Installation], object], container: bool) -> list[Problem]:
    if not os.access(installation.binary, os.X_OK):
        return [problem("cli_missing", installation.binary, container=container)]
    try:
        version(installation)
    except CliCrashed as error:
        return [problem("cli_unusable", installation.binary, {"error": str(error)}, container=container)]
    return []


def _memory(data_dir: Path, free: int, container: bool) -> list[Problem]:
    if free >= 2 * PROCESS_BYTES:
        return []
    said = {"free": f"{free // 1024 // 1024} MB"}
    return [problem("little_memory", data_dir, said, container=container)]

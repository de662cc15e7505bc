"""What can be wrong with the login and the place that keeps it: the one place for each sentence and its fix.

docs/volume.md shows this table, and a test compares the two.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Problem:
    code: str
    message: str
    fix: str  # what an operator can paste: a command, or lines for docker-compose.yml; "" when there is nothing
    severity: Severity = "error"


@dataclass(frozen=True)
class Entry:
    """Templates. `container` is the fix in a container; without it, the plain fix is run within the container."""

    severity: Severity
    message: str
    fix: str
    container: str = ""


_VOLUME_LINES = """\
services:
  gateway:
    volumes:
      - {name}:{path}
volumes:
  {name}:"""
_CLAIM_LINES = """\
volumes:
  - name: {name}
    persistentVolumeClaim:
      claimName: {name}"""
# All capabilities are dropped in the container, so its own root could not do this without being given them.
_CHOWN_IN_CONTAINER = (
    "docker compose run --rm --no-deps --user root --cap-add CHOWN --cap-add DAC_OVERRIDE"
    " --entrypoint chown gateway -R {uid}:{gid} {path}"
)
_WITHIN = "docker compose exec gateway "
_COPY_TO_DISK = 'mkdir -m 700 "$HOME"/{name} && cp -a {path}/. "$HOME"/{name}/  # then set it in the settings'
SIGN_IN = "{python} -m app.cli login"
RESTORE = "{python} -m app.cli login --restore"

PROBLEMS = {
    # The folder
    "missing": Entry("error", "{path} does not exist.", "mkdir -p -m 700 {path}", _VOLUME_LINES),
    "not_a_folder": Entry(
        "error", "{path} is not a folder.", "mv {path} {path}.old && mkdir -m 700 {path}", _VOLUME_LINES
    ),
    "unreachable": Entry("error", "{path} cannot be looked at: {error}.", "namei -l {path}"),
    "container_layer": Entry(
        "error",
        "{path} lies in the container itself, not on a volume: what is in it is lost with `docker compose down`.",
        "",
        _VOLUME_LINES,
    ),
    "in_memory": Entry(
        "error",
        "{path} is kept in memory only ({kind}): what is in it is lost with the next restart.",
        _COPY_TO_DISK,
        _VOLUME_LINES,
    ),
    "anonymous_volume": Entry(
        "error",
        "{path} is on a volume without a name: it survives a restart, but the next `docker compose down` and `up`"
        " begin with an empty one.",
        "",
        _VOLUME_LINES,
    ),
    "pod_folder": Entry(
        "error",
        "{path} is an emptyDir: it survives a restart of the container, and is deleted with its pod.",
        "",
        _CLAIM_LINES,
    ),
    "network": Entry(
        "warning",
        "{path} is on a network file system ({kind}), where file locks may not hold and a lost connection stops the"
        " CLI. A volume on this machine is safer.",
        _COPY_TO_DISK,
        _VOLUME_LINES,
    ),
    "read_only": Entry(
        "error",
        "{path} is mounted read-only: the CLI cannot renew its login there.",
        "sudo mount -o remount,rw {point}",
        "sed -i 's#:{path}:ro#:{path}#' docker-compose.yml && docker compose up -d",
    ),
    "foreign_owner": Entry(
        "error",
        "{path} belongs to user {owner}; the gateway runs as {uid}:{gid}.",
        "sudo chown -R {uid}:{gid} {path}",
        _CHOWN_IN_CONTAINER,
    ),
    "not_writable": Entry("error", "The gateway may not write to {path} (mode {mode}).", "chmod 700 {path}"),
    "open_folder": Entry(
        "warning",
        "Other users of the machine can look into {path} (mode {mode}; 0700 is right).",
        "chmod 700 {path}",
    ),
    "failing_disk": Entry(
        "error", "A file could not be written to {path}: {error}.", "sudo dmesg | tail -n 30", "sudo dmesg | tail -n 30"
    ),
    "full": Entry(
        "error",
        "There is no space left where {path} is: a login cannot be stored or renewed.",
        "df -h {path}",
        "docker compose exec gateway df -h {path}; docker system df",
    ),
    "little_space": Entry(
        "warning",
        "Only {free} are left where {path} is.",
        "df -h {path}",
        "docker compose exec gateway df -h {path}; docker system df",
    ),
    "no_inodes": Entry(
        "error",
        "The file system of {path} holds no more files (no free inodes): a login cannot be stored or renewed.",
        "df -i {path}",
    ),
    "few_inodes": Entry("warning", "The file system of {path} has only {inodes} free inodes left.", "df -i {path}"),
    # The file with the login
    "login_gone": Entry(
        "error", "{path} is gone, though nobody has signed out. A good copy of it can be restored.", RESTORE
    ),
    "login_empty": Entry(
        "error", "{path} is empty (0 bytes), as after a crash or on a full disk. Nobody has signed out.", RESTORE
    ),
    "login_truncated": Entry("error", "{path} ends in the middle, as after a crash or on a full disk.", RESTORE),
    "login_damaged": Entry("error", "{path} holds something that is not a login of the CLI's.", RESTORE),
    "login_blank": Entry(
        "error", "{path} holds a login whose token is blank: the CLI could not renew it and emptied it.", RESTORE
    ),
    "login_foreign": Entry(
        "error",
        "{path} belongs to user {owner}; the gateway runs as {uid}:{gid}.",
        "sudo chown {uid}:{gid} {path}",
        _CHOWN_IN_CONTAINER.replace(" -R", ""),
    ),
    "login_unreadable": Entry(
        "error",
        "{path} cannot be read: {error}.",
        "sudo chown {uid}:{gid} {path} && chmod 600 {path}",
        _CHOWN_IN_CONTAINER.replace(" -R", "") + " && docker compose exec gateway chmod 600 {path}",
    ),
    "login_open": Entry(
        "warning",
        "Other users of the machine can read the login in {path} (mode {mode}; 0600 is right).",
        "chmod 600 {path}",
    ),
    # The login
    "signed_out": Entry("error", "Nobody is signed in to Claude.", SIGN_IN),
    "login_expired": Entry("error", "The login has expired and cannot be renewed. Sign in again.", SIGN_IN),
    "login_expiring": Entry("warning", "The login ends in less than {days}. Sign in again before it does.", SIGN_IN),
    "login_refused": Entry("error", "Anthropic refused the login at the last request. Sign in again.", SIGN_IN),
    # The rest of the installation
    "cli_missing": Entry(
        "error", "There is no claude CLI at {path}.", "make setup", "docker compose up -d --build gateway"
    ),
    "cli_unusable": Entry("error", "{error}", "{path} --version"),
    "little_memory": Entry(
        "warning",
        "Only {free} of memory are free; a claude process takes up to 300 MB.",
        "free -m",
        "docker stats --no-stream",
    ),
}


def problem(
    code: str, path: Path, facts: Mapping[str, str] = MappingProxyType({}), *, container: bool, restorable: bool = False
) -> Problem:
    """`facts` fill the templates; the paths in a command are quoted. Without a copy to restore one signs in again."""
    entry = PROBLEMS[code]
    fix = SIGN_IN if entry.fix == RESTORE and not restorable else entry.fix
    if container:
        fix = entry.container or (_WITHIN + fix if fix else "")
    # On a plain host the packages are in the folder's own environment; the image has no other Python.
    place = {"path": str(path), "name": path.name, "python": "python" if container else ".venv/bin/python"}
    said = place | dict(facts)
    is_command = "\n" not in fix
    fix = fix.format_map({name: shlex.quote(value) for name, value in said.items()} if is_command else said)
    return Problem(code, entry.message.format_map(said), fix, entry.severity)

"""The files of a login, and the rule that exactly one login is in force: the one that was chosen last.

    .credentials.json         claudeAiOauth: a subscription's login, written by the CLI and renewed by its processes
    .claude.json              oauthAccount: whose it is; primaryApiKey: the key of a Console login
    postern-credential.json   a long-lived token or an API key that an administrator pasted

Whatever puts a login here removes the others. The CLI does so too for the first two, and does not know the third: so
when the third is found beside one of them, somebody has signed in by the CLI since, and the third is not in force.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

LOGIN = ".credentials.json"
CONFIG = ".claude.json"
PASTED = "postern-credential.json"

VARIABLES = {"token": "CLAUDE_CODE_OAUTH_TOKEN", "api_key": "ANTHROPIC_API_KEY"}

_OAUTH = "claudeAiOauth"
_ACCOUNT = "oauthAccount"
_KEY = "primaryApiKey"
# What the CLI's own sign-out removes of the config file.
_PERSONAL = (_ACCOUNT, _KEY, "customApiKeyResponses")


@dataclass(frozen=True, repr=False)
class Secret:
    """A login that is handed to the processes by a variable. `file` is where it stands."""

    kind: Literal["token", "api_key"]
    value: str
    file: str

    @property
    def variable(self) -> dict[str, str]:
        return {VARIABLES[self.kind]: self.value}


def has_login(folder: Path) -> bool:
    return bool(_member(folder / LOGIN, _OAUTH).get("accessToken"))


def secret_in_force(folder: Path) -> Secret | None:
    """None also when a subscription's login is: the CLI reads that by itself."""
    if has_login(folder):
        return None
    key = read(folder / CONFIG).get(_KEY)
    if key and isinstance(key, str):
        return Secret("api_key", key, CONFIG)
    pasted = read(folder / PASTED)
    kind, value = pasted.get("kind"), pasted.get("value")
    if kind in VARIABLES and value and isinstance(value, str):
        return Secret(kind, value, PASTED)
    return None


def adopt(staged: Path, folder: Path, own_config: Path) -> bool:
    """Puts the login that the CLI left in `staged` into force; False when there is none. Blocks: fsync."""
    config = read(staged / CONFIG)
    found = {name: config[name] for name in _PERSONAL if name in config}
    login = _member(staged / LOGIN, _OAUTH)
    if login.get("accessToken") or login.get("refreshToken"):
        _change(folder / LOGIN, {_OAUTH: login})
        found.pop(_KEY, None)
    elif not found.get(_KEY):
        return False
    _change(folder / CONFIG, found, drop=_PERSONAL)
    if _KEY in found:
        _change(folder / LOGIN, drop=(_OAUTH,))
    _change(own_config / CONFIG, drop=_PERSONAL)
    _remove(folder / PASTED)
    return True


def paste(kind: str, value: str, folder: Path, own_config: Path) -> None:
    """Puts a token or an API key into force. Blocks: fsync."""
    _write(folder / PASTED, {"kind": kind, "value": value})
    _change(folder / CONFIG, drop=_PERSONAL)
    _change(own_config / CONFIG, drop=_PERSONAL)
    _change(folder / LOGIN, drop=(_OAUTH,))


class Before:
    """The files of a login as they were before another took its place; in memory only, for they hold secrets.

    What cannot be read signs nobody in, and counts as not there.
    """

    def __init__(self, folder: Path, own_config: Path):
        self._folder = folder
        self._own_config = own_config
        self._files = self._stored = _contents(folder)

    def another_is_stored(self) -> None:
        self._stored = _contents(self._folder)

    def put_back(self) -> bool:
        """False when somebody has signed in beside the gateway meanwhile: that login stays. Blocks: fsync.

        The CLI renews its own file by itself; who signs in changes one of the others, too.
        """
        now = _contents(self._folder)
        if any(now[name] != self._stored[name] for name in (CONFIG, PASTED)):
            return False
        changed = {name: content for name, content in self._files.items() if content != now[name]}
        # What is put back comes first: whenever this is killed, a whole login is there.
        for name, content in sorted(changed.items(), key=lambda item: item[1] is None):
            if content is None:
                _remove(self._folder / name)
            else:
                _write_bytes(self._folder / name, content)
        _change(self._own_config / CONFIG, drop=_PERSONAL)
        return True


def _contents(folder: Path) -> dict[str, bytes | None]:
    found: dict[str, bytes | None] = dict.fromkeys((LOGIN, CONFIG, PASTED))
    for name in found:
        with suppress(OSError):
            found[name] = (folder / name).read_bytes()
    return found


def remove(folder: Path, own_config: Path) -> None:
    """Nothing of a login is left, nor of the account it was for. Blocks: fsync."""
    tidy(folder)
    _remove(folder / PASTED)
    _remove(folder / LOGIN)
    for place in (folder, own_config):
        _change(place / CONFIG, drop=_PERSONAL)
        for old in place.glob(f"backups/{CONFIG}.*"):  # the CLI's copies of its config file
            _remove(old)


def read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _member(file: Path, name: str) -> dict[str, Any]:
    found = read(file).get(name)
    return found if isinstance(found, dict) else {}


def _change(file: Path, new: Mapping[str, Any] | None = None, drop: tuple[str, ...] = ()) -> None:
    """What else is in the file stays; a file that would hold nothing is removed."""
    old = read(file)
    content = {name: value for name, value in old.items() if name not in drop} | dict(new or {})
    if not content:
        _remove(file)
    elif content != old:
        _write(file, content)


def _remove(file: Path) -> None:
    try:
        file.unlink()
    except FileNotFoundError:
        return
    _sync(file.parent)


def _write(file: Path, content: Mapping[str, Any]) -> None:
    _write_bytes(file, json.dumps(content).encode())


def _write_bytes(file: Path, content: bytes) -> None:
    """The old content or the new, also after a crash, and never readable for others. (app.store is not for here.)"""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "wb") as output:
            output.write(content)
            output.flush()
            os.fsync(output.fileno())
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync(file.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def tidy(folder: Path) -> None:
    """Removes what writes that were killed have left."""
    for name in (PASTED, LOGIN, CONFIG):
        for left_over in folder.glob(f".{name}.*"):
            left_over.unlink(missing_ok=True)


def staging_prefix(pid: int | str) -> str:
    return f"login-{pid}-"


def sweep(temp_dir: Path, pid: int | str = "*") -> None:
    """Removes what a helper that was killed has left; those of all of them without `pid`."""
    for left_over in temp_dir.glob(f"{staging_prefix(pid)}*"):
        shutil.rmtree(left_over, ignore_errors=True)

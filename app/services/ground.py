"""What must be there before anything starts: folders, the CLI, the database, the keys, the models."""

import logging
import os
import platform
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from app.access.administrators import Administrators
from app.access.first_run import STEPS, FirstRun
from app.access.keys import Keys
from app.access.secret_key import load_secret_key
from app.claude import memory
from app.claude.command import PASSED_THROUGH, Installation
from app.claude.doctor import PROCESS_BYTES
from app.claude.lending import Limits
from app.claude.models import Catalogue, read_catalogue
from app.claude.turn import Patience
from app.claude.worker import NEWEST, installed_version
from app.errors import SettingsError, UnknownModel
from app.settings import CONFIG_DIR, Settings, networks, web_address
from app.store.database import Database

log = logging.getLogger(__name__)

_MOST_BY_MEMORY = 32
_MOST_STARTERS = 8  # a container may have fewer cores than it sees


@dataclass(frozen=True)
class Ground:
    catalogue: Catalogue
    installation: Installation
    version: tuple[int, ...]
    data_dir: Path
    secret_key: bytes
    database: Database


def prepare(settings: Settings) -> Ground:
    """Starts nothing. Raises SettingsError, CliCrashed with a sentence for the operator."""
    _check_addresses(settings)
    catalogue = read_models()
    _check_models(settings.pool.models, catalogue)
    data_dir = _folder(Path(settings.data_dir).absolute(), "data_dir")
    installation = places(settings, data_dir)
    furnish(installation)
    version = installed_version(installation)
    _demand_tried(version, allow_newer=settings.allow_newer_cli)
    secret_key = load_secret_key(settings.secret_key, data_dir)
    return Ground(catalogue, installation, version, data_dir, secret_key, _database(settings, data_dir, secret_key))


def _check_addresses(settings: Settings) -> None:
    """What is used only later, or by others. Raises SettingsError."""
    web_address(settings.public_url, "public_url")
    web_address(settings.sign_in_base, "sign_in_base")
    networks(settings.trusted_proxies)


def read_models() -> Catalogue:
    return read_catalogue(CONFIG_DIR / "models.toml")


def _database(settings: Settings, data_dir: Path, secret_key: bytes) -> Database:
    """With what the first start puts into it. No connection is left open: the worker is forked after this."""
    database = Database(data_dir / "postern.sqlite")
    keys = Keys(database, secret=secret_key)
    keys.seed_master(settings.master_key, data_dir)
    _seed_administrator(settings.admin_password, database, key_is_known=keys.plain_master() is None)
    database.close()
    return database


def _seed_administrator(password: str, database: Database, *, key_is_known: bool) -> None:
    """Then nobody is led through the set-up; but a key that was made for them is still to be stored elsewhere."""
    administrators, first_run = Administrators(database), FirstRun(database)
    there_was_one = administrators.exists()
    administrators.seed(password)
    if password and not there_was_one:
        for step in STEPS:
            if key_is_known or step != "key":
                first_run.complete(step)


def _check_models(names: Iterable[str], catalogue: Catalogue) -> None:
    try:
        for name in names:
            catalogue.find(name)
    except UnknownModel as error:
        raise SettingsError(f"pool.models: {error}") from error


def places(settings: Settings, data_dir: Path) -> Installation:
    """Where everything of the CLI is. Makes nothing, and does not ask whether it is there."""
    return Installation(
        binary=_binary(settings.claude_bin),
        config_dir=Path(settings.claude_config_dir or data_dir / "claude").absolute(),
        home=data_dir / "home",
        empty_dir=data_dir / "empty",
        temp_dir=data_dir / "tmp",
        passed={name: value for name, value in settings.environ.items() if name in PASSED_THROUGH and value},
    )


def furnish(installation: Installation) -> None:
    """Makes the folders that are not there. Raises SettingsError, also when there is no CLI."""
    empty_dir = _folder(installation.empty_dir, "data_dir", 0o555)
    if any(empty_dir.iterdir()):
        raise SettingsError(f"{empty_dir} must be empty: claude processes run in it. Delete what is in it.")
    _folder(installation.config_dir, "claude_config_dir")
    _folder(installation.home, "data_dir")
    _folder(installation.temp_dir, "data_dir")
    if not os.access(installation.binary, os.X_OK):
        raise SettingsError(
            f"claude_bin: there is no claude CLI at {installation.binary}. Run `make setup`, or set GATEWAY_CLAUDE_BIN."
        )


def _folder(path: Path, setting: str, mode: int = 0o700) -> Path:
    try:
        if not path.exists():
            path.mkdir(mode=mode, parents=True, exist_ok=True)
            path.chmod(mode)
        if not os.access(path, os.R_OK | os.X_OK):
            raise PermissionError("it cannot be read")
    except OSError as error:
        raise SettingsError(f"{setting}: cannot use the folder {path}: {error}") from error
    return path


def _demand_tried(version: tuple[int, ...], *, allow_newer: bool) -> None:
    if version > NEWEST and not allow_newer:
        found, tried = (".".join(map(str, numbers)) for numbers in (version, NEWEST))
        raise SettingsError(
            f"claude {found} is newer than {tried}, the newest that was tried: it may act on what clients send. "
            f"Install {tried} (`make setup` does), or set GATEWAY_ALLOW_NEWER_CLI=true."
        )


def _binary(configured: str) -> Path:
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    installed = Path(__file__).parents[2] / f"node_modules/@anthropic-ai/claude-code-linux-{machine}/claude"
    if configured:
        return Path(configured).absolute()
    return installed if installed.exists() else Path(shutil.which("claude") or installed)


def limits(settings: Settings) -> Limits:
    most = settings.pool.max or _most_by_memory()
    return Limits(
        warm=settings.pool.warm,
        warm_most=settings.pool.warm_most or most // 4,
        most=most,
        starters=settings.pool.starters or min(len(os.sched_getaffinity(0)), most, _MOST_STARTERS),
        queue=settings.queue.max,
        queue_seconds=settings.queue.timeout,
        kept=most // 2 if settings.pool.keep else 0,
        kept_seconds=settings.pool.keep,
        reuse=settings.pool.reuse,
        process_bytes=settings.pool.process_memory << 20,
        reserve_bytes=settings.pool.spare_memory << 20,
    )


def _most_by_memory() -> int:
    return max(2, min(_MOST_BY_MEMORY, memory.free() // 2 // PROCESS_BYTES))


def patience(settings: Settings) -> Patience:
    turn = settings.turn
    return Patience(turn.retry_seconds, turn.first_event_timeout, turn.idle_timeout, turn.timeout)

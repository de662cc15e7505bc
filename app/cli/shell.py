"""What the commands work on: the gateway's own objects, made when they are needed."""

import os
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from app.access.administrators import Administrators
from app.access.audit import Audit, written_first
from app.access.first_run import FirstRun
from app.access.keys import Keys
from app.access.secret_key import load_secret_key
from app.access.sessions import Sessions
from app.claude.command import Installation
from app.claude.login_watch import LoginWatch
from app.claude.volume import in_container
from app.errors import SettingsError
from app.services.ground import places
from app.settings import Settings, load
from app.store.database import Database
from app.store.files import write_atomically

T = TypeVar("T")


class Shell:
    """Raises SettingsError where a setting is wrong, or the gateway's data is not there or another user's.

    It starts nothing of what a gateway runs, and writes nothing that a running one keeps in memory.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    @cached_property
    def settings(self) -> Settings:
        return load(self._environ)

    @property
    def data_dir(self) -> Path:
        return Path(self.settings.data_dir).absolute()

    @cached_property
    def installation(self) -> Installation:
        return places(self.settings, self.data_dir)

    @cached_property
    def watch(self) -> LoginWatch:
        """Not started: it looks, and keeps no copies."""
        return LoginWatch(self.installation, self.data_dir, write_atomically)

    # ---- the database

    @property
    def _file(self) -> Path:
        return self.data_dir / "postern.sqlite"

    def begin(self) -> None:
        """For what may be done before the gateway's first start."""
        self.demand_owner()
        Database(self._file).close()

    def demand_folder(self) -> None:
        """For what only looks."""
        if not self.data_dir.is_dir():
            raise SettingsError(
                f"There is no folder {self.data_dir}. Set GATEWAY_DATA_DIR to the one that the gateway has its data in."
            )
        self.refuse_root()

    def refuse_root(self) -> None:
        """Who may everything sees no problem, and would leave files that the gateway may not touch."""
        if os.geteuid() == 0:
            self._demand_owner()

    def demand_owner(self) -> None:
        """For what reads the database, for that writes as well."""
        self.demand_folder()
        self._demand_owner()

    def _demand_owner(self) -> None:
        found = next((place for place in (self._file, self.data_dir) if place.exists()), None)
        owner = found.stat().st_uid if found else os.geteuid()
        if owner != os.geteuid():
            raise SettingsError(
                f"{found} belongs to user {owner}, and this shell runs as user {os.geteuid()}: the gateway could not "
                f"use what it writes. Run it as the gateway's user: {_as_user(owner)} python -m app.cli ..."
            )

    @cached_property
    def database(self) -> Database:
        self.demand_owner()
        if not self._file.exists():
            raise SettingsError(
                f"No gateway has been started with its data in {self.data_dir} yet. Start it once, or set "
                "GATEWAY_DATA_DIR to the folder that it uses."
            )
        return Database(self._file)

    @cached_property
    def keys(self) -> Keys:
        return Keys(self.database, secret=load_secret_key(self.settings.secret_key, self.data_dir))

    @cached_property
    def administrators(self) -> Administrators:
        return Administrators(self.database)

    @cached_property
    def first_run(self) -> FirstRun:
        return FirstRun(self.database)

    @cached_property
    def sessions(self) -> Sessions:
        return Sessions(self.database, self.settings.session.idle, self.settings.session.absolute)

    # ---- what is written down

    @cached_property
    def audit(self) -> Audit:
        return Audit(self.data_dir / "audit.jsonl", self.database)

    @property
    def actor(self) -> str:
        return f"shell (uid {os.getuid()})"

    def record(self, action: str, *, outcome: str, target: str = "", **facts: Any) -> None:
        self.audit.record(self.actor, action, target=target, outcome=outcome, **facts)

    def act(self, action: str, do: Callable[[], T], *, target: str = "", **facts: Any) -> T:
        """Raises AuditFailed, and then nothing was done (threat 61)."""
        return written_first(partial(self.record, action, target=target, **facts), do)


def _as_user(uid: int) -> str:
    return f"docker compose exec --user {uid} gateway" if in_container() else f"sudo -u '#{uid}'"

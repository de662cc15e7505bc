"""The objects that do the work, handed to the views."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from flask import current_app

from app.access.administrators import Administrators
from app.access.audit import Audit
from app.access.first_run import FirstRun
from app.access.keys import Key, Keys
from app.access.sessions import Sessions
from app.access.shown_once import ShownOnce
from app.access.throttle import Throttle
from app.access.upkeep import Upkeep
from app.claude import account, login, volume
from app.claude.account import Account
from app.claude.command import Installation
from app.claude.completion import Completion, Order
from app.claude.conversation import Prompt
from app.claude.counting import count_tokens
from app.claude.failures import without_hint
from app.claude.login import Login
from app.claude.login_watch import LoginWatch
from app.claude.models import Catalogue
from app.claude.pool import Pool
from app.claude.trial import Question, words
from app.claude.turn import Patience
from app.claude.volume import Volume
from app.claude.worker import Worker
from app.errors import InvalidRequest, LoginBusy, PosternError
from app.services.off_loop import OffLoop
from app.services.passwords import PasswordCheck
from app.services.responses import KeptResponses
from app.settings import StreamSettings

EXTENSION = "postern"


@dataclass(frozen=True)
class Trial:
    """A real completion, asked for by an administrator."""

    ok: bool
    text: str
    seconds: float
    message: str


@dataclass(frozen=True)
class Serving:
    """Connections that are open, those of them without a request; and how long all were held up (see delays)."""

    connections: int
    idle: int
    longest_delay: float
    most_work: float


@dataclass(frozen=True)
class Services:
    # The CLI
    catalogue: Catalogue
    installation: Installation
    pool: Pool[Worker]
    patience: Patience
    stream: StreamSettings
    write_timeout: float
    most_choices: int
    test_model: str
    watch: LoginWatch
    login: Login
    # Who may do what
    keys: Keys
    administrators: Administrators
    password_is_right: PasswordCheck
    sessions: Sessions
    throttle: Throttle
    first_run: FirstRun
    audit: Audit
    secret_key: bytes
    trusted_hosts: frozenset[str]
    off_loop: OffLoop
    upkeep: Upkeep
    responses: KeptResponses
    # Carries a stream's deltas in a thread of the system (app.api.relay); None where nothing can.
    carry: Callable[[Any], None] | None = None
    # How the server is; None where it does not tell.
    serving: Callable[[], Serving] | None = None
    shown_once: ShownOnce[tuple[str, Key]] = field(default_factory=ShownOnce)
    clock: Callable[[], float] = time.time

    def complete(self, model: str, prompt: Prompt, n: int, owner: str = "") -> Completion:
        """Raises UnknownModel, InvalidRequest. `model` is a public name; `owner` the id of the key that asks."""
        if n > self.most_choices:
            raise InvalidRequest(f"n is at most {self.most_choices} here: each choice takes a process.", param="n")
        order = Order(self.catalogue.find(model).cli, prompt, owner)
        return Completion(self.pool, order, n, self.patience, self.watch)

    def count_tokens(self, model: str, prompt: Prompt, gone: Callable[[], bool]) -> int:
        """Raises UnknownModel, and PosternError when upstream cannot be asked."""
        return count_tokens(self.pool, Order(self.catalogue.find(model).cli, prompt), gone)

    def ask(self) -> str:
        """A short question, really answered. Raises PosternError."""
        completion = self.complete(self.test_model, Question(), 1)
        try:
            return words(event for batch in completion.batches() for _, event in batch)
        finally:
            completion.cancel()

    def try_out(self) -> Trial:
        begun = time.monotonic()
        try:
            text, message = self.ask(), ""
        except PosternError as error:
            text, message = "", without_hint(error)
        return Trial(not message, text, time.monotonic() - begun, message)

    def volume(self) -> Volume:
        """Blocks."""
        return volume.inspect(Path(self.installation.config_dir))

    def account(self) -> Account:
        return self.watch.account()

    def sign_out(self) -> None:
        """Starts a process: on the loop's own thread. Raises LoginBusy, CliError."""
        login.sign_out(self.installation)
        with suppress(LoginBusy):  # somebody was quick
            self.login.abandon("")  # that it succeeded once is over
        self.off_loop(self.watch.forget_copy)
        self.pool.renew()

    def not_ready(self) -> list[str]:
        """Why no completion can be expected now; empty when all is well."""
        reasons = []
        if account.credentials(self.installation) is None:
            reasons.append("The claude CLI is not signed in.")
        # Until a question is answered, or another login is there. A limit or an overload passes by itself.
        reasons += [each.message for each in self.account().problems if each.code in ("login_refused", "login_expired")]
        if trouble := self.pool.trouble():
            reasons.append(trouble)
        return reasons

    def drain(self) -> None:
        self.pool.drain()

    @property
    def busy(self) -> bool:
        return self.pool.busy

    def close(self) -> None:
        self.upkeep.close()
        self.login.close()
        self.watch.close()
        self.pool.close()


def services() -> Services:
    return cast(Services, current_app.extensions[EXTENSION])

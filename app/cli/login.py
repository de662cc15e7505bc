"""Signing the CLI in and out."""

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import Empty, SimpleQueue

import click

from app.claude import login as engine
from app.claude.login import UNDER_WAY, Login, LoginStatus
from app.claude.login_job import METHODS
from app.cli.output import say
from app.cli.shell import Shell
from app.cli.terminal import Lines
from app.cli.trial import ask
from app.errors import CliError, InvalidRequest
from app.services.ground import furnish

_TICK = 0.2
_SECRET = frozenset({"token", "api_key"})


class MainThread:
    """Does here what another thread waits for: a `claude` process is started from the main thread only."""

    def __init__(self) -> None:
        self._asked: SimpleQueue[tuple[Callable[[], None], Future[None]]] = SimpleQueue()

    def do(self, work: Callable[[], None]) -> None:
        """For other threads: raises what `work` raises."""
        done: Future[None] = Future()
        self._asked.put((work, done))
        done.result()

    def serve(self, seconds: float) -> None:
        """For the main thread: waits for a work and does it."""
        try:
            work, done = self._asked.get(timeout=seconds)
        except Empty:
            return
        try:
            work()
        except Exception as error:  # raised where it is waited for
            done.set_exception(error)
        else:
            done.set_result(None)


@click.command()
@click.option("--method", type=click.Choice(list(METHODS)), default="claudeai", show_default=True)
@click.option("--email", default="", help="Filled in for you on the sign-in page.")
@click.option("--restore", is_flag=True, help="Do not sign in: bring the last good copy of a damaged login back.")
@click.pass_obj
def login(shell: Shell, method: str, email: str, restore: bool) -> None:
    """Signs the claude CLI in, and tries the login out with a real question.

    claudeai is a Claude subscription, console the Claude Console (billed by use), sso an organisation's own sign-in,
    token a long-lived one of `claude setup-token`, api_key a key of the Console. A token, a key or a code may also
    come from a pipe. What fails before the question, or is refused at it, leaves the login that was there in force.
    """
    shell.begin()
    if restore:
        shell.act("restore the last good copy of the login", shell.watch.restore_copy)
        say("The last good copy is back. A running gateway takes it within seconds.")
        return
    furnish(shell.installation)
    ended = _sign_in(shell, method, email)
    if ended.state != "succeeded":
        raise CliError(ended.message)
    say(ended.message)
    say("A running gateway takes the login within seconds.")


def _sign_in(shell: Shell, method: str, email: str) -> LoginStatus:
    main_thread = MainThread()
    wizard = Login(
        shell.installation,
        lambda: main_thread.do(lambda: _try_out(shell)),
        sign_in_base=shell.settings.sign_in_base,
    )
    try:
        shell.act("start a sign-in", partial(wizard.start, method, shell.actor, email=email), method=method)
        return _follow(shell, wizard, main_thread)
    finally:
        wizard.close()


def _try_out(shell: Shell) -> None:
    ask(shell)


def _follow(shell: Shell, wizard: Login, main_thread: MainThread) -> LoginStatus:
    lines, told = Lines(), ""
    while (status := wizard.status()).state in UNDER_WAY:
        if status.message != told:
            told = status.message
            say("\n".join(filter(None, (told, status.url))))
        if status.state == "awaiting_code":
            _pass_on(shell, wizard, lines)
        else:
            main_thread.serve(_TICK)
    return status


def _pass_on(shell: Shell, wizard: Login, lines: Lines) -> None:
    """One line to the engine, as long as it waits for one."""
    method = wizard.status().method
    what = {"token": "Token", "api_key": "API key"}.get(method, "Code")
    text = lines.ask(f"{what}: ", hidden=method in _SECRET, goes_on=lambda: wizard.status().state == "awaiting_code")
    if text is None:
        return
    try:
        shell.act("send the sign-in's code", partial(wizard.submit, text, shell.actor), method=method)
    except InvalidRequest as error:
        say(str(error))


@click.command()
@click.pass_obj
def logout(shell: Shell) -> None:
    """Signs the claude CLI out: the login is revoked where that can be reached, and removed here."""
    shell.begin()
    furnish(shell.installation)
    account = shell.watch.account()
    shell.act("sign Claude out", partial(_sign_out, shell), target=account.account)
    say("Claude is signed out. Applications get errors until somebody signs in again.")


def _sign_out(shell: Shell) -> None:
    engine.sign_out(shell.installation)
    shell.watch.forget_copy()

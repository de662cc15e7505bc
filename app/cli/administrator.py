"""The administrator's password, and who is signed in with it."""

from dataclasses import asdict
from functools import partial
from typing import TextIO

import click

from app.cli.output import as_json, print_json, say
from app.cli.shell import Shell
from app.cli.terminal import Lines
from app.cli.texts import moment, table
from app.errors import InvalidRequest

_LONGEST = 8192


@click.command("reset-admin")
@click.option("--password-file", type=click.File("r"), help="Read the new password from this file; - for a pipe.")
@click.pass_obj
def reset_admin(shell: Shell, password_file: TextIO | None) -> None:
    """A new password for the administrator, asked for twice. All sessions end."""
    shell.begin()
    password = password_file.read(_LONGEST).rstrip("\r\n") if password_file else _ask_twice()
    shell.administrators.check_password(password)
    shell.act("reset the administrator's password", partial(_reset, shell, password), target="admin")
    say("The password is changed, and every session has ended. Sign in with the new one.")


def _ask_twice() -> str:
    lines = Lines()
    if not lines.typed:
        raise click.UsageError("There is no terminal to ask on. From a pipe, use --password-file -.")
    first = lines.ask("New password: ", hidden=True)
    if first != lines.ask("The same again: ", hidden=True):
        raise InvalidRequest("The two are not the same.")
    return first or ""


def _reset(shell: Shell, password: str) -> None:
    """A one-time link that is still open is void, too."""
    shell.first_run.use(partial(shell.administrators.set_password, password))
    shell.sessions.end_all()


@click.group()
def sessions() -> None:
    """Who is signed in to the administrator's side."""


@sessions.command("list")
@as_json
@click.pass_obj
def list_sessions(shell: Shell, as_json: bool) -> None:
    """Every session that has not ended, as the gateway wrote it down within the last minute."""
    found = shell.sessions.list()
    if as_json:
        print_json({"sessions": [asdict(session) for session in found]})
        return
    rows = [("ID", "SIGNED IN", "LAST SEEN", "FROM", "BROWSER")]
    rows += [
        (each.id, moment(each.created_at), moment(each.last_seen_at), each.address, each.user_agent) for each in found
    ]
    click.echo(table(rows))


@sessions.command()
@click.argument("session_id")
@click.pass_obj
def end(shell: Shell, session_id: str) -> None:
    """Ends one session, at once."""
    if session_id not in {session.id for session in shell.sessions.list()}:
        raise InvalidRequest("There is no session with this id.")
    shell.act("end a session", partial(shell.sessions.end, session_id), target=session_id)
    say("The session has ended.")


@sessions.command("end-all")
@click.pass_obj
def end_all(shell: Shell) -> None:
    """Ends every session, at once."""
    shell.act("end all sessions", shell.sessions.end_all)
    say("Every session has ended.")

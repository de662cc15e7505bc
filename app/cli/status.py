"""How the login and the place that keeps it are, and what to do about it."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import click

from app.access.plain import plain
from app.claude import doctor as checks
from app.claude import memory
from app.claude import volume as volumes
from app.claude.account import Account
from app.claude.command import Installation
from app.claude.volume import Volume
from app.claude.worker import installed_version
from app.cli.output import as_json, print_json, print_problems
from app.cli.shell import Shell
from app.cli.texts import moment, size
from app.cli.trial import try_out
from app.services import Trial


@click.command()
@click.option("--test", "asks", is_flag=True, help="Ask a real question, too. Exit status 1 without an answer.")
@as_json
@click.pass_context
def status(context: click.Context, asks: bool, as_json: bool) -> None:
    """The login and its volume, as on the page /auth. Whether the login works, a real request tells: see --test."""
    shell: Shell = context.obj
    shell.demand_folder()
    trial = try_out(shell) if asks else None
    _print(shell, trial, as_json)
    if trial and not trial.ok:
        context.exit(1)


def _print(shell: Shell, trial: Trial | None, as_json: bool) -> None:
    account, volume = shell.watch.account(), volumes.inspect(shell.installation.config_dir)
    if as_json:
        # As GET /admin/api/status; the pool is the running gateway's.
        test = {"test": asdict(trial)} if trial else {}
        print_json({"auth": asdict(account), "volume": asdict(volume), "pool": None, **test})
        return
    for name, value in (*_account(account), *_volume(volume)):
        click.echo(f"{name:<16}{value}")
    if trial:
        click.echo(f"{'test':<16}{_said(trial)}")
    print_problems([*account.problems, *volume.problems])


def _said(trial: Trial) -> str:
    return f"answered in {trial.seconds:.1f} s: {plain(trial.text)}" if trial.ok else f"NOT answered: {trial.message}"


def _account(account: Account) -> Iterator[tuple[str, str]]:
    yield "login", account.state.replace("_", " ")
    if not account.source:
        return
    yield "method", " ".join(filter(None, (account.method, account.plan and f"({account.plan})")))
    yield "from", account.source
    yield "account", ", ".join(filter(None, (account.account, account.organisation))) or "not known"
    if account.access_expires_at:
        yield "access token", f"until {moment(account.access_expires_at)}"
    if account.login_expires_at:
        yield "login ends", moment(account.login_expires_at)
    yield "last answer", moment(account.last_success_at)
    if account.last_failure:
        yield "last failure", f"{moment(account.last_failure_at)}: {account.last_failure}"
    if account.limited_until:
        yield "limited until", moment(account.limited_until)


def _volume(volume: Volume) -> Iterator[tuple[str, str]]:
    yield "volume", volume.path
    device = " ".join(filter(None, (volume.kind, volume.device, volume.name)))
    yield "kept on", f"{device}, {'outlives' if volume.persistent else 'DOES NOT OUTLIVE'} the container or machine"
    if volume.owner:
        yield "owner, mode", f"{volume.owner}, {volume.mode}, {'' if volume.writable else 'NOT '}writable"
    inodes = f", {volume.free_inodes} inodes" if volume.free_inodes >= 0 else ""
    yield "free", size(volume.free_bytes) + inodes


@click.command()
@as_json
@click.pass_context
def doctor(context: click.Context, as_json: bool) -> None:
    """All that can be checked without asking Anthropic, each problem with its fix. Exit status 1 for an error."""
    shell: Shell = context.obj
    shell.refuse_root()
    problems = checks.doctor(
        shell.installation, shell.data_dir, shell.watch.account(), memory.free(), version=_version_anywhere
    )
    if as_json:
        print_json({"problems": [asdict(problem) for problem in problems]})
    else:
        print_problems(problems)
        click.echo("" if problems else "Everything is in order.", nl=not problems)
    if any(problem.severity == "error" for problem in problems):
        context.exit(1)


def _version_anywhere(installation: Installation) -> object:
    """Where no gateway was started yet there is no empty folder to run it in."""
    there = installation.empty_dir.is_dir()
    return installed_version(installation if there else replace(installation, empty_dir=Path("/")))

"""The audit log: read, checked, taken away."""

import sys
from dataclasses import asdict

import click

from app.cli.output import as_json, print_json, say
from app.cli.shell import Shell
from app.cli.texts import table


@click.group()
def audit() -> None:
    """What administrators did, in the browser and here."""


@audit.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many entries.")
@click.option("--before", type=int, help="Only entries with a smaller number.")
@as_json
@click.pass_obj
def list_entries(shell: Shell, limit: int, before: int | None, as_json: bool) -> None:
    """The latest entries first."""
    entries = shell.audit.entries(limit, before)
    if as_json:
        print_json({"entries": [asdict(entry) for entry in entries]})
        return
    rows = [("NO", "TIME", "WHO", "FROM", "WHAT", "OUTCOME", "FACTS")]
    for each in entries:
        facts = " ".join(f"{name}={value}" for name, value in each.facts.items())
        what = f"{each.action}: {each.target}" if each.target else each.action
        rows.append((str(each.seq), each.time, each.actor, each.address or "-", what, each.outcome, facts))
    click.echo(table(rows))


@audit.command()
@as_json
@click.pass_context
def verify(context: click.Context, as_json: bool) -> None:
    """Whether every entry is as it was written, in its place, and none is missing. Exit status 1 if not."""
    shell: Shell = context.obj
    found = shell.audit.verify()
    if as_json:
        print_json(asdict(found))
    elif found.ok:
        click.echo(f"All {found.count} entries are as they were written.")
    else:
        say(f"Entry {found.broken_at}: {found.reason} The {found.count} entries before it are as they were written.")
    if not found.ok:
        context.exit(1)


@audit.command()
@click.pass_obj
def export(shell: Shell) -> None:
    """The whole log as it is, one JSON object a line, to standard output."""
    sys.stdout.buffer.writelines(shell.audit.export())

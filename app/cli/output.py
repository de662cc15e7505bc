"""What goes where: what a script wants to standard output, and what a person is told to standard error."""

import json
from collections.abc import Iterable
from typing import Any

import click

from app.claude.problems import Problem

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def say(message: str) -> None:
    click.echo(message, err=True)


def print_json(content: Any) -> None:
    click.echo(json.dumps(content, indent=2))


def print_problems(problems: Iterable[Problem]) -> None:
    for problem in problems:
        click.echo(f"{problem.severity}: {problem.message}")
        for line in problem.fix.splitlines():
            click.echo(f"    {line}")

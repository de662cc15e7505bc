"""All commands. What they refuse ends with a sentence and an exit status of its own."""

import logging
import os
import sqlite3
from typing import Any

import click

from app.cli import administrator, audit, keys, login, status
from app.cli.shell import Shell
from app.errors import PosternError, SettingsError

REFUSED, MISTAKEN = 1, 2


class Failure(click.ClickException):
    def __init__(self, message: str, status: int = REFUSED):
        super().__init__(message)
        self.exit_code = status  # type: ignore[misc]  # click's default for all of them is the class's


class Sentences(click.Group):
    """Nobody is shown a trace for what can be said."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            raise Failure(str(error), MISTAKEN) from error
        except PosternError as error:
            raise Failure(str(error)) from error
        except BrokenPipeError:
            raise  # whoever reads has read enough
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise Failure(f"{where}{error.strerror or type(error).__name__}.") from error
        except sqlite3.Error as error:
            raise Failure(f"The gateway's database cannot be read ({error}).") from error


@click.group(cls=Sentences, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("-v", "--verbose", is_flag=True, help="Tell on standard error what a gateway would log.")
@click.pass_context
def commands(context: click.Context, verbose: bool) -> None:
    """The operator's shell of Postern: all that an administrator does in the browser.

    It reads the gateway's own settings (GATEWAY_DATA_DIR and so on), and is run as the gateway's user. A running
    gateway goes on, and takes every change at once. What changes something is written to the audit log first.
    """
    context.obj = Shell(os.environ)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("app").setLevel("INFO" if verbose else "CRITICAL")


for command in (
    status.status,
    status.doctor,
    login.login,
    login.logout,
    keys.keys,
    keys.rotate,
    administrator.reset_admin,
    administrator.sessions,
    audit.audit,
):
    commands.add_command(command)

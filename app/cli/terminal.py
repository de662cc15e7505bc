"""Lines from whoever runs a command: typed, hidden where they are secret, or from a pipe."""

import os
import select
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import click

from app.cli.output import say

_TICK = 0.3
_MOST = 16_384


def _always() -> bool:
    return True


class Lines:
    """Of the standard input. The program's own arguments are never the place for a secret (threat 32)."""

    def __init__(self, descriptor: int = 0) -> None:
        self._descriptor = descriptor
        self._held = b""

    @property
    def typed(self) -> bool:
        return os.isatty(self._descriptor)

    def ask(self, question: str, *, hidden: bool = False, goes_on: Callable[[], bool] = _always) -> str | None:
        """The next line; None when `goes_on` has become false. Raises click.Abort at the end of the input."""
        click.echo(question, nl=False, err=True)
        try:
            with self._silent() if hidden and self.typed else nullcontext():
                return self._line(goes_on)
        finally:
            if not self.typed or hidden:
                say("")

    def _line(self, goes_on: Callable[[], bool]) -> str | None:
        while b"\n" not in self._held:
            if not goes_on():
                return None
            if not select.select([self._descriptor], [], [], _TICK)[0]:
                continue
            chunk = os.read(self._descriptor, _MOST)
            if not chunk and not self._held:
                raise click.Abort
            self._held += chunk or b"\n"
        line, _, self._held = self._held.partition(b"\n")
        return line.decode("utf-8", "replace").rstrip("\r")

    @contextmanager
    def _silent(self) -> Iterator[None]:
        before = termios.tcgetattr(self._descriptor)
        without_echo = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]
        termios.tcsetattr(self._descriptor, termios.TCSAFLUSH, without_echo)
        try:
            yield
        finally:
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, before)

"""A process of its own that holds the terminal in which the CLI signs in: `python -m app.claude.login_helper`.

It is apart because pexpect blocks, and because in a worker that gevent has patched it dead-locks (threat 28). Its
standard input and output are lines of JSON. First comes the job, then what is to be typed:

    {"do": "login" | "paste" | "sign_out", "command": [...], "env": {...}, "cwd", "config_dir", "own_config", ...}
    {"text": "..."}                    the code, or the token or key to store
    {"put_back": true}                 after a sign-in is `done`: the new login is no good

and it answers with events: `links` that are on the screen, `ready` for the secret, `asks_again`, and one last of
`done`, `refused`, `failed`, `busy`, `broken`. After a sign-in is `done` it keeps what was there before, in its memory,
until its input ends; when it is to put that back it answers with `put_back`, or with `changed` when somebody has signed
in beside the gateway meanwhile. `said` are words of the CLI's as plain text; of the helper's own when it
is broken. It prints nothing else, and raises nothing: a trace of pexpect's would show the screen, and on it the code
(threat 32).
"""

import fcntl
import json
import os
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import pexpect

from app.claude import login_files, login_screen
from app.claude.framing import LineFramer
from app.claude.process import die_with_parent

COLUMNS = 4000  # wider than any link
_MOST_SHOWN = 1 << 18
_TICK = 0.25
_CHUNK = 1 << 16
_SIGN_OUT_SECONDS = 10.0


class Input:
    """The lines of the standard input. Its end is the gateway's."""

    def __init__(self) -> None:
        self._framer = LineFramer(1 << 20)
        self._lines: list[bytes] = []

    def fileno(self) -> int:
        return 0

    def take(self) -> dict[str, Any] | None:
        """The next line, None when there is no whole one yet. Blocks when nothing has come."""
        if not self._lines:
            chunk = os.read(0, _CHUNK)
            if not chunk:
                raise SystemExit(0)
            self._lines = self._framer.feed(chunk)
        return json.loads(self._lines.pop(0)) if self._lines else None

    def wait(self) -> dict[str, Any]:
        while (line := self.take()) is None:
            pass
        return line


def tell(event: str, **members: Any) -> None:
    os.write(1, json.dumps({"event": event, **members}).encode("ascii") + b"\n")


class Terminal:
    """The CLI on a PTY, and all that it has shown there."""

    def __init__(self, job: Mapping[str, Any], env: Mapping[str, str]):
        program, *arguments = job["command"]
        self._child = pexpect.spawn(
            program,
            arguments,
            env=dict(env),
            cwd=job["cwd"],
            dimensions=(50, COLUMNS),
            encoding="utf-8",
            codec_errors="replace",
            echo=False,
            preexec_fn=die_with_parent(os.getpid()),
        )
        self._child.delaybeforesend = None
        self.screen = ""

    def fileno(self) -> int:
        return int(self._child.child_fd)

    def type(self, text: str) -> None:
        self._child.sendline(text)

    def read(self) -> bool:
        """Takes what there is; False at the end."""
        try:
            self.screen += self._child.read_nonblocking(_CHUNK, timeout=0)
        except pexpect.TIMEOUT:
            # Something that the CLI has started may hold the terminal open.
            return bool(self._child.isalive())
        except pexpect.EOF:
            return False
        return len(self.screen) < _MOST_SHOWN

    def exit_status(self) -> int | None:
        """None when it had to be killed, now or by another."""
        deadline = time.monotonic() + 2
        while self._child.isalive() and time.monotonic() < deadline:
            time.sleep(0.01)
        return None if self._child.isalive() else self._child.exitstatus

    def close(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.ptyproc.delayafterclose = 0.01
        with suppress(pexpect.ExceptionPexpect):
            self._child.close(force=True)


@contextmanager
def terminal(job: Mapping[str, Any], staging: Path, env: Mapping[str, str]) -> Iterator[Terminal]:
    home = {"CLAUDE_CONFIG_DIR": str(staging), "HOME": str(staging)}
    opened = Terminal(job, {**job["env"], **home, **env})
    try:
        yield opened
    finally:
        opened.close()


def login(job: Mapping[str, Any], staging: Path, given: Input) -> login_files.Before | None:
    """The CLI writes into `staging`; what is there when it has succeeded is put into force. Gives what was before.

    So a sign-in that fails or is given up changes nothing, and nothing in the volume can configure the CLI meanwhile.
    """
    with terminal(job, staging, {"CLAUDE_SECURESTORAGE_CONFIG_DIR": str(staging)}) as cli:
        talk = Talk(cli)
        while talk.goes_on(given):
            pass
        return talk.judge(job, staging)


class Talk:
    """What is on the screen goes to the gateway, and what it sends is typed."""

    def __init__(self, cli: Terminal):
        self._cli = cli
        self._links: list[str] = []
        self._typed = ""
        self._typed_at = 0

    def goes_on(self, given: Input) -> bool:
        both: list[Terminal | Input] = [self._cli, given]
        ready, _, _ = select.select(both, [], [], _TICK)
        if given in ready and (line := given.take()):
            self._typed, self._typed_at = line["text"], len(self._cli.screen)
            self._cli.type(self._typed)
        if not self._cli.read():
            return False
        self._tell_links()
        self._tell_question()
        return True

    def judge(self, job: Mapping[str, Any], staging: Path) -> login_files.Before | None:
        """By how it has ended, and by what it has left behind; not by its words."""
        status = self._cli.exit_status()
        before = login_files.Before(*_folders(job))
        if status == 0 and login_files.adopt(staging, *_folders(job)):
            return before
        if status and self._typed and not login_screen.is_unreachable(self._said()):
            tell("refused", said=self._said())
        else:
            # One that was killed has said nothing of that.
            tell("failed", said="" if status is None else self._said())
        return None

    def _said(self) -> str:
        """Since the code was typed, without it."""
        return login_screen.words(self._cli.screen[self._typed_at :], self._typed, *self._typed.split("#"))

    def _tell_links(self) -> None:
        if self._typed:
            return
        found = login_screen.links(self._cli.screen, COLUMNS)
        if found != self._links:
            self._links = found
            tell("links", links=found)

    def _tell_question(self) -> None:
        if self._typed and login_screen.asks_again(self._cli.screen[self._typed_at :]):
            tell("asks_again", said=self._said())
            self._typed, self._typed_at = "", len(self._cli.screen)


def paste(job: Mapping[str, Any], _: Path, given: Input) -> login_files.Before:
    tell("ready")
    text = given.wait()["text"]
    before = login_files.Before(*_folders(job))
    login_files.paste(job["kind"], text, *_folders(job))
    return before


def _folders(job: Mapping[str, Any]) -> tuple[Path, Path]:
    return Path(job["config_dir"]), Path(job["own_config"])


def stand_by(before: login_files.Before, given: Input) -> None:
    """While the new login is tried. Whatever ends this process, the new one stays."""
    before.another_is_stored()
    tell("done")
    if given.wait().get("put_back"):
        tell("put_back" if before.put_back() else "changed")


def sign_out(job: Mapping[str, Any], staging: Path, _: Input) -> None:
    """The CLI tells Anthropic, if it can; whatever becomes of that, nothing is left here."""
    folder = Path(job["config_dir"])
    said = ""
    if login_files.has_login(folder):
        said = _signed_out_by_the_cli(job, staging, folder)
    login_files.remove(*_folders(job))
    left = login_files.has_login(folder) or login_files.secret_in_force(folder)
    tell("failed" if left else "done", said=said)


def _signed_out_by_the_cli(job: Mapping[str, Any], staging: Path, folder: Path) -> str:
    deadline = time.monotonic() + _SIGN_OUT_SECONDS
    with terminal(job, staging, {"CLAUDE_SECURESTORAGE_CONFIG_DIR": str(folder)}) as cli:
        while time.monotonic() < deadline:
            select.select([cli], [], [], _TICK)
            if not cli.read():
                break
        return login_screen.words(cli.screen)


JOBS: dict[str, Callable[[Mapping[str, Any], Path, Input], login_files.Before | None]] = {
    "login": login,
    "paste": paste,
    "sign_out": sign_out,
}


@contextmanager
def sole_holder(folder: Path) -> Iterator[bool]:
    """False while another helper, of whatever gateway or shell, has this folder (threat 27). Ends with the process."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield _locked(descriptor)
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system that cannot lock: a shared one, which is warned of elsewhere
        pass
    return True


def _stop(*_: object) -> NoReturn:
    raise SystemExit(0)


def main() -> None:
    signal.signal(signal.SIGTERM, _stop)
    given = Input()
    try:
        job = given.wait()
        with sole_holder(Path(job["config_dir"])) as alone:
            if alone:
                _run(job, given)
            else:
                tell("busy")
    except Exception as error:  # without its text, see above
        reason = error.strerror if isinstance(error, OSError) else None
        with suppress(OSError):
            tell("broken", said=reason or type(error).__name__)
        sys.exit(1)


def _run(job: Mapping[str, Any], given: Input) -> None:
    temp_dir = Path(job["temp_dir"])
    login_files.sweep(temp_dir)
    login_files.tidy(Path(job["config_dir"]))
    staging = Path(tempfile.mkdtemp(prefix=login_files.staging_prefix(os.getpid()), dir=temp_dir))
    try:
        before = JOBS[job["do"]](job, staging, given)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    if before:
        stand_by(before, given)


if __name__ == "__main__":
    main()

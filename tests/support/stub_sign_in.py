"""A `claude auth ...` that shows and does what it is told, on the terminal that it is given.

`install(folder, screen=..., then=...)`: `screen` comes first; then a line is read, and `then` is done. What it was
started with it notes in the folder.
"""

import json
import os
import sys
import time
from pathlib import Path

LOGIN = {"claudeAiOauth": {"accessToken": "sk-ant-oat01-stub", "refreshToken": "sk-ant-ort01-stub"}}
STATE = "S" * 43
LINK = (
    "https://claude.com/cai/oauth/authorize?code=true&response_type=code"
    "&redirect_uri=https%3A%2F%2Fplatform.claude.com%2Foauth%2Fcode%2Fcallback"
    f"&code_challenge={'C' * 43}&code_challenge_method=S256&state={STATE}"
)
SCREEN = f"Visit {LINK}\r\nPaste code here if prompted > "
CODE = f"CANARY-code-0123#{STATE}"


def install(folder: Path, *, screen: str = SCREEN, then: str = "succeed", logout: str = "exit") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    behaviour = {"screen": screen, "then": then, "logout": logout}
    (folder / "behaviour.json").write_text(json.dumps(behaviour))
    executable = folder / "claude"
    executable.write_text(f"#!{sys.executable} -IS\n{Path(__file__).read_text()}")
    executable.chmod(0o755)
    return executable


def started(folder: Path) -> list[dict]:
    """What each was started with, the last one last; `pid` too."""
    notes = folder / "started"
    return [json.loads(line) for line in notes.read_text().splitlines()] if notes.exists() else []


# What follows runs in the executable.


def show(text: str) -> None:
    data = text.encode()
    while data:
        data = data[os.write(1, data) :]


def hang() -> None:
    while True:
        time.sleep(60)


def store() -> None:
    (Path(os.environ["CLAUDE_SECURESTORAGE_CONFIG_DIR"]) / ".credentials.json").write_text(json.dumps(LOGIN))


def fork_children() -> None:
    """One in the terminal's group, and one with a session of its own that lets go of the terminal."""
    if os.fork() == 0:
        hang()
    if os.fork() == 0:
        os.setsid()
        for descriptor in range(3):
            os.close(descriptor)
        time.sleep(3)
        os._exit(0)


def again() -> None:
    show("That doesn't look like the full code.\r\nPaste code here if prompted > ")
    sys.stdin.readline()
    store()


def flood() -> None:
    while True:
        show("x" * 4096)


ACTIONS = {
    "succeed": lambda: (store(), show("Done.\r\n")),
    "succeed without words": store,
    "succeed without a login": lambda: show("Login successful.\r\n"),
    "refuse": lambda: (show("\x1b[31mNon, merci.\x1b[0m \x1b]52;c;ZXZpbA==\x07<script>\r\n"), sys.exit(1)),
    "be unreachable": lambda: (show("Couldn't log in: connect ECONNREFUSED\r\n"), sys.exit(1)),
    "ask again": again,
    "hang": hang,
    "ignore every signal and hang": lambda: (ignore_signals(), hang()),
    "flood": flood,
    "crash": lambda: os.kill(os.getpid(), 11),
    "fork and succeed": lambda: (fork_children(), store()),
    "exit": lambda: None,
}


def ignore_signals() -> None:
    import signal  # noqa: PLC0415  # not needed by most

    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def main() -> None:
    folder = Path(sys.argv[0]).parent
    behaviour = json.loads((folder / "behaviour.json").read_text())
    with (folder / "started").open("a") as notes:
        note = {"pid": os.getpid(), "argv": sys.argv[1:], "environ": dict(os.environ), "cwd": os.getcwd()}
        notes.write(json.dumps(note) + "\n")
    if sys.argv[1:] == ["auth", "logout"]:
        ACTIONS[behaviour["logout"]]()
        return
    show(behaviour["screen"])
    if behaviour["then"] != "ignore every signal and hang":
        sys.stdin.readline()
    ACTIONS[behaviour["then"]]()


if __name__ == "__main__":
    main()

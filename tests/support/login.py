"""Signs the real CLI in, as a user does: a terminal, a browser's form, a pasted code."""

import html
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pexpect

from tests.support.cli import claude_binary, cli_environment
from tests.support.sandbox import NO_TLS, Sandbox

EMAIL = "someone@sandbox.example"
LINK = re.compile(r"https://[^\s\x07\x1b]+")
# A narrow terminal breaks the link.
WIDE = (50, 400)


def authorise(sandbox: Sandbox, link: str, **fields: str) -> httpx.Response:
    """What the browser sends when the button is pressed, to the plain port instead of through the proxy."""
    place = urlsplit(link)
    form = {"email": EMAIL, "decision": "authorise"} | fields
    url = f"{sandbox.api}{place.path}?{place.query}"
    return httpx.post(url, data=form, headers={"Host": place.netloc}, trust_env=False, verify=NO_TLS)


def code_on(page: str) -> str:
    found = re.search(r"<textarea[^>]*>([^<]+)</textarea>", page)
    assert found, page
    return html.unescape(found[1])


def open_login(directory: Path, sandbox: Sandbox, version: str, *arguments: str) -> tuple[pexpect.spawn, str]:
    """The CLI at its question for the code, and the link that it shows."""
    terminal = pexpect.spawn(
        str(claude_binary(version)),
        ["auth", "login", *arguments],
        env=cli_environment(directory, sandbox, login=True),
        cwd=directory / "work",
        dimensions=WIDE,
        encoding="utf-8",
        timeout=20,
    )
    terminal.expect("Paste code here")
    found = LINK.search(terminal.before)
    assert found, terminal.before
    return terminal, found[0]


def log_in(directory: Path, sandbox: Sandbox, version: str = "2.1.330", *arguments: str) -> str:
    """A login in DIRECTORY/config; gives what the terminal showed after the code."""
    terminal, link = open_login(directory, sandbox, version, *arguments)
    return paste(terminal, code_on(authorise(sandbox, link).text))


def paste(terminal: pexpect.spawn, code: str) -> str:
    terminal.sendline(code)
    terminal.expect(pexpect.EOF)
    terminal.close()
    return terminal.before


def run_claude(
    directory: Path, sandbox: Sandbox, version: str, *arguments: str, login: bool = True
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [claude_binary(version), *arguments],
        env=cli_environment(directory, sandbox, login=login),
        cwd=directory / "work",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

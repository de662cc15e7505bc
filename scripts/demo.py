"""`make demo`: a sandbox in Anthropic's place, the gateway and the real CLI on one machine, until Ctrl-C.

One walk, from the port to the banner and the end; nothing else uses its parts, and so it stands in one file.
"""

import ctypes
import errno
import fcntl
import http.client
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

ROOT = Path(__file__).resolve().parent.parent
DEMO = Path("var/demo")  # everything below is relative to ROOT, so that the banner's commands can be pasted there
CLAUDE = DEMO / "claude"
SHELL = DEMO / "cli"
DEFAULT_PORT = 4000
KEY = "sk-ant-api03-postern-demo-0123456789"  # the sandbox takes any; the CLI wants one

# What passes from the caller's environment: no credential and no proxy, for the demo speaks to the sandbox only.
PASSED = ("PATH", "HOME", "USER", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TERM", "NO_COLOR", "TZ", "TMPDIR")
# The gateway's own settings that pass, by how they begin: how it works, not where, nor for whom.
SETTING = "GATEWAY_"
SETTINGS_PASSED = ("LOG_LEVEL", "POOL__", "QUEUE__", "TURN__", "STREAM__", "HTTP__")

SANDBOX_WITHIN = 15.0
READY_WITHIN = 90.0
QUIET_FOR = 3.0  # seconds of waiting before the reason is shown
STOP_WITHIN = 5.0
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)

BANNER = """
The gateway runs on {url} and drives the real claude CLI.
Its answers come from the sandbox on {api}, a stand-in for Anthropic on this machine: no account, no network.
What the CLI sent there: {api}/sandbox/requests

Ask it, from this directory:

  curl -N {url}/v1/chat/completions -H "Authorization: Bearer {key}" \
-H 'Content-Type: application/json' \
-d '{{"model":"sonnet","stream":true,"messages":[{{"role":"user","content":"What is a postern?"}}]}}'

In a browser: {url}
At the first start, open the one-time link that stands above instead: it sets the administrator's password.

The operator's shell, with the demo's settings, so that it asks the sandbox too:

  {shell} status --test

Or with the official OpenAI client (pip install openai):

  from openai import OpenAI

  client = OpenAI(base_url="{url}/v1", api_key={python_key})
  question = [{{"role": "user", "content": "What is a postern?"}}]
  for chunk in client.chat.completions.create(model="sonnet", messages=question, stream=True):
      print(chunk.choices[0].delta.content or "", end="", flush=True)

Ctrl-C stops everything.
"""


class DemoError(Exception):
    """The demo cannot start or go on; the text is for the user."""


@dataclass(frozen=True)
class Child:
    name: str
    process: subprocess.Popen[bytes]
    hint: str  # where its last words are

    def demand_alive(self) -> None:
        status = self.process.poll()
        if status is not None:
            raise DemoError(f"The {self.name} ended by itself ({ending(status)}); {self.hint}.")


def ending(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"exit status {status}"


def say(text: str) -> None:
    print(text, flush=True)


# ---- environments


def base_environment(caller: Mapping[str, str]) -> dict[str, str]:
    return {name: caller[name] for name in PASSED if name in caller}


@dataclass(frozen=True)
class Addresses:
    """Of the sandbox: the API in Anthropic's place, the proxy through which the CLI reaches its sign-in, its CA."""

    api: str
    proxy: str
    ca: str


def settings_of(caller: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in caller.items() if name.startswith(SETTING)}


def is_passed(name: str) -> bool:
    return name.removeprefix(SETTING).startswith(SETTINGS_PASSED)


def passed_settings(caller: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in settings_of(caller).items() if is_passed(name)}


def left_out(caller: Mapping[str, str]) -> str:
    """A sentence about the settings that the demo has of its own; empty when there are none."""
    names = sorted(name for name in settings_of(caller) if not is_passed(name) and name != "GATEWAY_PORT")
    return f"Not for the demo, and left out: {', '.join(names)}." if names else ""


def gateway_environment(caller: Mapping[str, str], sandbox: Addresses, port: int) -> dict[str, str]:
    passed = base_environment(caller) | passed_settings(caller)
    return passed | {
        "GATEWAY_BIND": bind_from(caller),
        "GATEWAY_PORT": str(port),
        "GATEWAY_DATA_DIR": str(ROOT / DEMO / "data"),
        "GATEWAY_CLAUDE_CONFIG_DIR": str(ROOT / CLAUDE),
        "GATEWAY_SIGN_IN_BASE": sandbox.api,
        "ANTHROPIC_BASE_URL": sandbox.api,
        "HTTPS_PROXY": sandbox.proxy,
        "NO_PROXY": "127.0.0.1",
        "NODE_EXTRA_CA_CERTS": sandbox.ca,
    }


def shell_script(environment: Mapping[str, str], python: str = sys.executable) -> str:
    """Runs the operator's shell with this environment, and with nothing of the caller's but what `PASSED` names."""
    of_the_caller = [f'${{{name}+"{name}=${name}"}}' for name in PASSED]
    ours = [shlex.quote(f"{name}={value}") for name, value in environment.items() if name not in PASSED]
    argv = [shlex.quote(python), "-m", "app.cli", '"$@"']
    return "\n".join(
        [
            "#!/bin/sh",
            "# The operator's shell beside the demo (docs/shell.md): made anew at each start.",
            f"cd {shlex.quote(str(ROOT))} || exit",
            " \\\n  ".join(["exec env -i", *of_the_caller, *ours, " ".join(argv)]),
            "",
        ]
    )


def write_shell(environment: Mapping[str, str]) -> None:
    SHELL.write_text(shell_script(environment))
    SHELL.chmod(0o755)


def store_login() -> None:
    """The demo answers from its first minute; a sign-in in the browser takes this one's place.

    A new one at each start: the sandbox has forgotten the sign-ins of its last run.
    """
    shutil.rmtree(CLAUDE, ignore_errors=True)
    # And what was found of the login then: a refused one would be waited for in vain.
    (DEMO / "data/login-state.json").unlink(missing_ok=True)
    CLAUDE.mkdir(mode=0o700, parents=True)
    file = CLAUDE / "postern-credential.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps({"kind": "api_key", "value": KEY}))


# ---- before anything is started


@contextmanager
def only_demo_here() -> Iterator[None]:
    DEMO.mkdir(parents=True, exist_ok=True)
    with (DEMO / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError("A demo runs in this directory already; stop it first.") from None
        yield


def port_from(caller: Mapping[str, str]) -> int:
    """`make demo` has PORT; GATEWAY_PORT is the gateway's own name for it. The container's demo sets both."""
    given = {name: caller[name] for name in ("PORT", "GATEWAY_PORT") if caller.get(name)}
    for name, text in given.items():
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
            raise DemoError(f"{name} must be a number from 1 to 65535, not {text!r}.")
    ports = {int(text) for text in given.values()} or {DEFAULT_PORT}
    if len(ports) > 1:
        raise DemoError(f"PORT is {given['PORT']} and GATEWAY_PORT is {given['GATEWAY_PORT']}: set one.")
    return ports.pop()


def bind_from(caller: Mapping[str, str]) -> str:
    """Loopback, except in a container, whose ports are published on the host's loopback."""
    return caller.get("BIND") or "127.0.0.1"


def demand_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise DemoError(f"Port {port} is in use. Choose another one: make demo PORT={port + 1}") from None
            raise DemoError(
                f"Port {port} cannot be used ({error.strerror}). Choose another: make demo PORT=4001"
            ) from None


# ---- children


def start(name: str, argv: Sequence[str], environment: dict[str, str], output: IO[bytes] | None, hint: str) -> Child:
    """A child in a session of its own, so that Ctrl-C reaches the demo alone; it goes when the demo is killed."""
    demo = os.getpid()

    def go_with_the_demo() -> None:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGINT)  # gunicorn's quick way out; SIGTERM would wait for open streams
        if os.getppid() != demo:
            os._exit(1)

    process = subprocess.Popen(
        argv,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
        start_new_session=True,
        preexec_fn=go_with_the_demo,  # noqa: PLW1509  # only a process itself can ask for its death signal; no threads here
    )
    return Child(name, process, hint)


def stop(children: Sequence[Child]) -> None:
    """The gateway before the sandbox it talks to; bounded for each."""
    for child in reversed(children):
        if child.process.poll() is None:
            child.process.terminate()
        try:
            child.process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            os.killpg(child.process.pid, signal.SIGKILL)
            child.process.wait()


def start_sandbox(caller: Mapping[str, str], log: Path) -> Child:
    argv = [sys.executable, "-m", "sandbox", "--bind", bind_from(caller), "--port", caller.get("SANDBOX_PORT") or "0"]
    argv += ["--first-delay", "0.35", "--delta-delay", "0.02"]
    argv += ["--directory", str(ROOT / DEMO / "sandbox")]  # the CLI, elsewhere, reads the CA in it
    with log.open("wb") as output:
        return start("sandbox", argv, base_environment(caller), output, f"see {log}")


def start_gateway(environment: dict[str, str]) -> Child:
    argv = [str(Path(sys.executable).with_name("gunicorn")), "-c", "config/gunicorn.conf.py", "wsgi:app"]
    return start("gateway", argv, environment, None, "the reason stands above")


# ---- waiting


def sandbox_addresses(sandbox: Child, log: Path) -> Addresses:
    deadline = time.monotonic() + SANDBOX_WITHIN
    while time.monotonic() < deadline:
        found = announced(log.read_text(errors="replace"))
        if found:
            return found
        sandbox.demand_alive()
        time.sleep(0.05)
    raise DemoError(f"The sandbox did not start within {SANDBOX_WITHIN:.0f} seconds; {sandbox.hint}.")


def announced(output: str) -> Addresses | None:
    """From the line `{"api": ..., "proxy": ..., "ca": ...}`, once that is complete."""
    for line in output.splitlines(keepends=True):
        if line.startswith("{") and line.endswith("\n"):
            return Addresses(**json.loads(line))
    return None


def wait_until_ready(children: Sequence[Child], port: int) -> None:
    begun, shown = time.monotonic(), ""
    while (reason := unready_reason(port)) is not None:
        for child in children:
            child.demand_alive()
        waited = time.monotonic() - begun
        if waited > READY_WITHIN:
            raise DemoError(f"The gateway was not ready within {READY_WITHIN:.0f} seconds: {reason}.")
        if waited > QUIET_FOR and reason != shown:
            say(f"Still waiting: {reason}.")
            shown = reason
        time.sleep(0.1)


def unready_reason(port: int) -> str | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health/ready")
        response = connection.getresponse()
        return None if response.status == http.HTTPStatus.OK else reason_in(response.status, response.read())
    except (OSError, http.client.HTTPException):
        return "it does not answer yet"
    finally:
        connection.close()


def reason_in(status: int, body: bytes) -> str:
    try:
        reasons = json.loads(body)["reasons"]
    except (ValueError, KeyError, TypeError):
        reasons = None
    if isinstance(reasons, list) and reasons:
        return "; ".join(str(reason).rstrip(".") for reason in reasons)
    return f"it answers with status {status}"


def wait_for_an_end(children: Sequence[Child]) -> NoReturn:
    while True:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        for child in children:
            child.demand_alive()


# ---- the demo


def demo(caller: Mapping[str, str], children: list[Child]) -> NoReturn:
    port = port_from(caller)
    demand_free(port)
    if sentence := left_out(caller):
        say(sentence)
    log = DEMO / "sandbox.log"
    say("Starting the sandbox.")
    children.append(start_sandbox(caller, log))
    sandbox = sandbox_addresses(children[0], log)
    store_login()
    environment = gateway_environment(caller, sandbox, port)
    write_shell(environment)
    url = f"http://127.0.0.1:{port}"
    say(f"Starting the gateway, and waiting for {url}/health/ready.")
    children.append(start_gateway(environment))
    wait_until_ready(children, port)
    say(banner(url, sandbox.api))
    wait_for_an_end(children)


def banner(url: str, api: str) -> str:
    """The file is there until the administrator has stored the key elsewhere."""
    file = DEMO / "data" / "master-key"
    key, python_key = "YOUR-KEY", '"YOUR-KEY"'
    if file.exists():
        key, python_key = f"$(cat {file})", f'open("{file}").read().strip()'
    return BANNER.format(url=url, api=api, key=key, python_key=python_key, shell=SHELL)


def interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def on_stop_signals(handler: Callable[[int, object], None] | signal.Handlers) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handler)


def main() -> int:
    os.chdir(ROOT)
    children: list[Child] = []
    on_stop_signals(interrupt)
    try:
        with only_demo_here():
            try:
                demo(os.environ, children)
            finally:
                on_stop_signals(signal.SIG_IGN)
                stop(children)
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        say("The demo has stopped.")
        return 0


if __name__ == "__main__":
    sys.exit(main())

"""The real CLI without the gateway around it: with all its protections, or with some taken away."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.claude.command import Installation, command_line, environment
from app.claude.events import ResultLine
from app.claude.process import ClaudeProcess
from tests.security.ground import Json, text
from tests.support.cli import claude_binary
from tests.support.sandbox import Sandbox

TURN_SECONDS = 30


@dataclass(frozen=True)
class Driver:
    process: ClaudeProcess

    def turn(self, *blocks: Json) -> ResultLine:
        """One user message as it is given, without the guard of app.claude.conversation."""
        message = {"role": "user", "content": list(blocks)}
        self.process.write([{"type": "user", "message": message, "parent_tool_use_id": None, "session_id": ""}])
        while lines := self.process.read(TURN_SECONDS):
            for line in lines:
                if isinstance(line, ResultLine):
                    return line
        raise AssertionError(f"no result within {TURN_SECONDS} s")

    def say(self, one: str) -> ResultLine:
        return self.turn(text(one))


def installation(root: Path, version: str, sandbox: Sandbox, mode: str = "key") -> Installation:
    """In the folders that a gateway would use."""
    data = root / "data"
    for name in ("empty", "claude", "home", "tmp"):
        (data / name).mkdir(parents=True, exist_ok=True)
    keyed = {"ANTHROPIC_BASE_URL": sandbox.api, "ANTHROPIC_API_KEY": "sk-ant-api03-sandbox"}
    signed_in = {"HTTPS_PROXY": sandbox.proxy, "NODE_EXTRA_CA_CERTS": sandbox.ca}
    return Installation(
        binary=claude_binary(version),
        config_dir=data / "claude",
        home=data / "home",
        empty_dir=data / "empty",
        temp_dir=data / "tmp",
        passed=signed_in if mode == "login" else keyed,
    )


@contextmanager
def driven(
    where: Installation, *, without: Sequence[str] = (), cwd: Path | None = None, model: str = "sonnet"
) -> Iterator[Driver]:
    """`without` names flags and variables that are left out."""
    command = [word for word in command_line(where, model) if word not in without]
    env = {name: value for name, value in environment(where).items() if name not in without}
    assert len(command_line(where, model)) - len(command) + len(environment(where)) - len(env) == len(set(without))
    process = ClaudeProcess(command, env, cwd or where.empty_dir)
    try:
        yield Driver(process)
    finally:
        process.close()

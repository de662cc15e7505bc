"""Files: those that the house stands on, and scripts in the place of programs."""

from pathlib import Path

from tests.support.sandbox import ROOT

REQUIREMENTS = ("requirements.txt", "requirements-sandbox.txt", "requirements-dev.txt", "requirements-clients.txt")


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)

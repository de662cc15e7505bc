import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.files import REQUIREMENTS, read
from tests.support.sandbox import ROOT

NOT_OURS = {".git", ".venv", ".venv-clients", "node_modules", "var"}


def pins(name: str) -> dict[str, str]:
    found = {}
    for entry in re.split(r"\n(?=[a-z])", re.sub(r"^ *#.*\n", "", read(name), flags=re.MULTILINE)):
        package, version = re.match(r"([a-z0-9.-]+)==(\S+)", entry.strip()).groups()
        assert "--hash=sha256:" in entry, package
        found[package] = version
    return found


def test_every_python_package_is_pinned_with_hashes_and_to_one_version():
    run, sandbox, dev, clients = (pins(name) for name in REQUIREMENTS)
    assert sandbox.items() <= dev.items()
    shared = run.keys() & dev.keys()
    assert {name: run[name] for name in shared} == {name: dev[name] for name in shared}
    assert {"anthropic", "langchain-anthropic", "langchain-openai", "litellm", "llm", "openai"} <= clients.keys()


def test_npm_pins_the_cli_by_checksum():
    lock = json.loads(read("package-lock.json"))
    assert json.loads(read("package.json"))["dependencies"] == {"@anthropic-ai/claude-code": "2.1.330"}
    assert lock["packages"]["node_modules/@anthropic-ai/claude-code"]["version"] == "2.1.330"
    assert all("integrity" in package for name, package in lock["packages"].items() if name)
    assert "ignore-scripts=true" in read(".npmrc").splitlines()


@pytest.mark.parametrize("name", ["package-lock.json", "package.json", ".npmrc", "Makefile", *REQUIREMENTS])
def test_pins_name_no_host(name: str):
    text = re.sub(r'"funding": \{\s*"url": "[^"]*"\s*\}', "", read(name))  # where a package asks for gifts
    assert not re.search(r"https?://(?!127\.0\.0\.1)|^--(extra-)?index-url|^--find-links|^registry", text, re.MULTILINE)


def our_files() -> Iterator[Path]:
    for folder, below, names in os.walk(ROOT):
        below[:] = [name for name in below if name not in NOT_OURS and not name.endswith(("cache", "cache__"))]
        yield from (Path(folder, name) for name in names)


def test_no_file_holds_a_secret():
    secret = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/]{32}|sk-ant-[a-z]+\d\d-[A-Za-z0-9_-]{60}")
    assert [path for path in our_files() if secret.search(path.read_bytes())] == []

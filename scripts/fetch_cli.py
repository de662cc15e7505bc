"""Fetches the pinned claude CLI for this machine from the npm registry, without npm: fetch_cli.py FOLDER

The version and the checksum are those of package-lock.json. Nothing is installed that has not passed the checksum.
NPM_REGISTRY names another registry, SSL_CERT_FILE another set of certificates.
"""

import base64
import hashlib
import json
import os
import platform
import shutil
import sys
import tarfile
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO

REGISTRY = "https://registry.npmjs.org"
SCOPE, NAME = "@anthropic-ai", "claude-code-linux"
MACHINES = {"x86_64": "x64", "aarch64": "arm64"}
WANTED = {"claude": 0o755, "LICENSE.md": 0o644}
CHUNK = 1 << 20
ATTEMPTS = 4
SILENCE = 60.0  # seconds


class FetchError(Exception):
    """The text is for whoever builds."""


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    integrity: str

    def url(self, registry: str) -> str:
        return f"{registry.rstrip('/')}/{SCOPE}/{self.name}/-/{self.name}-{self.version}.tgz"


def pinned(lock: Path, machine: str) -> Package:
    """The build for glibc: the image is Debian's."""
    if machine not in MACHINES:
        raise FetchError(f"There is no claude CLI for {machine}, only for {' and '.join(MACHINES)}.")
    name = f"{NAME}-{MACHINES[machine]}"
    entry = json.loads(lock.read_text("utf-8"))["packages"][f"node_modules/{SCOPE}/{name}"]
    return Package(name, entry["version"], entry["integrity"])


def download(url: str, file: IO[bytes]) -> str:
    """Gives the checksum of what came, in npm's notation."""
    digest = hashlib.sha512()
    file.seek(0)
    file.truncate()
    with urllib.request.urlopen(url, timeout=SILENCE) as answer:  # noqa: S310  # the operator's own registry
        while chunk := answer.read(CHUNK):
            digest.update(chunk)
            file.write(chunk)
    return "sha512-" + base64.b64encode(digest.digest()).decode()


def download_patiently(url: str, file: IO[bytes], pause: float = 2.0) -> str:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return download(url, file)
        except (OSError, HTTPException) as error:
            if attempt == ATTEMPTS:
                raise FetchError(f"{url} cannot be fetched: {error}") from error
            time.sleep(pause * attempt)
    raise AssertionError


def unpack(archive: IO[bytes], folder: Path) -> None:
    """The program and its licence; nothing else of the package is wanted."""
    archive.seek(0)
    wanted = {f"package/{name}": name for name in WANTED}
    with tarfile.open(fileobj=archive, mode="r:gz") as tar:
        for member in tar:
            if member.isfile() and (name := wanted.pop(member.name, None)):
                copy(tar.extractfile(member), folder / name, WANTED[name])
    if wanted:
        raise FetchError(f"The package lacks {' and '.join(sorted(wanted))}.")


def copy(source: IO[bytes] | None, target: Path, mode: int) -> None:
    assert source  # noqa: S101  # it is a file
    with source, target.open("wb") as file:
        shutil.copyfileobj(source, file, CHUNK)
    target.chmod(mode)


def fetch(package: Package, registry: str, folder: Path) -> None:
    with tempfile.TemporaryFile() as archive:
        found = download_patiently(package.url(registry), archive)
        if found != package.integrity:
            raise FetchError(f"{package.name} {package.version} is not what is pinned: it has the checksum {found}.")
        folder.mkdir(parents=True, exist_ok=True)
        unpack(archive, folder)


def main() -> int:
    lock = Path(__file__).parent.parent / "package-lock.json"
    try:
        package = pinned(lock, platform.machine())
        fetch(package, os.environ.get("NPM_REGISTRY") or REGISTRY, Path(sys.argv[1]))
    except FetchError as error:
        print(f"fetch_cli: {error}", file=sys.stderr)
        return 1
    print(f"claude {package.version} ({package.name})")
    return 0


if __name__ == "__main__":
    sys.exit(main())

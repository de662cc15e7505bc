"""Builds the image without a Docker daemon: debootstrap makes the base, buildah the rest. Needs root.

Everything is kept in one folder, which goes at the end, unless IMAGE_TEST_FOLDER names one that stays: the layers in it
make the next build a short one. What this machine needs in order to reach the registries (its
certificates, its pip configuration) is handed in for the build only.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.sandbox import ROOT

SUITE = "bookworm"
MIRROR = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")
SOURCES = f"""deb {MIRROR} {SUITE} main
deb {MIRROR} {SUITE}-updates main
deb {MIRROR}-security {SUITE}-security main
"""
BASE = "localhost/postern-image-test/base:12"
CERTIFICATES = ("SSL_CERT_FILE", "PIP_CERT", "CURL_CA_BUNDLE")
DEBIANS_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
INDEX_OPTIONS = ("index-url", "extra-index-url", "find-links", "trusted-host", "timeout")
BUILD_SECONDS = 1500


@dataclass(frozen=True)
class Image:
    """`config` is what the Dockerfile says about running it; `root` is its file system, mounted."""

    name: str
    config: dict[str, Any]
    history: str
    root: Path
    bytes: int
    seconds: float

    @property
    def environment(self) -> dict[str, str]:
        return dict(entry.split("=", 1) for entry in self.config["Env"])


@dataclass(frozen=True)
class Builder:
    folder: Path
    secrets: dict[str, Path] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)

    def buildah(self, *arguments: str, seconds: float = 120) -> str:
        places = ["--root", str(self.folder / "storage"), "--runroot", str(self.folder / "run")]
        done = subprocess.run(
            ["buildah", *places, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False
        )
        assert done.returncode == 0, f"buildah {arguments[0]}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout.strip()

    def make_base(self) -> None:
        if BASE in self.buildah("images", "--format", "{{.Name}}:{{.Tag}}").splitlines():
            return
        container = self.buildah("from", "scratch")
        root = Path(self.buildah("mount", container))
        command = ["debootstrap", "--variant=minbase", SUITE, str(root), MIRROR]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, f"debootstrap: {done.stdout[-3000:]}{done.stderr[-1000:]}"
        (root / "etc/apt/sources.list").write_text(SOURCES)
        for kept in ("var/lib/apt/lists", "var/cache/apt"):
            shutil.rmtree(root / kept)
            (root / kept).mkdir()
        self.buildah("umount", container)
        self.buildah("commit", "--quiet", container, BASE)
        self.buildah("rm", container)

    def make(self, target: str) -> Image:
        begun = time.monotonic()
        name = f"localhost/postern-image-test/{target}:test"
        options = ["--isolation", "chroot", "--network", "host", "--format", "docker", "--layers"]
        options += [f"--secret=id={name},src={file}" for name, file in self.secrets.items()]
        options += [f"--volume={folder}:{folder}:ro" for folder in self.folders]
        arguments = [f"--build-arg={argument}" for argument in (f"BASE={BASE}", *registry())]
        self.buildah("bud", *options, *arguments, "--target", target, "-t", name, ".", seconds=BUILD_SECONDS)
        seconds = time.monotonic() - begun
        about = json.loads(self.buildah("inspect", "--type", "image", name))
        root = Path(self.buildah("mount", self.buildah("from", name)))
        size = int(subprocess.check_output(["du", "-sxb", str(root)]).split()[0])
        docker = about["Docker"]
        return Image(name, docker["config"], json.dumps(docker), root, size, seconds)

    def run(self, image: Image, *command: str) -> str:
        return self.buildah("run", "--isolation", "chroot", self.buildah("from", image.name), "--", *command)

    def clean(self, *, images: bool) -> None:
        self.buildah("umount", "--all")
        self.buildah("rm", "--all")
        if images:
            self.buildah("rmi", "--all", "--force")
        for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            if (place := line.split()[1]).startswith(f"{self.folder}/"):
                subprocess.run(["umount", place], check=True)


@contextmanager
def builder() -> Iterator[Builder]:
    options, kept = pip_options(), os.environ.get("IMAGE_TEST_FOLDER")
    with tempfile.TemporaryDirectory(prefix="postern-image-") as name:
        folder = Path(name)
        made = Builder(Path(kept or name), secrets(folder, options), local_folders(options.values()))
        try:
            yield made
        finally:
            made.clean(images=not kept)


# ---- what this machine needs for the registries


def secrets(folder: Path, options: dict[str, str]) -> dict[str, Path]:
    found = {}
    if certificates := host_certificates():
        found["ca"] = certificates
    if options:
        found["pip"] = folder / "pip.conf"
        found["pip"].touch(0o600)
        found["pip"].write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in options.items()))
    return found


def host_certificates() -> Path | None:
    named = [Path(os.environ[name]) for name in CERTIFICATES if os.environ.get(name)]
    return next((file for file in [*named, DEBIANS_CERTIFICATES] if file.is_file()), None)


def pip_options() -> dict[str, str]:
    listed = subprocess.run(["pip", "config", "list"], capture_output=True, text=True, timeout=30, check=False).stdout
    found = re.findall(r"^(?:global|install|:env:)\.([a-z-]+)='(.*)'$", listed, re.MULTILINE)
    return {name: value for name, value in found if name in INDEX_OPTIONS}


def local_folders(values: Sequence[str] | Any) -> list[str]:
    named = re.findall(r"(?:^|\s)(?:file://)?(/\S+)", " ".join(values))
    roots = {Path(name).parent if Path(name).name == "simple" else Path(name) for name in named}
    return sorted(str(path) for path in roots if path.is_dir())


def registry() -> list[str]:
    asked = subprocess.run(
        ["npm", "config", "get", "registry"], capture_output=True, text=True, timeout=30, check=False
    )
    address = asked.stdout.strip()
    return [f"NPM_REGISTRY={address}"] if asked.returncode == 0 and address.startswith("http") else []

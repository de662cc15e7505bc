"""Runs an image as docker-compose.yml has it run, without a daemon. Needs root.

What it shows: the read-only root, the tmpfs, the volumes, the user, no capability, no way to new ones, a process table
of its own with the image's entry point as process 1, a network of its own. What it cannot show: Docker's own limits of
memory and of processes, its seccomp filter, and how it publishes ports.
"""

import ctypes
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tests.image.build import Image
from tests.support.processes import children, wait_until

T = TypeVar("T")
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
TMPFS = "rw,noexec,nosuid,nodev,size=256m,mode=1777"

# $1 is the image's root, $2 is where $3 goes, and so on to "--"; then the command. The mounts are seen in here only.
SET_UP = """
root=$1; shift
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t tmpfs -o nosuid,noexec,mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    : >"$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs -o "$TMPFS" tmpfs "$root/tmp"
while [ "$1" != -- ]; do mount --bind "$1" "$root$2"; shift 2; done
shift
mount -o remount,bind,ro "$root"
exec chroot "$root" "$@"
"""


def as_user(config: Mapping[str, Any], environment: Mapping[str, str], command: Sequence[str]) -> list[str]:
    """The command as the image's user, without any capability and without a way to one (threat 77)."""
    user, group = config["User"].split(":")
    nobody = ["/usr/bin/setpriv", "--reuid", user, "--regid", group, "--clear-groups", "--no-new-privs"]
    nobody += ["--bounding-set=-all", "--inh-caps=-all"]
    settings = [f"{name}={value}" for name, value in environment.items()]
    return [*nobody, "/usr/bin/env", "-i", "-C", config["WorkingDir"], *settings, *command]


class Network:
    """Loopback only, and nobody else's: port 4000 is free in it, and there is no way out."""

    def __init__(self) -> None:
        script = "ip link set lo up && echo up && exec sleep infinity"
        self._holder = subprocess.Popen(["unshare", "--net", "sh", "-c", script], stdout=subprocess.PIPE)
        assert self._holder.stdout
        assert self._holder.stdout.readline() == b"up\n"
        self.pid = self._holder.pid

    def call(self, function: Callable[[], T]) -> T:
        """What `function` gives, called in this network."""
        result: list[T | BaseException] = []

        def inside() -> None:
            try:
                with Path(f"/proc/{self.pid}/ns/net").open() as network:
                    assert LIBC.setns(network.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
                result.append(function())
            except BaseException as error:  # it is raised again below
                result.append(error)

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        if isinstance(result[0], BaseException):
            raise result[0]
        return result[0]

    def start(self, command: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(["nsenter", f"--net=/proc/{self.pid}/ns/net", *command], text=True, **options)

    def close(self) -> None:
        self._holder.kill()
        self._holder.communicate()


@contextmanager
def network() -> Iterator[Network]:
    made = Network()
    try:
        yield made
    finally:
        made.close()


@dataclass
class Container:
    image: Image
    network: Network
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes]
    ended: int | None = field(default=None)

    @property
    def init(self) -> int:
        """Process 1 of the container, by its number outside."""
        (pid,) = children(self.process.pid)
        return pid

    def inside(self, command: Sequence[str], **environment: str) -> list[str]:
        """Like `docker compose exec`."""
        enter = ["nsenter", "-t", str(self.init), "--mount", "--pid", "--net", "--ipc", "--uts", "--root"]
        return [*enter, *as_user(self.image.config, self.environment | environment, command)]

    def run(self, *command: str, seconds: float = 30, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(self.inside(command), capture_output=True, text=True, timeout=seconds, check=False)
        assert not check or done.returncode == 0, f"{shlex.join(command)}: {done.stdout}{done.stderr}"
        return done

    def says(self, text: str) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return text in self.log.read_text()

    def stop(self, seconds: float, number: int = signal.SIGTERM) -> float:
        """Like `docker stop`; gives the seconds that it took."""
        os.kill(self.init, number)
        took = wait_until(lambda: self.process.poll() is not None, seconds, "the container stops")
        self.ended = self.process.returncode
        return took


@contextmanager
def running(
    image: Image, place: Network, folder: Path, volumes: Mapping[str, Path], **environment: str
) -> Iterator[Container]:
    settings = image.environment | environment
    command = as_user(image.config, settings, [*image.config["Entrypoint"], *image.config["Cmd"]])
    mounts = [word for target, source in volumes.items() for word in (str(source), target)]
    unshare = ["unshare", "--fork", "--kill-child", "--pid", "--mount", "--ipc", "--uts"]
    enter = ["nsenter", f"--net=/proc/{place.pid}/ns/net", *unshare]
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*enter, "sh", "-euc", SET_UP, "sh", str(image.root), *mounts, "--", *command],
            env={"PATH": os.environ["PATH"], "TMPFS": TMPFS},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield Container(image, place, settings, log, process)
    finally:
        process.kill()  # --kill-child: process 1 goes too, and with it all of the container
        process.wait()


def volume(folder: Path, image: Image, target: str) -> Path:
    """A new one takes over its owner and mode from the image, as Docker's does."""
    model = (image.root / target.lstrip("/")).stat()
    folder.mkdir()
    os.chown(folder, model.st_uid, model.st_gid)
    folder.chmod(model.st_mode & 0o777)
    return folder


def sandbox_command(directory: Path) -> list[str]:
    return [sys.executable, "-m", "sandbox", "--directory", str(directory), "--delta-delay", "0.01"]

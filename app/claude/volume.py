"""The folder that must outlive the container: where it is, whether it can be written, and what is wrong with it."""

import errno
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from app.claude.mounts import Mount, in_layer, is_container, mount_of, parse_mounts
from app.claude.problems import Problem, problem

LITTLE_BYTES = 50 * 1024 * 1024
FEW_INODES = 100
_PROBE_BYTES = 4096
_CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_NOT_ALLOWED = (errno.EACCES, errno.EPERM)


@dataclass(frozen=True)
class Volume:
    path: str
    mounted: bool
    persistent: bool  # survives `docker compose down`, and the restart of a plain host
    kind: str
    device: str
    name: str  # of the Docker volume; "" when it is none
    writable: bool
    owner: str
    mode: str
    free_bytes: int
    free_inodes: int  # -1 where the file system does not count them
    network: bool
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Readings:
    """All that is looked at; `describe` makes the rest of it."""

    mountinfo: str
    container: bool  # a file at the root says that this is one
    uid: int
    gid: int
    place: Path  # without symbolic links
    found: os.stat_result | None
    look_error: OSError | None
    write_error: OSError | None
    free_bytes: int
    free_inodes: int


def inspect(path: Path) -> Volume:
    """Blocks (fsync, and as long as a network file system takes): off the loop. Raises nothing."""
    return describe(path, read(path))


def read(path: Path) -> Readings:
    found, look_error = _look_at(path)
    is_folder = found is not None and stat.S_ISDIR(found.st_mode)
    free_bytes, free_inodes = _space(path)
    return Readings(
        mountinfo=_mountinfo(),
        container=any(Path(mark).exists() for mark in _CONTAINER_MARKS),
        uid=os.geteuid(),
        gid=os.getegid(),
        place=Path(os.path.realpath(path)),
        found=found,
        look_error=look_error,
        write_error=try_to_write(path) if is_folder else None,
        free_bytes=free_bytes,
        free_inodes=free_inodes,
    )


def in_container() -> bool:
    marked = any(Path(mark).exists() for mark in _CONTAINER_MARKS)
    return is_container(parse_mounts(_mountinfo()), marked)


def _mountinfo() -> str:
    try:
        return Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
    except OSError:  # no Linux, or a /proc that hides it: nothing is known of mounts then
        return ""


def _look_at(path: Path) -> tuple[os.stat_result | None, OSError | None]:
    try:
        return path.stat(), None
    except FileNotFoundError:
        return None, None
    except OSError as error:
        return None, error


def _space(path: Path) -> tuple[int, int]:
    """Of the nearest folder that is there."""
    for place in (path, *path.absolute().parents):
        with suppress(OSError):
            space = os.statvfs(place)
            # btrfs and others make inodes as they need them, and count none.
            return space.f_bavail * space.f_frsize, space.f_favail if space.f_files else -1
    return 0, -1


def try_to_write(folder: Path) -> OSError | None:
    """What stands in the way of a file that is there whole or not at all: write, fsync, rename, unlink.

    Its name is the same in each process of a container that starts anew: a probe that was killed leaves one file.
    """
    first = folder / f".postern-probe-{os.getpid()}-{threading.get_native_id()}"
    second = first.with_suffix(".renamed")
    try:
        first.unlink(missing_ok=True)
        descriptor = os.open(first, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, b"\0" * _PROBE_BYTES)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        first.rename(second)
        second.unlink()
    except OSError as error:
        return error
    finally:
        for left_over in (first, second):
            with suppress(OSError):
                left_over.unlink()
    return None


def describe(path: Path, readings: Readings) -> Volume:
    """Pure."""
    mounts = parse_mounts(readings.mountinfo)
    mount = mount_of(readings.place, mounts)
    container = is_container(mounts, readings.container)
    found = readings.found
    folder = found if found and stat.S_ISDIR(found.st_mode) else None
    volume = Volume(
        path=str(path),
        mounted=mount.point not in ("", "/"),
        persistent=bool(folder) and not _loss(mount, container),
        kind=mount.kind,
        device=mount.source,
        name=mount.volume,
        writable=folder is not None and readings.write_error is None,
        owner=f"{found.st_uid}:{found.st_gid}" if found else "",
        mode=f"{stat.S_IMODE(found.st_mode):04o}" if found else "",
        free_bytes=readings.free_bytes,
        free_inodes=readings.free_inodes,
        network=mount.network,
    )
    facts = _facts(volume, mount, readings)
    codes = _codes_of_folder(volume, mount, readings, container) if folder else _codes_of_no_folder(readings)
    return replace(volume, problems=tuple(problem(code, path, facts, container=container) for code in codes))


def _facts(volume: Volume, mount: Mount, readings: Readings) -> dict[str, str]:
    error = readings.look_error or readings.write_error
    return {
        "kind": volume.kind,
        "point": mount.point,
        "owner": volume.owner,
        "mode": volume.mode,
        "uid": str(readings.uid),
        "gid": str(readings.gid),
        "free": f"{volume.free_bytes / 1024 / 1024:.1f} MB",
        "inodes": str(volume.free_inodes),
        "error": (error.strerror or type(error).__name__) if error else "",
    }


def _codes_of_no_folder(readings: Readings) -> Iterator[str]:
    if readings.look_error:
        yield "unreachable"
    else:
        yield "not_a_folder" if readings.found else "missing"


def _codes_of_folder(volume: Volume, mount: Mount, readings: Readings, container: bool) -> Iterator[str]:
    loss = _loss(mount, container)
    if loss:
        yield loss
    if volume.network:
        yield "network"
    yield from _codes_of_access(mount, readings, loss)
    yield from _codes_of_space(volume, readings)


def _loss(mount: Mount, container: bool) -> str:
    """How what is in it gets lost, "" when it stays."""
    if mount.in_memory:
        return "in_memory"
    if in_layer(mount, container=container):
        return "container_layer"
    if mount.anonymous:
        return "anonymous_volume"
    return "pod_folder" if mount.of_a_pod else ""


def _codes_of_access(mount: Mount, readings: Readings, loss: str) -> Iterator[str]:
    """One cause, one sentence: a folder of someone else's is not told to be closed as well."""
    found, error = readings.found, readings.write_error
    read_only = mount.read_only or (error is not None and error.errno == errno.EROFS)
    foreign = found is not None and found.st_uid != readings.uid
    if read_only and loss != "container_layer":  # whose root is read-only on purpose
        yield "read_only"
    if foreign:
        yield "foreign_owner"
    elif error and error.errno in _NOT_ALLOWED and not read_only:
        yield "not_writable"
    if error and error.errno not in (errno.EROFS, *_NOT_ALLOWED, *_NO_SPACE):
        yield "failing_disk"
    if found and found.st_mode & 0o077:
        yield "open_folder"


def _codes_of_space(volume: Volume, readings: Readings) -> Iterator[str]:
    refused = readings.write_error is not None and readings.write_error.errno in _NO_SPACE
    if volume.free_inodes == 0:
        yield "no_inodes"
    elif 0 < volume.free_inodes < FEW_INODES:
        yield "few_inodes"
    if volume.free_bytes == 0 or (refused and volume.free_inodes != 0):
        yield "full"
    elif volume.free_bytes < LITTLE_BYTES:
        yield "little_space"

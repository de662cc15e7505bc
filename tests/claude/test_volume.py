"""The folder of the login: each way in which it can be wrong, as it is told, and as it really is."""

import errno
import json
import multiprocessing
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import asdict, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from app.claude.mounts import mount_of, parse_mounts
from app.claude.volume import Readings, Volume, describe, inspect, try_to_write
from tests.support.sandbox import ROOT

# threats 35, 74

GB = 1024**3
NOBODY = 65534
PLACE = Path("/var/lib/claude-auth")
HEX = "0123456789abcdef" * 4
HOST = """\
25 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,discard
26 25 0:5 / /dev rw,nosuid - devtmpfs udev rw,size=4096k
27 25 0:22 / /tmp rw,nosuid,nodev - tmpfs tmpfs rw,size=65536k
28 25 254:16 / /var/lib rw,relatime - xfs /dev/vdb rw,attr2
29 25 0:40 / /home/some\\040one rw - nfs4 files:/export\\040two rw,vers=4.2
"""
CONTAINER = """\
600 500 0:50 / / ro,relatime master:1 - overlay overlay ro,lowerdir=/var/lib/docker/overlay2/l/A:/B,upperdir=/C
601 600 0:51 / /proc rw,nosuid - proc proc rw
602 600 0:52 / /tmp rw,nosuid - tmpfs tmpfs rw,size=65536k
"""
VOLUME = "603 600 254:1 /var/lib/docker/volumes/{name}/_data /var/lib/claude-auth {options} - {kind} {device} rw\n"


def folder(uid: int = 10001, mode: int = 0o40700) -> os.stat_result:
    return os.stat_result((mode, 1, 1, 2, uid, uid, 4096, 0, 0, 0))


def in_container(name: str = "postern_claude-auth", options: str = "rw", kind: str = "ext4", device: str = "/dev/sda1"):
    return CONTAINER + VOLUME.format(name=name, options=options, kind=kind, device=device)


def readings(mountinfo: str, **changes: Any) -> Readings:
    good = Readings(mountinfo, False, 10001, 10001, PLACE, folder(), None, None, 40 * GB, 1_000_000)
    return replace(good, **changes)


def described(mountinfo: str, path: Path = PLACE, **changes: Any) -> Volume:
    return describe(path, readings(mountinfo, **changes))


def codes(volume: Volume) -> list[str]:
    return [each.code for each in volume.problems]


# ---- where it is


def test_a_named_volume_of_a_container_is_good():
    volume = described(in_container())
    assert volume == Volume(
        path="/var/lib/claude-auth",
        mounted=True,
        persistent=True,
        kind="ext4",
        device="/dev/sda1",
        name="postern_claude-auth",
        writable=True,
        owner="10001:10001",
        mode="0700",
        free_bytes=40 * GB,
        free_inodes=1_000_000,
        network=False,
        problems=(),
    )


def test_a_folder_on_the_disk_of_a_plain_host_is_good():
    volume = described(HOST, place=Path("/srv/claude"))
    assert (volume.mounted, volume.persistent, volume.kind, volume.device) == (False, True, "ext4", "/dev/vda1")
    assert volume.problems == ()
    assert described(HOST).mounted


def test_a_machine_that_tells_no_mounts_is_not_suspected():
    volume = described("")
    assert (volume.mounted, volume.persistent, volume.kind, volume.problems) == (False, True, "", ())


@pytest.mark.parametrize(
    ("mountinfo", "changes", "code"),
    [
        (CONTAINER, {}, "container_layer"),
        # A storage driver that shows a plain file system as the root, and a bind mount of the layer of another
        (HOST, {"container": True, "place": Path("/srv/claude")}, "container_layer"),
        (in_container(kind="overlay", device="overlay"), {}, "container_layer"),
        (in_container(kind="tmpfs", device="tmpfs"), {}, "in_memory"),
        (in_container(kind="ramfs", device="none"), {}, "in_memory"),
        (HOST, {"place": Path("/tmp/claude")}, "in_memory"),
        (in_container(name=HEX), {}, "anonymous_volume"),
        (
            CONTAINER
            + "603 600 8:1 /pods/1/volumes/kubernetes.io~empty-dir/a /var/lib/claude-auth rw - ext4 /dev/a rw",
            {},
            "pod_folder",
        ),
    ],
)
def test_what_gets_lost_is_told_as_an_error(mountinfo: str, changes: dict[str, Any], code: str):
    volume = described(mountinfo, **changes)
    assert not volume.persistent
    assert codes(volume) == [code]
    assert volume.problems[0].severity == "error"


def test_the_fix_for_a_container_is_lines_for_its_compose_file():
    (lost,) = described(CONTAINER).problems
    assert "docker compose down" in lost.message
    assert lost.fix == (
        "services:\n  gateway:\n    volumes:\n      - claude-auth:/var/lib/claude-auth\nvolumes:\n  claude-auth:"
    )


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse.sshfs", "fuse.glusterfs"])
def test_a_network_file_system_is_warned_of(kind: str):
    volume = described(in_container(kind=kind, device="files:/export"))
    assert (volume.network, volume.persistent, codes(volume)) == (True, True, ["network"])
    assert volume.problems[0].severity == "warning"
    assert f"({kind})" in volume.problems[0].message


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "virtiofs", "fuse.grpcfuse", "fuseblk"])
def test_a_local_file_system_is_none(kind: str):
    assert described(in_container(kind=kind)).problems == ()


def test_the_deepest_mount_counts_and_of_two_in_one_place_the_last():
    mounts = parse_mounts(HOST + "30 28 0:60 / /var/lib rw - btrfs /dev/vdc rw\n")
    found = {path: mount_of(Path(path), mounts).source for path in ("/srv", "/var/lib/x", "/var/library", "/dev/a")}
    assert found == {"/srv": "/dev/vda1", "/var/lib/x": "/dev/vdc", "/var/library": "/dev/vda1", "/dev/a": "udev"}


def test_spaces_in_places_are_read():
    mount = mount_of(Path("/home/some one/claude"), parse_mounts(HOST))
    assert (mount.point, mount.source, mount.network) == ("/home/some one", "files:/export two", True)


@pytest.mark.parametrize("line", ["", "1 2 3", "1 2 0:1 / / rw", "1 2 0:1 / / rw -", "1 2 0:1 / / rw - ext4", "- - -"])
def test_a_line_that_is_cut_is_left_out(line: str):
    assert parse_mounts(line) == []
    assert parse_mounts(line + "\n" + HOST) == parse_mounts(HOST)


# ---- who may write, and how much


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"found": folder(uid=0)}, ["foreign_owner"]),
        ({"found": folder(uid=0), "write_error": OSError(errno.EACCES, "Permission denied")}, ["foreign_owner"]),
        ({"found": folder(mode=0o40500), "write_error": OSError(errno.EACCES, "no")}, ["not_writable"]),
        ({"found": folder(mode=0o40755)}, ["open_folder"]),
        ({"found": folder(uid=0, mode=0o40777)}, ["foreign_owner", "open_folder"]),
        ({"write_error": OSError(errno.EROFS, "Read-only file system")}, ["read_only"]),
        ({"write_error": OSError(errno.EIO, "Input/output error")}, ["failing_disk"]),
        ({"free_bytes": 0, "write_error": OSError(errno.ENOSPC, "No space")}, ["full"]),
        ({"free_bytes": 4096, "write_error": OSError(errno.EDQUOT, "Quota")}, ["full"]),
        ({"free_bytes": 49 * 1024**2}, ["little_space"]),
        ({"free_inodes": 0, "write_error": OSError(errno.ENOSPC, "No space")}, ["no_inodes"]),
        ({"free_inodes": 99}, ["few_inodes"]),
        ({"free_inodes": -1}, []),
        ({"found": None}, ["missing"]),
        ({"found": folder(mode=0o100600)}, ["not_a_folder"]),
        ({"found": None, "look_error": OSError(errno.ESTALE, "Stale file handle")}, ["unreachable"]),
    ],
)
def test_each_fault_has_its_own_name(changes: dict[str, Any], expected: list[str]):
    volume = described(in_container(), **changes)
    assert codes(volume) == expected
    can_be_written = not {"write_error", "look_error"} & changes.keys() and not {"missing", "not_a_folder"} & {
        *expected
    }
    assert volume.writable is can_be_written


def test_a_mount_that_is_read_only_by_its_options_is_told_once():
    volume = described(in_container(options="ro"), write_error=OSError(errno.EROFS, "Read-only file system"))
    assert codes(volume) == ["read_only"]
    assert volume.problems[0].fix == (
        "sed -i 's#:/var/lib/claude-auth:ro#:/var/lib/claude-auth#' docker-compose.yml && docker compose up -d"
    )


def test_a_fix_names_who_the_gateway_runs_as_and_the_very_place():
    (plain,) = described(HOST, path=Path("/srv/the login"), place=Path("/srv/the login"), found=folder(0)).problems
    assert plain.fix == "sudo chown -R 10001:10001 '/srv/the login'"
    assert "user 0:0" in plain.message
    (inside,) = described(in_container(), found=folder(0)).problems
    assert inside.fix.endswith("--cap-add DAC_OVERRIDE --entrypoint chown gateway -R 10001:10001 /var/lib/claude-auth")


def test_every_command_can_be_pasted():
    hostile = Path("/srv/$(touch x)/'quoted' \"name\"")
    for changes in (
        {"found": folder(0)},
        {"found": folder(mode=0o40777)},
        {"free_bytes": 1},
        {"look_error": OSError()},
    ):
        for volume in (described(HOST, hostile, place=hostile, **changes), described(CONTAINER, hostile, **changes)):
            for each in volume.problems:
                if "\n" not in each.fix:
                    assert str(hostile) in shlex.split(each.fix.replace(";", " ")), each.fix


# ---- the real thing


PRINT = (
    "import dataclasses, json, sys; from pathlib import Path; from app.claude.volume import inspect;"
    "print(json.dumps(dataclasses.asdict(inspect(Path(sys.argv[1])))))"
)


def seen_by(command: list[str], path: Path) -> dict[str, Any]:
    """What a process of its own finds: in its own mounts, or as its own user."""
    done = subprocess.run(
        [*command, sys.executable, "-c", PRINT, str(path)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, f"{shlex.join(command)} does not work here, and this test needs it: {done.stderr}"
    return json.loads(done.stdout)


def with_mounts(script: str, place: Path) -> list[str]:
    """Namespaces of its own, where anyone may mount. `script` sees the place as $1."""
    return [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-ec",
        f'{script}\nshift; exec "$@"',
        "sh",
        str(place),
    ]


def codes_in(seen: dict[str, Any]) -> set[str]:
    return {each["code"] for each in seen["problems"]}


def test_a_folder_that_can_be_written_keeps_no_trace_of_the_try(tmp_path: Path):
    volume = inspect(tmp_path)
    assert volume.writable
    assert (volume.owner, volume.mode) == (f"{os.geteuid()}:{os.getegid()}", f"{tmp_path.stat().st_mode & 0o7777:04o}")
    assert volume.free_bytes > 0
    assert os.listdir(tmp_path) == []
    assert os.stat(tmp_path).st_dev == os.stat(volume.path).st_dev


def test_a_probe_that_was_killed_is_in_nobodys_way(tmp_path: Path):
    for _ in range(2):
        assert try_to_write(tmp_path) is None
    (tmp_path / f".postern-probe-{os.getpid()}-{threading.get_native_id()}").touch(mode=0)
    assert try_to_write(tmp_path) is None
    assert os.listdir(tmp_path) == []


def test_a_real_tmpfs_is_in_memory_and_nearly_full(tmp_path: Path):
    seen = seen_by(with_mounts('mount -t tmpfs -o size=64k,mode=700 none "$1"', tmp_path), tmp_path)
    assert (seen["kind"], seen["mounted"], seen["persistent"], seen["writable"]) == ("tmpfs", True, False, True)
    assert seen["free_bytes"] == 65536
    assert codes_in(seen) == {"in_memory", "little_space"}


def test_a_real_full_disk_is_told_and_recovers(tmp_path: Path):
    fill = 'mount -t tmpfs -o size=64k,mode=700 none "$1"; head -c 65536 /dev/zero >"$1/filler"'
    seen = seen_by(with_mounts(fill, tmp_path), tmp_path)
    assert (seen["free_bytes"], seen["writable"]) == (0, False)
    assert codes_in(seen) == {"in_memory", "full"}
    seen = seen_by(with_mounts(fill + '; rm "$1/filler"', tmp_path), tmp_path)
    assert seen["writable"]


def test_a_real_disk_without_inodes_is_told(tmp_path: Path):
    seen = seen_by(with_mounts('mount -t tmpfs -o size=1m,nr_inodes=1,mode=700 none "$1"', tmp_path), tmp_path)
    assert (seen["free_inodes"], seen["writable"]) == (0, False)
    assert codes_in(seen) == {"in_memory", "no_inodes", "little_space"}


def test_a_real_read_only_mount_is_told(tmp_path: Path):
    tmp_path.chmod(0o700)
    bind = 'mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"'
    seen = seen_by(with_mounts(bind, tmp_path), tmp_path)
    assert (seen["mounted"], seen["writable"]) == (True, False)
    assert codes_in(seen) - {"container_layer"} == {"read_only"}


def test_a_real_bind_mount_is_a_mount_of_its_own(tmp_path: Path):
    source = tmp_path / "source"
    source.mkdir(mode=0o700)
    (tmp_path / "place").mkdir(mode=0o700)
    script = f'mount --bind {shlex.quote(str(source))} "$1"'
    seen = seen_by(with_mounts(script, tmp_path / "place"), tmp_path / "place")
    assert (seen["mounted"], seen["persistent"], seen["writable"], codes_in(seen)) == (True, True, True, set())


@pytest.fixture
def open_place() -> Iterator[Path]:
    """Where another user gets to: pytest's own folder is closed."""
    place = Path(tempfile.mkdtemp(prefix="postern-volume-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


def seen_by_another(path: Path) -> dict[str, Any]:
    """Root may write anywhere, so it looks as someone else, in a process of its own; others look as they are."""
    reader, writer = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=_look_as_nobody, args=(path, writer))
    child.start()
    assert reader.poll(10)
    seen = json.loads(reader.recv())
    child.join()
    return seen


def _look_as_nobody(path: Path, writer: Connection) -> None:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    writer.send(json.dumps(asdict(inspect(path))))


def test_a_real_folder_of_someone_elses_is_told():
    seen = seen_by_another(Path("/usr"))
    assert (seen["owner"], seen["writable"]) == ("0:0", False)
    assert "foreign_owner" in codes_in(seen)
    assert "not_writable" not in codes_in(seen)
    fix = next(each["fix"] for each in seen["problems"] if each["code"] == "foreign_owner")
    assert f"{os.geteuid() or NOBODY}:{os.getegid() or NOBODY}" in fix


def test_a_real_folder_that_is_closed_to_its_owner_is_told(open_place: Path):
    closed = open_place / "login"
    closed.mkdir()
    if os.geteuid() == 0:
        os.chown(closed, NOBODY, NOBODY)
    closed.chmod(0o500)
    seen = seen_by_another(closed)
    assert not seen["writable"]
    assert "not_writable" in codes_in(seen)
    open_place.chmod(0o700)
    if os.geteuid() == 0:
        assert codes_in(seen_by_another(closed)) == {"unreachable"}
    open_place.chmod(0o755)
    closed.chmod(0o755)
    seen = seen_by_another(closed)
    assert seen["writable"]
    assert "open_folder" in codes_in(seen)


def test_what_is_not_there_or_no_folder_is_told(tmp_path: Path):
    assert codes(inspect(tmp_path / "none" / "below")) == ["missing"]
    (tmp_path / "file").touch()
    assert codes(inspect(tmp_path / "file")) == ["not_a_folder"]
    (tmp_path / "loop").symlink_to("loop")
    assert codes(inspect(tmp_path / "loop")) == ["unreachable"]
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real").mkdir(mode=0o700)
    assert inspect(tmp_path / "link").writable

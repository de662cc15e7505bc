"""What /proc/self/mountinfo says of the place where a path is. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

_ESCAPED = re.compile(r"\\([0-7]{3})")
_IN_MEMORY = frozenset({"tmpfs", "ramfs", "devtmpfs"})
_LAYERS = frozenset({"overlay", "aufs"})
_NETWORK = re.compile(
    r"nfs\d?|cifs|smb\d?|smbfs|9p|ceph|afs|lustre|gfs2|ocfs2|beegfs|fuse\.(sshfs|glusterfs|ceph.*|s3fs|rclone|.*nfs.*)"
)
# Docker's and Podman's folder of a volume; one that was made without a name is called by 64 hexadecimal digits.
_VOLUME = re.compile(r"/volumes/([^/]+)/_data(/|$)")
_WITHOUT_NAME = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Mount:
    root: str  # the folder of the file system that is mounted
    point: str  # where
    options: frozenset[str]
    kind: str
    source: str

    @property
    def in_memory(self) -> bool:
        return self.kind in _IN_MEMORY

    @property
    def network(self) -> bool:
        return _NETWORK.fullmatch(self.kind) is not None

    @property
    def read_only(self) -> bool:
        return "ro" in self.options

    @property
    def volume(self) -> str:
        """The name of the Docker volume, "" when it is none."""
        found = _VOLUME.search(self.root)
        return found[1] if found else ""

    @property
    def anonymous(self) -> bool:
        return _WITHOUT_NAME.fullmatch(self.volume) is not None

    @property
    def of_a_pod(self) -> bool:
        return "/kubernetes.io~empty-dir/" in self.root


NOWHERE = Mount("", "", frozenset(), "", "")


def parse_mounts(text: str) -> list[Mount]:
    return [mount for line in text.splitlines() if (mount := _parse(line))]


def _parse(line: str) -> Mount | None:
    before, separator, after = line.partition(" - ")
    try:
        _, _, _, root, point, options, *_ = before.split(" ")
        kind, source, super_options, *_ = [*after.split(" "), ""]
    except ValueError:
        return None
    both = frozenset([*options.split(","), *super_options.split(",")])
    return Mount(_plain(root), _plain(point), both, kind, _plain(source)) if separator else None


def _plain(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), text)


def mount_of(path: PurePath, mounts: Sequence[Mount]) -> Mount:
    """The deepest mount that holds the path; of several in one place the last, which hides the others."""
    found = NOWHERE
    for mount in mounts:
        if path.is_relative_to(mount.point) and len(mount.point) >= len(found.point):
            found = mount
    return found


def in_layer(mount: Mount, *, container: bool) -> bool:
    """Whether what is written there goes into the container itself."""
    return mount.kind in _LAYERS or (container and mount.point == "/")


def is_container(mounts: Sequence[Mount], marked: bool) -> bool:
    """`marked`: a file at the root says so. Kubernetes leaves none, but there the root is made of layers, too."""
    return marked or mount_of(PurePath("/"), mounts).kind in _LAYERS

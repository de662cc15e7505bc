"""What the first bytes of an image tell. Pure.

An image that is not what it says is refused here: the CLI would replace it by a sentence of its own, and a very large
one would cost it gigabytes to unpack (threat 22).
"""

import struct
from collections.abc import Callable

# https://docs.anthropic.com/en/docs/build-with-claude/vision: larger ones are refused upstream.
LONGEST_SIDE = 8000

Size = tuple[int, int]


def _png(data: bytes) -> Size | None:
    if data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR" or len(data) < 24:
        return None
    return struct.unpack(">II", data[16:24])


def _gif(data: bytes) -> Size | None:
    if data[:6] not in (b"GIF87a", b"GIF89a") or len(data) < 10:
        return None
    return struct.unpack("<HH", data[6:10])


def _webp(data: bytes) -> Size | None:
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return None
    match data[12:16]:
        case b"VP8X":
            return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
        case b"VP8L":
            bits = int.from_bytes(data[21:25], "little")
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case b"VP8 ":
            width, height = struct.unpack("<HH", data[26:30])
            return width & 0x3FFF, height & 0x3FFF
    return None


def _jpeg(data: bytes) -> Size | None:
    """Follows the segments to the first start of frame (ITU T.81, B.1.1)."""
    at = 2
    while data[:2] == b"\xff\xd8" and data[at : at + 1] == b"\xff" and len(data) >= at + 9:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + length
    return None


_READERS: dict[str, Callable[[bytes], Size | None]] = {
    "image/jpeg": _jpeg,
    "image/png": _png,
    "image/gif": _gif,
    "image/webp": _webp,
}
TYPES = tuple(_READERS)


def problem(media_type: str, data: bytes) -> str | None:
    """What is wrong with an image of one of TYPES, None when nothing is seen."""
    size = _READERS[media_type](data)
    if size is None:
        return f"the data is no image of type {media_type}"
    if not all(0 < side <= LONGEST_SIDE for side in size):
        return f"the image has {size[0]} x {size[1]} pixels; each side must have 1 to {LONGEST_SIDE}"
    return None

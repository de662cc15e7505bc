"""What a key looks like: `sk-` kind `-` id `-` secret checksum. docs/keys.md publishes it for secret scanners.

The id finds the key's row, the secret has 256 random bits, and the checksum tells a typo without asking anybody.
"""

import hashlib
import re
import secrets
import string
import zlib
from typing import Final

PREFIX = "sk-"
KINDS: Final = {"master": "m", "application": "a"}
ID_LENGTH = 10
SECRET_LENGTH = 43  # 62**43 > 2**256
CHECK_LENGTH = 6  # 62**6 > 2**32
PATTERN = rf"\bsk-[am]-[0-9A-Za-z]{{{ID_LENGTH}}}-[0-9A-Za-z]{{{SECRET_LENGTH + CHECK_LENGTH}}}\b"
SEED_BYTES = 64

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_WHOLE = re.compile(PATTERN.replace(r"\b", ""))
_BEGINNING = re.compile(rf"sk-[am]-[0-9A-Za-z]{{{ID_LENGTH}}}-")
_ID = slice(5, 5 + ID_LENGTH)


class MistypedError(ValueError):
    """It is one of ours but for a typo, or a part is missing."""


def make(kind: str, seed: bytes | None = None) -> str:
    """A new key; the same one for the same seed of 64 secret bytes."""
    body = _base62(int.from_bytes(seed or secrets.token_bytes(SEED_BYTES)), ID_LENGTH + SECRET_LENGTH)
    bare = f"{PREFIX}{KINDS[kind]}-{body[:ID_LENGTH]}-{body[ID_LENGTH:]}"
    return bare + _checksum(bare)


def key_id(text: str) -> str:
    """The id that stands in the key, or for one of another form (of the environment) an id from its hash.

    Raises MistypedError.
    """
    if _WHOLE.fullmatch(text):
        if _checksum(text[:-CHECK_LENGTH]) != text[-CHECK_LENGTH:]:
            raise MistypedError
        return text[_ID]
    if _BEGINNING.match(text):
        raise MistypedError
    # Of another hash than the one that is stored: the id is shown, and must tell nothing of that.
    return _base62(int.from_bytes(hashlib.sha256(b"id of " + digest(text)).digest()), ID_LENGTH)


def kind_of(text: str) -> str | None:
    """What the key says of itself; None for one of another form."""
    return next((kind for kind, letter in KINDS.items() if _WHOLE.fullmatch(text) and text[3] == letter), None)


def digest(text: str) -> bytes:
    """256 random bits need no slow hash, and a request no 0.2 s of one."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _checksum(bare: str) -> str:
    return _base62(zlib.crc32(bare.encode("ascii")), CHECK_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(digits)

"""Base64 as bytes, in steps: 30 MB in one go take a twentieth of a second. Pure."""

import binascii

from app.pace import STEP_BYTES

_STEP = STEP_BYTES // 4 * 4


def from_base64(text: str) -> bytes:
    """Raises binascii.Error, ValueError for what is not strictly base64."""
    if "=" in text[:-2]:  # ends within, which only a look at the whole finds
        return binascii.a2b_base64(text, strict_mode=True)
    return b"".join(
        binascii.a2b_base64(text[start : start + _STEP], strict_mode=True) for start in range(0, len(text), _STEP)
    )

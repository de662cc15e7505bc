import base64
import binascii

import pytest

from app.pace import STEP_BYTES
from app.protocols.base64_text import from_base64


@pytest.mark.parametrize("length", [0, 1, 2, 3, STEP_BYTES - 1, STEP_BYTES, 3 * STEP_BYTES + 1])
def test_it_is_what_was_encoded(length: int):
    data = bytes(index % 251 for index in range(length))
    assert from_base64(base64.b64encode(data).decode()) == data


@pytest.mark.parametrize(
    "text", ["a", "ab=", "ab==ab==", "ä", "a b=", "A" * (STEP_BYTES - 2) + "==" + "AAAA", "A" * STEP_BYTES + "a"]
)
def test_what_is_not_strict_is_refused(text: str):
    with pytest.raises((binascii.Error, ValueError)):
        from_base64(text)

import pytest

from app.protocols.images import LONGEST_SIDE, TYPES, problem
from tests.protocols.pictures import PICTURES


def test_every_type_has_a_picture_here():
    assert set(TYPES) == set(PICTURES)


@pytest.mark.parametrize("media_type", TYPES)
def test_an_image_of_its_type_is_taken(media_type: str):
    assert problem(media_type, PICTURES[media_type](640, 480)) is None


@pytest.mark.parametrize("media_type", TYPES)
@pytest.mark.parametrize("other", [*TYPES, "text"])
def test_what_is_no_image_of_its_type_is_refused(media_type: str, other: str):
    data = PICTURES[other](640, 480) if other in PICTURES else b"<svg onload=alert(1)>" * 3
    assert (problem(media_type, data) is None) == (media_type == other)


@pytest.mark.parametrize("media_type", TYPES)
def test_a_part_of_the_head_is_no_image(media_type: str):
    whole = PICTURES[media_type](640, 480)
    assert all(problem(media_type, whole[:length]) for length in range(10))


@pytest.mark.parametrize("media_type", TYPES)
def test_an_image_that_would_fill_the_memory_is_refused(media_type: str):  # threat 22
    assert "8001 x 2 pixels" in str(problem(media_type, PICTURES[media_type](LONGEST_SIDE + 1, 2)))
    assert "2 x 8001 pixels" in str(problem(media_type, PICTURES[media_type](2, LONGEST_SIDE + 1)))


def test_the_other_kinds_of_webp_tell_their_size_as_well():
    lossy = b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\x01\x2a" + (900).to_bytes(2, "little") + (9).to_bytes(2, "little")
    lossless = b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f" + ((9000 - 1) | (10 - 1) << 14).to_bytes(4, "little") + b"\0" * 8
    assert problem("image/webp", lossy) is None
    assert "9000 x 10" in str(problem("image/webp", lossless))

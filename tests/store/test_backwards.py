import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.store.backwards import lines_backwards, unended


@contextmanager
def opened(path: Path, content: bytes) -> Iterator[int]:
    path.write_bytes(content)
    file = os.open(path, os.O_RDONLY)
    try:
        yield file
    finally:
        os.close(file)


@pytest.mark.parametrize(
    ("content", "lines", "rest"),
    [
        (b"", [], b""),
        (b"\n", [b""], b""),
        (b"a", [], b"a"),
        (b"a\n", [b"a"], b""),
        (b"a\nb\n", [b"b", b"a"], b""),
        (b"a\n\nb", [b"", b"a"], b"b"),
        (b"x" * 200_000 + b"\nb\n" + b"y" * 70_000, [b"b", b"x" * 200_000], b"y" * 70_000),
    ],
)
def test_lines_come_from_the_last_to_the_first(content: bytes, lines: list[bytes], rest: bytes, tmp_path: Path):
    with opened(tmp_path / "file", content) as file:
        assert list(lines_backwards(file)) == lines
        assert unended(file) == rest


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lengths=st.lists(st.sampled_from([0, 1, 100, 65_535, 65_536, 65_537, 140_000]), max_size=6))
def test_it_does_not_matter_where_the_pieces_of_the_file_end(lengths: list[int], tmp_path: Path):
    lines = [bytes([97 + number]) * length for number, length in enumerate(lengths)]
    with opened(tmp_path / "file", b"".join(line + b"\n" for line in lines)) as file:
        assert list(lines_backwards(file)) == lines[::-1]

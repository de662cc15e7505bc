import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.claude.framing import MAX_LINE, LineFramer
from app.errors import CliCrashed

LINES = st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")), max_size=8)


@st.composite
def chunked(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """Bytes, and the same bytes in pieces."""
    whole = b"\n".join([*draw(LINES), draw(st.binary(max_size=10))])
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=12)))
    return whole, [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]


def fed(framer: LineFramer, chunks: list[bytes]) -> list[bytes]:
    return [line for chunk in chunks for line in framer.feed(chunk)]


# threat 18: half lines
@settings(deadline=None, max_examples=100)
@given(chunked())
def test_however_the_bytes_are_cut_the_lines_are_the_same(case: tuple[bytes, list[bytes]]):
    whole, chunks = case
    *lines, rest = whole.split(b"\n")
    framer = LineFramer()
    assert fed(framer, chunks) == [line for line in lines if line]
    assert framer.feed(b"end\n") == [rest + b"end"]


# threat 21
@settings(deadline=None, max_examples=100)
@given(chunked(), st.integers(1, 45))
def test_however_the_bytes_are_cut_a_line_beyond_the_limit_is_refused(case: tuple[bytes, list[bytes]], limit: int):
    whole, chunks = case
    framer = LineFramer(limit)
    if max(map(len, whole.split(b"\n"))) > limit:
        with pytest.raises(CliCrashed, match="too long"):
            fed(framer, chunks)
    else:
        fed(framer, chunks)


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ([b""], []),
        ([b"\n\n\n"], []),
        ([b"{}\n"], [b"{}"]),
        ([b"{", b"}", b"\n"], [b"{}"]),
        ([b"a\nb\nc"], [b"a", b"b"]),
        ([b"a", b"", b"b\n"], [b"ab"]),
        ([b"a\r\n"], [b"a\r"]),
        (["\u2028\u0085\x0b\x0c".encode() + b"\n"], ["\u2028\u0085\x0b\x0c".encode()]),
        (["é".encode()[:1], "é".encode()[1:] + b"\n"], ["é".encode()]),
    ],
)
def test_only_a_newline_ends_a_line(chunks: list[bytes], lines: list[bytes]):
    assert fed(LineFramer(), chunks) == lines


# threat 21
@pytest.mark.parametrize("chunks", [[b"x" * 11], [b"x" * 6, b"x" * 5], [b"ok\n" + b"x" * 11 + b"\nok\n"]])
def test_a_giant_line_is_refused_and_let_go(chunks: list[bytes]):
    framer = LineFramer(10)
    with pytest.raises(CliCrashed, match="too long") as refused:
        fed(framer, chunks)
    assert "10 bytes" in refused.value.detail
    assert framer.feed(b"next\n") == [b"next"]


def test_a_line_of_exactly_the_limit_passes():
    assert fed(LineFramer(10), [b"x" * 10, b"\n"]) == [b"x" * 10]


# threat 21: what is held never grows beyond the limit
def test_a_flood_without_a_newline_is_stopped_at_the_limit():
    framer, chunk = LineFramer(), b"x" * (1 << 20)
    assert fed(framer, [chunk] * (MAX_LINE // len(chunk))) == []
    with pytest.raises(CliCrashed):
        framer.feed(chunk[:1])

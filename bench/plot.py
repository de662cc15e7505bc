"""The figures as bars, in an SVG that needs no library and reads on light and dark ground. Pure."""

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from bench.figures import Bars

_WIDTH = 760
_BARS_AT, _LONGEST = 300, 360  # what is right of the longest bar is room for its value
_ROW, _BAR = 26, 16
_TITLE, _GAP = 34, 18
_MARGIN = 16
# Both sets are legible on their ground: the text by at least 7:1, the bars by at least 3:1.
_STYLE = """
text { font: 14px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: #1f2328; }
.ground { fill: #ffffff; }
.title { font-weight: 600; font-size: 15px; }
.bar { fill: #7d8590; }
.ours { fill: #0b7285; }
.ours-text { font-weight: 600; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.ground { fill: #0d1117; }
.bar { fill: #8b949e; }
.ours { fill: #3bc9db; }
}
"""


def picture(panels: Sequence[Bars]) -> str:
    height = _MARGIN * 3 + sum(map(_height, panels))
    return "\n".join(_picture(panels, height)) + "\n"


def _picture(panels: Sequence[Bars], height: int) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        'role="img" aria-labelledby="title">'
    )
    yield '<title id="title">Benchmarks of Postern: the gateway beside the bare CLI</title>'
    yield f"<style>{_STYLE}</style>"
    yield f'<rect class="ground" width="{_WIDTH}" height="{height}"/>'
    top = _MARGIN
    for panel in panels:
        yield from _panel(panel, top)
        top += _height(panel)
    yield f'<text x="{_MARGIN}" y="{top + 6}">Each scale begins at 0 and is its own.</text>'
    yield "</svg>"


def _height(panel: Bars) -> int:
    return _TITLE + _ROW * len(panel.values) + _GAP


def _panel(panel: Bars, top: int) -> Iterator[str]:
    yield f'<text class="title" x="{_MARGIN}" y="{top + 18}">{escape(panel.title)} ({escape(panel.unit)})</text>'
    longest = max(panel.values.values()) or 1.0
    for number, (label, value) in enumerate(panel.values.items()):
        length = max(1.0, value / longest * _LONGEST)
        yield from _bar(label, value, length, top + _TITLE + _ROW * number, ours=label in panel.ours)


def _bar(label: str, value: float, length: float, top: int, *, ours: bool) -> Iterator[str]:
    text, bar = ("ours-text", "bar ours") if ours else ("", "bar")
    base = top + _BAR - 3
    yield f'<text class="{text}" x="{_BARS_AT - 10}" y="{base}" text-anchor="end">{escape(label)}</text>'
    yield f'<rect class="{bar}" x="{_BARS_AT}" y="{top}" width="{length:.1f}" height="{_BAR}" rx="2"/>'
    yield f'<text class="{text}" x="{_BARS_AT + length + 8:.1f}" y="{base}">{_shown(value)}</text>'


def _shown(value: float) -> str:
    """Three digits that count."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"

"""Texts of others, made fit for a log line and a table (threat 62)."""

_CUT = "…"


def plain(text: str, most: int = 200) -> str:
    """One line of at most `most` characters: what is not printable is escaped, what is too long is cut."""
    text = text[: most + 1]
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return shown if len(shown) <= most else shown[: most - len(_CUT)] + _CUT

"""Moments in Unix seconds, as a person writes them and as a page can show them."""

from datetime import UTC, datetime

LATEST = 253_370_764_800.0  # the year 9999: what is later cannot be shown everywhere


def moment_of(text: str) -> float:
    """Of ISO 8601; in UTC when it names no zone. Raises ValueError."""
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except OverflowError as error:
        raise ValueError(str(error)) from error

"""Who uses a key."""

from contextlib import suppress

from app.access.keys import Use
from app.errors import StoreFailed
from app.services import services


def users_of(key_id: str, since: float = 0.0) -> list[Use]:
    """The latest first, up to this moment: by it somebody decides that an old key may go."""
    note_down()
    return [use for use in services().keys.users(key_id) if use.last_seen_at >= since]


def note_down() -> None:
    """What is noted in memory, so that the page tells it. A full disk keeps nobody from looking."""
    with suppress(StoreFailed):
        services().off_loop(services().keys.flush_uses)

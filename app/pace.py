"""Long work beside which others are served. Imports nothing."""

import time

# Not 0: gevent then goes on with what it has to do already, and looks neither for connections nor at the clock.
_MOMENT = 0.000_001
# What takes about a millisecond. A step over so many bytes is worth a pause.
STEP_BYTES = 1 << 18


def give_way() -> None:
    """Others get their turn, where all share one thread. To be called outside of every lock."""
    time.sleep(_MOMENT)

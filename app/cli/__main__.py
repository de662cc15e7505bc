"""`python -m app.cli`."""

import signal
import sys

from app.cli.commands import commands

# So that what is under way is given up in order: a terminal that shows nothing typed, the helper of a sign-in.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
commands(prog_name="python -m app.cli")

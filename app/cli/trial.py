"""A real question, on a process of its own: the pool is the running gateway's."""

import time

from app.claude.failures import without_hint
from app.claude.trial import ask_once
from app.claude.turn import Patience
from app.cli.shell import Shell
from app.errors import PosternError
from app.services import Trial
from app.services.ground import furnish, read_models

# Within the time that the engine of the sign-in gives its test question.
_PATIENCE = Patience(retrying=6.0, first_event=30.0, between_events=20.0, whole_turn=45.0)


def ask(shell: Shell) -> str:
    """The answer. What it shows of the login is kept, for the gateway's next start. Raises PosternError."""
    names = shell.settings.pool.models
    model = read_models().find(names[0] if names else "default").cli
    try:
        text = ask_once(shell.installation, model, _PATIENCE)
    except PosternError as error:
        shell.watch.failed(error)
        raise
    else:
        shell.watch.answered()
    finally:
        shell.watch.close()
    return text


def try_out(shell: Shell) -> Trial:
    shell.demand_owner()
    furnish(shell.installation)
    begun = time.monotonic()
    try:
        text, message = ask(shell), ""
    except PosternError as error:
        text, message = "", without_hint(error)
    return Trial(not message, text, time.monotonic() - begun, message)

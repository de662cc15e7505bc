"""How many tokens a prompt has, without asking a model."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from app.claude.asking import TICK_SECONDS, Asking
from app.claude.completion import Lender, Order
from app.claude.conversation import Prompt
from app.errors import CliTimeout

_SECONDS = 60.0


@dataclass(frozen=True)
class _Counted:
    """A prompt. The CLI's count leaves most of a tool out, so tools are counted as the JSON that defines them."""

    prompt: Prompt
    parameters: dict[str, Any] = field(default_factory=dict)
    tools: tuple[()] = ()

    @property
    def system(self) -> list[str]:
        definitions = [json.dumps(tool) for tool in self.prompt.tools]
        return [*self.prompt.system, *definitions]

    @property
    def messages(self) -> Any:
        return self.prompt.messages


def count_tokens(
    pool: Lender,
    order: Order,
    gone: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Upstream's own counts of the messages and of the system prompt, added up. Raises PosternError.

    `gone` tells that nobody waits for it any more.
    """
    place = pool.queue(order.model)
    deadline = clock() + _SECONDS
    try:
        while (worker := pool.wait(place, TICK_SECONDS)) is None:
            _demand(not gone())
        counting = Asking(worker, _Counted(order.prompt), clock).count()
        while clock() < deadline:
            _demand(not gone())
            try:
                next(counting)
            except StopIteration as counted:
                return int(counted.value)
        raise CliTimeout("The claude CLI did not count the tokens in time.")
    finally:
        pool.leave(place)


def _demand(waited_for: bool) -> None:
    if not waited_for:
        raise CliTimeout("Nobody waits for the count any more.")

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.errors import Conflict
from app.services.off_loop import OffLoop


def test_without_a_server_it_is_done_at_once():
    assert OffLoop()(threading.get_ident) == threading.get_ident()


def test_the_server_says_where_it_is_done():
    with ThreadPoolExecutor(1) as threads:
        off_loop = OffLoop()
        off_loop.use(lambda do: threads.submit(do).result())
        assert off_loop(threading.get_ident) != threading.get_ident()
        assert off_loop(divmod, 7, 2) == (3, 1)


def test_an_exception_comes_back_and_the_server_does_not_see_it():
    seen: list[object] = []

    def apply(do: Callable[[], object]) -> object:
        seen.append(do())
        return seen[-1]

    def refuse() -> None:
        raise Conflict("There is one already.")

    off_loop = OffLoop()
    off_loop.use(apply)
    with pytest.raises(Conflict, match="one already"):
        off_loop(refuse)
    assert len(seen) == 1

"""The tree that stands at the top of app/errors.py is the tree that the classes make."""

import inspect
import re
from collections.abc import Iterator

import pytest

from app import errors

CLASSES = {
    name: value
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, errors.PosternError)
}


def drawn() -> Iterator[tuple[str, str | None, int | None]]:
    """(name, name of the parent, status if one stands beside it) of each class that is drawn."""
    path: list[str] = []
    for line in errors.__doc__.splitlines():
        found = re.fullmatch(r"    (?P<indent>[│├└─ ]*)(?P<names>[A-Z]\w+(?:, [A-Z]\w+)*)(?:\s{2,}(?P<said>.*))?", line)
        if not found:
            continue
        depth = len(found["indent"]) // 4
        names = found["names"].split(", ")
        status = re.match(r"\d{3}\b", found["said"] or "")
        for name in names:
            yield name, path[depth - 1] if depth else None, int(status[0]) if status else None
        path[depth:] = [names[-1]]


TREE = list(drawn())


def test_the_drawing_shows_every_class_once():
    assert sorted(name for name, _, _ in TREE) == sorted(CLASSES)


@pytest.mark.parametrize(("name", "parent", "status"), TREE, ids=[name for name, _, _ in TREE])
def test_the_drawing_tells_parent_and_status(name: str, parent: str | None, status: int | None):
    drawn_class = CLASSES[name]
    assert drawn_class.__base__.__name__ == (parent or "Exception")
    assert status in (None, drawn_class.status)


def test_every_status_that_a_class_sets_itself_is_drawn():
    told = {name for name, _, status in TREE if status}
    groups = {"PosternError", "RequestError", "UpstreamError"}  # told by those below them
    assert {name for name, value in CLASSES.items() if "status" in vars(value)} - told == groups


def test_codes_tell_the_errors_apart():
    codes = [value.code for value in CLASSES.values() if "code" in vars(value)]
    assert len(codes) == len(set(codes))


def test_an_error_carries_a_text_for_the_client_and_one_for_the_log():
    error = errors.RateLimited("Slow down.", detail="pid 5", param="model", retry_after=3)
    assert (str(error), error.detail, error.param, error.retry_after) == ("Slow down.", "pid 5", "model", 3)


def test_a_code_of_ones_own_stays_with_the_instance():
    assert errors.InvalidRequest("No.", code="invalid_json").code == "invalid_json"
    assert errors.InvalidRequest("No.").code is None
    assert errors.ContextTooLong("No.", param="messages").code == "context_length_exceeded"


def test_the_module_imports_nothing():
    assert [name for name, value in vars(errors).items() if inspect.ismodule(value)] == []

"""What a view says of itself. The document at /openapi.json is made of it (app/web/openapi.py).

A type is what msgspec makes a JSON Schema of: for a request the very one that decodes it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from app.errors import PosternError

F = TypeVar("F", bound=Callable[..., Any])
_ATTRIBUTE = "postern_operation"


@dataclass(frozen=True)
class Group:
    """Operations that are told of together, and tell errors in one shape, with a code or without.

    `place`: its own among the groups.
    """

    name: str
    about: str
    error: Any
    place: int
    codes: bool = True


@dataclass(frozen=True)
class Answer:
    """`body`: the type of the JSON. `events`: the types of what a stream's `data:` lines hold; `last`: its last one."""

    about: str
    body: Any = None
    events: tuple[Any, ...] = ()
    last: str = ""
    example: Any = None


@dataclass(frozen=True)
class ListOf:
    """Of values of these types, which are told apart one by one; or a text in its place."""

    types: tuple[Any, ...]
    or_text: bool = False


@dataclass(frozen=True)
class Parameter:
    """Those of the path need none: their names are read off the route. With one they are explained."""

    name: str
    about: str
    type: Any = str
    place: Literal["query", "header", "path"] = "query"
    example: str = ""


@dataclass(frozen=True)
class Operation:
    """`errors` are those of its own. What comes with a key, a password or a body is added by the document."""

    group: Group
    summary: str
    answers: Mapping[int, Answer]
    about: str = ""
    request: Any = None
    examples: Mapping[str, Any] = field(default_factory=dict)
    # Member of the request -> what becomes of it; and the type of what is decoded later than the whole.
    members: Mapping[str, str] = field(default_factory=dict)
    reads: Mapping[str, Any] = field(default_factory=dict)
    parameters: tuple[Parameter, ...] = ()
    errors: tuple[type[PosternError], ...] = ()
    # Codes of a 400 besides those of `errors`.
    codes: tuple[str, ...] = ()


def describe(operation: Operation) -> Callable[[F], F]:
    """Beneath the route's own decorator."""

    def declare(view: F) -> F:
        setattr(view, _ATTRIBUTE, operation)
        return view

    return declare


def operation_of(view: Callable[..., Any] | None) -> Operation | None:
    return getattr(view, _ATTRIBUTE, None)

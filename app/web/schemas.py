"""JSON Schemas of types, with the shared ones as components of an OpenAPI document."""

from collections.abc import Iterable
from typing import Any

import msgspec

Json = dict[str, Any]

_PREFIX = "#/components/schemas/"


class Schemas:
    """Type -> its schema. Told apart by their ids, for an annotated type need not be hashable."""

    def __init__(self, types: Iterable[Any]):
        found = {id(kind): kind for kind in types}
        schemas, components = msgspec.json.schema_components(found.values(), ref_template=_PREFIX + "{name}")
        self._of = dict(zip(found, map(_shortened, schemas), strict=True))
        self._kept = list(found.values())  # an id is a type's own only as long as it is there
        self.components: Json = {_short(name): _shortened(components[name]) for name in sorted(components)}

    def __getitem__(self, kind: Any) -> Json:
        found: Json = self._of[id(kind)]
        return found

    def resolved(self, kind: Any) -> Json:
        """The component that the type's schema refers to."""
        found: Json = self.components[self[kind]["$ref"].removeprefix(_PREFIX)]
        return found


def _short(name: str) -> str:
    """Of types that are called the same, msgspec tells the whole path; the module is enough."""
    return ".".join(name.split(".")[-2:])


def _shortened(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {name: _shortened(value) for name, value in schema.items()}
    if isinstance(schema, list):
        return [_shortened(value) for value in schema]
    if isinstance(schema, str) and schema.startswith(_PREFIX):
        return _PREFIX + _short(schema.removeprefix(_PREFIX))
    return schema

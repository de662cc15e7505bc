"""Public model names, and what the CLI is asked for under each."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from app.errors import SettingsError, UnknownModel

# A model's name reaches argv, so it is a plain word: no leading dash, no space (threat 3).
_PLAIN_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._\[\]-]{0,99}")


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`cli` is what `claude --model` gets; `context_window` is in tokens."""

    cli: str
    context_window: int
    owner: str = "anthropic"
    aliases: tuple[str, ...] = ()


class Catalogue:
    """Every name that a request may use. Names outside it are refused, never passed on (threat 11)."""

    def __init__(self, models: dict[str, Model]) -> None:
        self._models = models
        self._by_name = {alias: model for model in models.values() for alias in model.aliases} | models

    def __iter__(self) -> Iterator[tuple[str, Model]]:
        """Names and aliases, each with its model."""
        return iter(self._by_name.items())

    def names(self) -> list[str]:
        """Without the aliases."""
        return list(self._models)

    def find(self, name: str) -> Model:
        """Raises UnknownModel."""
        model = self._by_name.get(name)
        if model is None:
            known = ", ".join(self._models)
            raise UnknownModel(f"The model {name[:100]!r} does not exist here. Known models: {known}.", param="model")
        return model


def read_catalogue(path: Path) -> Catalogue:
    """Reads config/models.toml. Raises SettingsError that names the file and the entry."""
    try:
        models = msgspec.convert(tomllib.loads(path.read_text("utf-8")), dict[str, Model])
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise SettingsError(f"{path}: {error}") from error
    seen: set[str] = set()
    for name, model in models.items():
        for word in (name, *model.aliases):
            if word in seen:
                raise SettingsError(f"{path}: the name {word!r} stands there twice.")
            seen.add(word)
        for word in (name, model.cli, *model.aliases):
            if not _PLAIN_NAME.fullmatch(word):
                raise SettingsError(f"{path}: {word!r} (model {name}) is not a plain model name.")
    return Catalogue(models)

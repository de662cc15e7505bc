"""Every setting, its type and what it means. The only reader of the environment.

The defaults stand in config/gateway.toml and nowhere else. A setting NAME is overridden by GATEWAY_NAME, a nested one
by GATEWAY_SECTION__NAME, and a secret also by GATEWAY_NAME_FILE, which names a file that holds it.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, inspect

from app.errors import SettingsError

CONFIG_DIR = Path(__file__).parent.parent / "config"
PREFIX = "GATEWAY_"
SECRETS = frozenset({"master_key", "admin_password", "secret_key"})
# The predecessor's name for the master key: installations that set it go on working.
OLD_NAMES = {"LITELLM_MASTER_KEY": "master_key"}

Port = Annotated[int, Meta(ge=0, le=65535)]
Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
ManySeconds = Annotated[float, Meta(ge=60, le=366 * 86_400)]


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class PoolSettings(_Section, frozen=True):
    warm: Count
    warm_most: Count
    models: list[str]
    max: Count
    starters: Count
    exercise: bool
    reuse: Literal["never", "under-pressure", "always"]
    keep: Annotated[float, Meta(ge=0, le=86_400)]
    process_memory: Annotated[int, Meta(ge=100)]
    spare_memory: Count


class QueueSettings(_Section, frozen=True):
    max: Count
    timeout: Seconds


class TurnSettings(_Section, frozen=True):
    retry_seconds: Annotated[float, Meta(ge=0, le=86_400)]
    first_event_timeout: Seconds
    idle_timeout: Seconds
    timeout: Seconds


class StreamSettings(_Section, frozen=True):
    queue_hold: Seconds
    status_hold: Seconds
    keepalive: Seconds


class SessionSettings(_Section, frozen=True):
    idle: ManySeconds
    absolute: ManySeconds


class HttpSettings(_Section, frozen=True):
    max_body_bytes: Positive
    connections: Positive
    requests: Positive
    body_timeout: Seconds
    write_timeout: Seconds
    drain: Seconds


class Settings(_Section, frozen=True):
    bind: Annotated[str, Meta(min_length=1)]
    port: Port
    log_level: Literal["debug", "info", "warning", "error"]
    data_dir: str
    claude_bin: str
    allow_newer_cli: bool
    claude_config_dir: str
    master_key: str
    admin_password: str
    secret_key: str
    public_url: str
    trusted_hosts: list[str]
    trusted_proxies: list[str]
    sign_in_base: str
    docs: bool
    pool: PoolSettings
    queue: QueueSettings
    turn: TurnSettings
    stream: StreamSettings
    http: HttpSettings
    session: SessionSettings
    # The environment as it was at the start: app.claude takes the CLI's own variables out of it, by a list.
    environ: dict[str, str] = {}


def _kinds(section: type[_Section], *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    for field in msgspec.structs.fields(section):
        if isinstance(field.type, type) and issubclass(field.type, _Section):
            yield from _kinds(field.type, *path, field.name)
        elif field.name != "environ":
            yield (*path, field.name), field.type


# The type of every setting, by where it stands: {("pool", "warm"): Count}.
_KINDS = dict(_kinds(Settings))


def load(environ: Mapping[str, str], path: Path = CONFIG_DIR / "gateway.toml") -> Settings:
    """Raises SettingsError, with a sentence that names the setting and where it came from."""
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from error
    _check(values, path)
    for name, text in sorted(_overrides(environ).items()):
        _override(values, name, text)
    return msgspec.structs.replace(msgspec.convert(values, Settings), environ=dict(environ))


def networks(texts: Iterable[str]) -> list[IPv4Network | IPv6Network]:
    """Raises SettingsError."""
    try:
        return [ip_network(text) for text in texts]
    except ValueError as error:
        raise SettingsError(f"trusted_proxies: {error}. Use addresses or networks such as 172.16.0.0/12.") from error


def web_address(text: str, setting: str) -> str:
    """Without a slash at its end; empty when none is set. Raises SettingsError."""
    try:
        parts = urlsplit(text)
        plain = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and text.isprintable()
        if text and (not plain or " " in text or "@" in parts.netloc or "?" in text or "#" in text):
            raise ValueError("it must be like https://gateway.example.com, with a path or without")
    except ValueError as error:
        raise SettingsError(f"{setting} (it is {text!r}): {error}") from error
    return text.rstrip("/")


def _check(values: dict[str, Any], file: Path) -> None:
    """The file holds every setting, each as it must be, and nothing else. Raises SettingsError."""
    given = dict(_leaves(values))
    for place, value in given.items():
        name = ".".join(place)
        if place not in _KINDS:
            raise SettingsError(f"{file}: {name} is not a setting.")
        try:
            msgspec.convert(value, _KINDS[place])
        except msgspec.ValidationError:
            raise _refusal(place, value, f"{file}: {name}") from None
    if missing := [".".join(place) for place in _KINDS if place not in given]:
        raise SettingsError(f"{file}: {', '.join(missing)} must be there.")


def _leaves(values: dict[str, Any], *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, *path, name)
        else:
            yield (*path, name), value


def _refusal(place: tuple[str, ...], value: Any, named: str) -> SettingsError:
    shown = "" if place[-1] in SECRETS else f" (it is {value!r})"
    return SettingsError(f"{named}{shown}: it must be {_allowed(_KINDS[place])}.")


def _allowed(kind: Any) -> str:
    """In words."""
    match inspect.type_info(kind):
        case inspect.LiteralType():
            *others, last = (f'"{word}"' for word in get_args(kind))  # in their order
            return f"{', '.join(others)} or {last}"
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType() as number:
            return f"a whole number{_bounds(number)}"
        case inspect.FloatType() as number:
            return f"a number{_bounds(number)}"
        case inspect.ListType():
            return "a list of texts"
        case inspect.StrType(min_length=1):
            return "a text that is not empty"
    return "a text"


def _bounds(number: inspect.IntType | inspect.FloatType) -> str:
    if number.gt is not None:
        return f" above {number.gt} and at most {number.le}"
    return f" of {number.ge} or more" if number.le is None else f" from {number.ge} to {number.le}"


def _overrides(environ: Mapping[str, str]) -> dict[str, str]:
    """{"GATEWAY_POOL__WARM": "2"}, with old names and files of secrets resolved to the names of today."""
    found = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
    for secret in SECRETS:
        name = PREFIX + secret.upper()
        if path := found.pop(f"{name}_FILE", None):
            if found.get(name):
                raise SettingsError(f"{name} and {name}_FILE are both set: set one.")
            found[name] = _read_secret(f"{name}_FILE", path)
    for old, new in OLD_NAMES.items():
        # An empty value is what compose makes of a variable that is not set.
        if environ.get(old) and not found.get(PREFIX + new.upper()):
            found[PREFIX + new.upper()] = environ[old]
    return found


def _read_secret(name: str, path: str) -> str:
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}: cannot read {path}: {error}") from error


def _override(values: dict[str, Any], name: str, text: str) -> None:
    """Puts one variable's text in its place, as the type that the setting has."""
    *sections, key = place = tuple(name.removeprefix(PREFIX).lower().split("__"))
    if place not in _KINDS:
        raise SettingsError(f"{name} is not a setting. All settings are in config/gateway.toml.")
    section = values
    for step in sections:
        section = section[step]
    try:
        value = _parse(text, type(section[key]))
        msgspec.convert(value, _KINDS[place])
    except (ValueError, msgspec.MsgspecError):
        raise _refusal(place, text, name) from None
    section[key] = value


def _parse(text: str, kind: type) -> Any:
    """Raises ValueError, msgspec.MsgspecError."""
    if kind is str:
        return text
    if kind is list:
        return [word.strip() for word in text.split(",") if word.strip()]
    if kind is float:
        return float(text)
    return msgspec.json.decode(text.strip().lower())

"""Keys: the master key and its rotation, the keys of applications."""

import time
from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from typing import Any

import click

from app.access.keys import Key
from app.access.plain import plain
from app.cli.output import as_json, print_json, say
from app.cli.shell import Shell
from app.cli.texts import Moment, Span, moment, table
from app.errors import Conflict, InvalidRequest
from app.services.ground import read_models

_models = click.option("--model", "models", multiple=True, metavar="NAME", help="A model that it may use; repeatable.")
_expires = click.option(
    "--expires", "expires_at", type=Moment(), help="When it ends: 2030-12-31T18:00 (UTC), or from now: 90d."
)


@click.group()
def keys() -> None:
    """The keys that applications send."""


@keys.command("list")
@click.argument("search", default="")
@as_json
@click.pass_obj
def list_keys(shell: Shell, search: str, as_json: bool) -> None:
    """The master keys that are valid, and the applications' keys (those with SEARCH in name or id)."""
    masters = [] if search else shell.keys.masters()
    found = [*masters, *shell.keys.list(search)]
    if as_json:
        print_json({"keys": [_told(key) for key in found]})
    else:
        click.echo(_table(found))


@keys.command()
@click.argument("name")
@_models
@_expires
@as_json
@click.pass_obj
def create(shell: Shell, name: str, models: tuple[str, ...], expires_at: float | None, as_json: bool) -> None:
    """A new key for the application NAME. The key alone goes to standard output; it is not shown again."""
    shell.begin()
    allowed = _checked(models) or None
    make = partial(shell.keys.create, name, models=allowed, expires_at=expires_at)
    text, key = shell.act("create a key", make, target=name)
    _show_once(text, _told(key) | {"key": text}, as_json)
    say(f"The key {key.id} for {key.name} stands on standard output, and is not shown again.")


@keys.command()
@click.argument("key_id")
@as_json
@click.pass_obj
def show(shell: Shell, key_id: str, as_json: bool) -> None:
    """One key, and who uses it, as the gateway wrote it down within the last minute."""
    key, users = _find(shell, key_id), shell.keys.users(key_id)
    if as_json:
        print_json(_told(key) | {"users": [asdict(use) for use in users]})
        return
    click.echo(_table([key]))
    rows = [("USED FROM", "BY", "LAST", "TIMES")]
    rows += [(plain(use.address), plain(use.user_agent), moment(use.last_seen_at), str(use.count)) for use in users]
    click.echo(f"\n{table(rows)}" if users else "\nNobody has used it.")


@keys.command()
@click.argument("key_id")
@click.option("--name", help="Another name.")
@_models
@click.option("--every-model", is_flag=True, help="It may use every model.")
@_expires
@click.option("--never-expires", is_flag=True, help="It has no end.")
@click.option("--enable/--disable", "enabled", default=None, help="Whether it is accepted.")
@as_json
@click.pass_obj
def edit(shell: Shell, /, key_id: str, as_json: bool, **options: Any) -> None:
    """Changes a key; what is not named stays as it is."""
    shell.keys.get(key_id)
    changes = _changes(**options)
    key = shell.act("change a key", partial(shell.keys.edit, key_id, **changes), target=key_id, **changes)
    _tell(key, f"{key.name} is saved.", as_json)


def _changes(
    *,
    name: str | None,
    models: tuple[str, ...],
    every_model: bool,
    expires_at: float | None,
    never_expires: bool,
    enabled: bool | None,
) -> dict[str, Any]:
    if (models and every_model) or (expires_at is not None and never_expires):
        raise click.UsageError("These options contradict each other.")
    named = {"name": name, "models": _checked(models) or None, "expires_at": expires_at, "enabled": enabled}
    changes: dict[str, Any] = {member: value for member, value in named.items() if value is not None}
    changes |= ({"models": None} if every_model else {}) | ({"expires_at": None} if never_expires else {})
    if not changes:
        raise click.UsageError("Nothing to change: name an option.")
    return changes


@keys.command()
@click.argument("key_id")
@as_json
@click.pass_obj
def revoke(shell: Shell, key_id: str, as_json: bool) -> None:
    """Refuses a key from now on, for good."""
    shell.keys.get(key_id)
    key = shell.act("revoke a key", partial(shell.keys.revoke, key_id), target=key_id)
    _tell(key, f"{key.name} is refused from now on.", as_json)


@click.command()
@click.option("--grace", type=Span(), help="How long the old key stays valid: 1h, 24h, 7d; 0 for not at all.  [24h]")
@click.option("--give-up-previous", is_flag=True, help="Revoke the key before the old one, if it is still valid.")
@click.option("--idempotency-key", metavar="UUID", help="The same again within ten minutes tells the same key again.")
@click.option("--extend-until", type=Moment(), help="Do not rotate: the old key stays valid until then.")
@click.option("--revoke-previous", is_flag=True, help="Do not rotate: the old key is refused from now on.")
@as_json
@click.pass_obj
def rotate(shell: Shell, /, extend_until: float | None, revoke_previous: bool, as_json: bool, **options: Any) -> None:
    """A new master key. The key alone goes to standard output; it is not shown again."""
    rotating = any(value not in (None, False) for value in options.values())
    if rotating + (extend_until is not None) + revoke_previous > 1:
        raise click.UsageError("Rotate, or extend the old key, or revoke it: one at a time.")
    if extend_until is not None:
        extend = partial(shell.keys.extend_previous, extend_until)
        key = shell.act("extend the previous master key", extend, until=extend_until)
        _tell(key, f"The old master key is valid until {moment(key.expires_at)}.", as_json)
    elif revoke_previous:
        key = shell.act("revoke the previous master key", shell.keys.revoke_previous)
        _tell(key, "The old master key is refused from now on.", as_json)
    else:
        _rotate(shell, as_json=as_json, **options)


def _rotate(
    shell: Shell, *, grace: float | None, give_up_previous: bool, idempotency_key: str | None, as_json: bool
) -> None:
    if not shell.keys.masters():
        raise Conflict("There is no master key yet: the gateway's first start makes it.")
    seconds = 86_400.0 if grace is None else grace
    turn = partial(
        shell.keys.rotate, seconds, idempotency_key=idempotency_key or None, give_up_previous=give_up_previous
    )
    made = shell.act("rotate the master key", turn, grace_seconds=seconds)
    until = made.previous.expires_at if made.previous else None
    _show_once(made.key, {"key": made.key, "id": made.current.id, "previous_valid_until": until}, as_json)
    say("The new master key stands on standard output, and is not shown again.")
    if made.previous:
        say(f"The old one, {made.previous.id}, is valid until {moment(until)}. Who still uses it: keys show.")
    else:
        say("The old one is refused from now on.")


def _find(shell: Shell, key_id: str) -> Key:
    masters = (key for key in shell.keys.masters() if key.id == key_id)
    return next(masters, None) or shell.keys.get(key_id)


def _checked(models: Iterable[str]) -> list[str]:
    known = read_models().names()
    for name in models:
        if name not in known:
            raise InvalidRequest(f"There is no model {name[:80]!r}. There are {', '.join(known)}.")
    return list(models)


def _show_once(text: str, told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(told)
    else:
        click.echo(text)


def _tell(key: Key, sentence: str, as_json: bool) -> None:
    if as_json:
        print_json(_told(key))
    else:
        say(sentence)


def _told(key: Key) -> dict[str, Any]:
    return asdict(key) | {"state": key.state(time.time())}


def _table(keys: Iterable[Key]) -> str:
    now = time.time()
    rows = [("ID", "KIND", "NAME", "STATE", "EXPIRES", "LAST USED", "MODELS")]
    for key in keys:
        models = "every" if key.models is None else ", ".join(key.models)
        ends, used = moment(key.expires_at), moment(key.last_used_at)
        rows.append((key.id, key.kind, key.name, key.state(now), ends, used, models))
    return table(rows)

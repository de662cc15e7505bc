"""The pages of keys: the master key and its rotation, the keys of applications."""

import secrets
from collections.abc import Mapping
from functools import partial
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from app.access.keys import Key, Rotation
from app.admin import forms, visit
from app.admin.acts import act
from app.admin.blueprint import blueprint
from app.admin.snippets import snippets
from app.admin.uses import note_down, users_of
from app.errors import Conflict, InvalidRequest
from app.services import services
from app.web.policy import Who, allow

Page = str | Response | tuple[str, int]


@blueprint.get("/admin/keys")
@allow(Who.ADMINISTRATOR)
def keys() -> Page:
    return _keys_page({})


def _keys_page(errors: Mapping[str, str], typed: Mapping[str, object] | None = None) -> str:
    note_down()
    query = request.args.get("q", "").strip()[:100]
    masters = services().keys.masters()
    previous = masters[1] if len(masters) > 1 else None
    return render_template(
        "admin/keys.html",
        q=query,
        keys=services().keys.list(query),
        master=masters[0] if masters else None,
        in_file=services().keys.plain_master() is not None,
        previous=previous,
        users=users_of(previous.id, since=masters[0].created_at) if previous else [],
        idempotency_key=secrets.token_urlsafe(16),
        models=services().catalogue.names(),
        now=services().clock(),
        errors=errors,
        form=typed,
    )


@blueprint.post("/admin/keys/master/rotate")
@allow(Who.CONFIRMED, what="rotate the master key")
def rotate() -> Page:
    try:
        grace = forms.grace(services().clock())
        made = rotate_master(
            grace, forms.text("idempotency_key", required=False), give_up=bool(request.form.get("give_up_previous"))
        )
    except (InvalidRequest, Conflict) as error:
        return _keys_page({"grace": str(error)}), error.status
    return _to_shown(made.key, made.current)


def rotate_master(grace: float, idempotency_key: str, *, give_up: bool) -> Rotation:
    return act(
        "rotate the master key",
        partial(services().keys.rotate, grace, idempotency_key=idempotency_key or None, give_up_previous=give_up),
        grace_seconds=grace,
    )


@blueprint.post("/admin/keys/master/extend")
@allow(Who.ADMINISTRATOR)
def extend_previous() -> Page:
    try:
        until = forms.moment("until")
        if until is None:
            raise InvalidRequest("until: choose a date and a time.", param="until")
        act("extend the previous master key", partial(services().keys.extend_previous, until), until=until)
    except InvalidRequest as error:
        return _keys_page({"until": str(error)}), 400
    except Conflict as error:  # its time was over meanwhile
        flash(str(error), "error")
    else:
        flash("The old master key is valid for longer.")
    return redirect(url_for("admin.keys"))


@blueprint.post("/admin/keys/master/revoke-previous")
@allow(Who.CONFIRMED, what="revoke the old master key")
def revoke_previous() -> Page:
    try:
        act("revoke the previous master key", services().keys.revoke_previous)
    except Conflict as error:
        flash(str(error), "error")
    else:
        flash("The old master key is refused from now on.")
    return redirect(url_for("admin.keys"))


@blueprint.post("/admin/keys")
@allow(Who.ADMINISTRATOR)
def create_key() -> Page:
    try:
        name, models, expires_at = _fields()
        key, made = act(
            "create a key",
            partial(services().keys.create, name, models=models, expires_at=expires_at),
            target=name,
        )
    except InvalidRequest as error:
        return _keys_page(_named(error), _typed()), 400
    return _to_shown(key, made)


def _fields(key: Key | None = None) -> tuple[str, list[str] | None, float | None]:
    models = request.form.getlist("models")
    return forms.text("name", most=100), checked_models(models, _models(key)) or None, _end(key)


def _end(key: Key | None) -> float | None:
    """The field shows minutes. One that was not touched is as it is, also when it is over."""
    chosen = forms.moment("expires")
    present = key.expires_at if key else None
    if chosen is not None and present is not None and chosen == present // 60 * 60:
        return present
    if chosen is not None and chosen <= services().clock():
        raise InvalidRequest("Choose a time that lies ahead, or none.", param="expires")
    return chosen


def _models(key: Key | None = None) -> list[str]:
    """Also those that the key may use and the catalogue has no more: else the form would make them into every model."""
    names = services().catalogue.names()
    return names + [name for name in (key and key.models) or () if name not in names]


def _named(error: InvalidRequest) -> dict[str, str]:
    """By the field that the page shows it at."""
    field = {"expires": "expires_at", "timezone_offset": "expires_at"}.get(error.param or "", error.param or "name")
    return {field: str(error)}


def _typed() -> dict[str, object]:
    """A refusal keeps what was entered."""
    return {
        "name": request.form.get("name", "")[:200],
        "expires": forms.typed("expires"),
        "models": request.form.getlist("models"),
        "enabled": "enabled" in request.form,
    }


def checked_models(names: list[str], known: list[str] | None = None) -> list[str]:
    for name in names:
        if name not in (known or _models()):
            raise InvalidRequest(f"models: there is no model {name[:80]!r}.", param="models")
    return names


def _to_shown(key: str, made: Key) -> Page:
    """The secret waits in memory for one look, so that a page that is loaded anew shows no key and makes none."""
    session = visit.current().session
    ticket = services().shown_once.put((key, made), session.id if session else "")
    return redirect(url_for("admin.key_created", ticket=ticket))


@blueprint.get("/admin/keys/new/<ticket>")
@allow(Who.ADMINISTRATOR)
def key_created(ticket: str) -> Page:
    session = visit.current().session
    found = services().shown_once.take(ticket, session.id if session else "")
    if found is None:
        flash("That key was shown already. If it is lost, make a new one.", "info")
        return redirect(url_for("admin.keys"))
    secret, key = found
    masters = services().keys.masters()
    previous = masters[1] if key.kind == "master" and len(masters) > 1 else None
    return render_template(
        "admin/key_created.html", key=key, secret=secret, previous=previous, snippets=snippets(secret)
    )


@blueprint.route("/admin/keys/<key_id>", methods=["GET", "POST"])
@allow(Who.ADMINISTRATOR)
def key(key_id: str) -> Page:
    found = services().keys.get(key_id)
    if request.method != "POST":
        note_down()
        return _key_page(services().keys.get(key_id), {})
    try:
        name, models, expires_at = _fields(found)
        enabled = bool(request.form.get("enabled"))
        changes: dict[str, Any] = {"name": name, "models": models, "enabled": enabled}
        if expires_at != found.expires_at:
            changes["expires_at"] = expires_at
        act("change a key", partial(services().keys.edit, key_id, **changes), target=key_id, **changes)
    except InvalidRequest as error:
        return _key_page(found, _named(error), _typed()), 400
    flash(f"{name} is saved.")
    return redirect(url_for("admin.key", key_id=key_id))


def _key_page(found: Key, errors: Mapping[str, str], typed: Mapping[str, object] | None = None) -> str:
    return render_template(
        "admin/key.html",
        key=found,
        users=users_of(found.id),
        models=_models(found),
        now=services().clock(),
        errors=errors,
        form=typed,
    )


@blueprint.post("/admin/keys/<key_id>/revoke")
@allow(Who.ADMINISTRATOR)
def revoke_key(key_id: str) -> Page:
    found = services().keys.get(key_id)
    act("revoke a key", partial(services().keys.revoke, key_id), target=key_id)
    flash(f"{found.name} is refused from now on.")
    return redirect(url_for("admin.keys"))

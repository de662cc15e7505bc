"""The administrator's acts as JSON, for scripts (HTTP Basic) and for the pages' own scripts (a session)."""

from dataclasses import asdict
from functools import partial
from typing import Any

from flask import Response, jsonify, request
from msgspec import UNSET, structs

from app.access.keys import Key
from app.admin import descriptions, forms, live, wizard
from app.admin.acts import act
from app.admin.blueprint import blueprint
from app.admin.bodies import ChangeKey, ExtendPrevious, LoginCode, MakeKey, RotateMaster, StartLogin
from app.admin.home import latest, pool_counts, verified
from app.admin.keys import checked_models, rotate_master
from app.admin.uses import note_down, users_of
from app.services import services
from app.web.describe import describe
from app.web.policy import Who, allow


@blueprint.get("/admin/api/status")
@allow(Who.ADMINISTRATOR, script=True)
@describe(descriptions.STATUS)
def api_status() -> Response:
    volume = services().off_loop(services().volume)
    return jsonify(auth=asdict(services().account()), volume=asdict(volume), pool=pool_counts(), serving=_serving())


def _serving() -> dict[str, Any] | None:
    tell = services().serving
    return asdict(tell()) if tell else None


# ---- the CLI's login


@blueprint.get("/admin/api/login")
@allow(Who.ADMINISTRATOR, script=True)
@describe(descriptions.SHOW_LOGIN)
def api_login() -> Response:
    live.seen()
    return jsonify(wizard.told(wizard.status()))


@blueprint.post("/admin/api/login")
@allow(Who.ADMINISTRATOR, script=True)
@describe(descriptions.START_LOGIN)
def api_login_start() -> Response:
    body = forms.body(StartLogin)
    return jsonify(wizard.told(wizard.start(body.method, body.email, force=body.force)))


@blueprint.post("/admin/api/login/code")
@allow(Who.ADMINISTRATOR, script=True)
@describe(descriptions.SEND_CODE)
def api_login_code() -> Response:
    return jsonify(wizard.told(wizard.submit(forms.body(LoginCode).code)))


@blueprint.delete("/admin/api/login")
@allow(Who.ADMINISTRATOR, script=True)
@describe(descriptions.ABANDON_LOGIN)
def api_login_abandon() -> Response:
    return jsonify(wizard.told(wizard.abandon(force=request.args.get("force") == "true")))


@blueprint.delete("/admin/api/credentials")
@allow(Who.CONFIRMED, script=True)
@describe(descriptions.SIGN_OUT)
def api_sign_out_claude() -> tuple[str, int]:
    wizard.sign_claude_out()
    return "", 204


@blueprint.post("/admin/api/credentials/restore")
@allow(Who.CONFIRMED, script=True)
@describe(descriptions.RESTORE)
def api_restore_login() -> tuple[str, int]:
    wizard.restore()
    return "", 204


@blueprint.post("/admin/api/test")
@allow(Who.ADMINISTRATOR, script=True)
@describe(descriptions.TEST)
def api_test() -> Response:
    return jsonify(asdict(services().try_out()))


# ---- the master key


@blueprint.get("/admin/api/master-key")
@allow(Who.ADMINISTRATOR, script=True)
@describe(descriptions.SHOW_MASTER)
def api_master_key() -> Response:
    note_down()
    masters = services().keys.masters()
    users = users_of(masters[1].id, since=masters[0].created_at) if len(masters) > 1 else []
    return jsonify(
        current=_told(masters[0]) if masters else None,
        previous=_told(masters[1]) | {"users": [asdict(use) for use in users]} if len(masters) > 1 else None,
    )


@blueprint.post("/admin/api/master-key/rotate")
@allow(Who.CONFIRMED, script=True)
@describe(descriptions.ROTATE)
def api_rotate() -> Response:
    body = forms.body(RotateMaster)
    repeatable = request.headers.get("Idempotency-Key", "")
    made = rotate_master(body.grace_seconds, repeatable, give_up=body.give_up_previous)
    until = made.previous.expires_at if made.previous else None
    return jsonify(key=made.key, id=made.current.id, previous_valid_until=until)


@blueprint.post("/admin/api/master-key/extend-previous")
@allow(Who.ADMINISTRATOR, script=True)
@describe(descriptions.EXTEND_PREVIOUS)
def api_extend_previous() -> Response:
    until = forms.when(forms.body(ExtendPrevious).until, "until")
    key = act("extend the previous master key", partial(services().keys.extend_previous, until), until=until)
    return jsonify(_told(key))


@blueprint.post("/admin/api/master-key/revoke-previous")
@allow(Who.CONFIRMED, script=True)
@describe(descriptions.REVOKE_PREVIOUS)
def api_revoke_previous() -> Response:
    return jsonify(_told(act("revoke the previous master key", services().keys.revoke_previous)))


# ---- the keys of applications


@blueprint.get("/admin/api/keys")
@allow(Who.ADMINISTRATOR, script=True)
@describe(descriptions.LIST_KEYS)
def api_keys() -> Response:
    return jsonify(keys=[_told(key) for key in services().keys.list(request.args.get("q", ""))])


@blueprint.post("/admin/api/keys")
@allow(Who.ADMINISTRATOR, script=True)
@describe(descriptions.MAKE_KEY)
def api_create_key() -> tuple[Response, int]:
    fields = _fields(forms.body(MakeKey))
    secret, key = act("create a key", partial(services().keys.create, **fields), target=fields["name"])
    return jsonify(_told(key) | {"key": secret}), 201


@blueprint.get("/admin/api/keys/<key_id>")
@allow(Who.ADMINISTRATOR, script=True)
@describe(descriptions.SHOW_KEY)
def api_key(key_id: str) -> Response:
    users = [asdict(use) for use in users_of(key_id)]
    return jsonify(_told(services().keys.get(key_id)) | {"users": users})


@blueprint.patch("/admin/api/keys/<key_id>")
@allow(Who.ADMINISTRATOR, script=True)
@describe(descriptions.CHANGE_KEY)
def api_edit_key(key_id: str) -> Response:
    changes = _fields(forms.body(ChangeKey))
    services().keys.get(key_id)
    return jsonify(
        _told(act("change a key", partial(services().keys.edit, key_id, **changes), target=key_id, **changes))
    )


@blueprint.delete("/admin/api/keys/<key_id>")
@allow(Who.ADMINISTRATOR, script=True)
@describe(descriptions.REVOKE_KEY)
def api_revoke_key(key_id: str) -> Response:
    services().keys.get(key_id)
    return jsonify(_told(act("revoke a key", partial(services().keys.revoke, key_id), target=key_id)))


def _fields(body: MakeKey | ChangeKey) -> dict[str, Any]:
    """Those that were given, as they are kept."""
    given = {name: value for name, value in structs.asdict(body).items() if value is not UNSET}
    if models := given.get("models"):
        checked_models(models)
    if "expires_at" in given:
        end = given["expires_at"]
        given["expires_at"] = None if end in (None, "") else forms.when(end, "expires_at")
    return given


def _told(key: Key) -> dict[str, Any]:
    return asdict(key) | {"state": key.state(services().clock())}


# ---- the audit log


@blueprint.get("/admin/api/audit")
@allow(Who.ADMINISTRATOR, script=True)
@describe(descriptions.LIST_AUDIT)
def api_audit() -> Response:
    limit = request.args.get("limit", default=100, type=int)
    before = request.args.get("before", type=int)
    entries = latest(max(1, min(limit, 1000)), before)
    return jsonify(entries=[asdict(entry) for entry in entries])


@blueprint.get("/admin/api/audit/verify")
@allow(Who.ADMINISTRATOR, script=True)
@describe(descriptions.VERIFY_AUDIT)
def api_verify_audit() -> Response:
    return jsonify(asdict(verified()))

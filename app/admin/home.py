"""The overview, and the audit log."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar, cast

from flask import Response as FlaskResponse
from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from app.access.audit import Audit, Entry, Verification
from app.admin.acts import act
from app.admin.blueprint import blueprint
from app.admin.snippets import curl
from app.admin.uses import note_down
from app.errors import AuditFailed
from app.services import services
from app.web.policy import Who, allow

T = TypeVar("T")
Page = str | Response | tuple[str, int]

_PAGE = 50


def pool_counts() -> dict[str, object]:
    status = services().pool.status()
    warm = cast(dict[str, int], status["warm"])
    return status | {"spare": sum(warm.values())}


@blueprint.get("/")
@allow(Who.ANYONE)
def root() -> Page:
    return redirect(url_for("admin.home" if services().administrators.exists() else "admin.setup"))


@blueprint.get("/admin")
@allow(Who.ADMINISTRATOR)
def home() -> Page:
    if "test" not in services().first_run.completed():
        return redirect(url_for("admin.setup"))
    note_down()
    masters = services().keys.masters()
    account, volume = services().account(), services().off_loop(services().volume)
    return render_template(
        "admin/home.html",
        account=account,
        volume=volume,
        pool=pool_counts(),
        master=masters[0] if masters else None,
        previous=masters[1] if len(masters) > 1 else None,
        key_count=sum(key.revoked_at is None for key in services().keys.list()),
        problems=[*account.problems, *volume.problems],
        snippet=curl(),
    )


@blueprint.get("/admin/audit")
@allow(Who.ADMINISTRATOR)
def audit() -> Page:
    return _audit_page()


@blueprint.post("/admin/audit/verify")
@allow(Who.ADMINISTRATOR)
def verify_audit() -> Page:
    return _audit_page(verified())


def _audit_page(verification: Verification | None = None) -> str:
    before = request.args.get("before", type=int)
    entries = latest(_PAGE + 1, before)
    more = len(entries) > _PAGE
    entries = entries[:_PAGE]
    return render_template(
        "admin/audit.html",
        entries=entries,
        verification=verification,
        before=entries[-1].seq if more else None,
    )


def latest(limit: int, before: int | None) -> list[Entry]:
    """Raises AuditFailed."""
    return _read(partial(services().audit.entries, limit, before))


def verified() -> Verification:
    """Raises AuditFailed."""
    return _read(services().audit.verify)


def _read(do: Callable[[], T]) -> T:
    return services().off_loop(partial(_readable, do))


def _readable(do: Callable[[], T]) -> T:
    try:
        return do()
    except OSError as error:
        raise AuditFailed(
            "The audit log cannot be read. Look at the disk that data_dir is on.", detail=str(error)
        ) from error


def _joined(audit: Audit) -> bytes:
    return b"".join(audit.export())


@blueprint.get("/admin/audit/export")
@allow(Who.CONFIRMED, what="export the audit log")
def export_audit() -> Response:
    lines = act("export the audit log", partial(_readable, partial(_joined, services().audit)))
    return FlaskResponse(
        lines,
        content_type="application/x-ndjson",
        headers={"Content-Disposition": 'attachment; filename="postern-audit.jsonl"'},
    )

"""The first run: a password, Claude, the master key, a test. Each step may be left and taken up again."""

from functools import partial
from typing import Any

from flask import flash, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from app.access.first_run import STEPS, set_up_done
from app.access.strength import SHORTEST_PASSWORD
from app.admin import forms, visit
from app.admin.acts import act
from app.admin.blueprint import blueprint
from app.admin.sign_in import begin_session, check_new_password
from app.admin.wizard import wizard_context
from app.errors import Forbidden, InvalidRequest
from app.services import Trial, services
from app.web.policy import Who, allow

Page = str | Response | tuple[str, int]

_NAMES = ("Password", "Claude", "Master key", "Test", "Done")


@blueprint.get("/setup")
@allow(Who.ANYONE)
def setup() -> Page:
    """What only looks at the one-time link, such as the preview of a messenger, does not use it up: a button does."""
    token = request.args.get("token")
    if services().administrators.exists():
        return _next_step(came_by_link=bool(token))
    if token:
        services().first_run.demand_link(token)
        return _page("password", token=token)
    _demand_claim()
    return _page("password")


@blueprint.post("/setup")
@allow(Who.ANYONE)
def setup_post() -> Page:
    if token := request.form.get("token"):
        return _claim(token)
    if not services().administrators.exists():
        return _choose_password()
    if not visit.current().session:
        raise set_up_done()
    step, action = request.form.get("step", ""), request.form.get("action", "next")
    if step == "test" and action == "test":
        return _page("test", test=services().try_out())
    if step == "key":
        if not request.form.get("stored"):
            return _page("key", errors={"stored": "Store the key first: it is not shown again."}), 400
        act("store the master key", services().keys.forget_plain)
    if step in STEPS:
        act("finish a step of the set-up", partial(services().first_run.complete, step), step=step)
    return redirect(url_for("admin.setup"))


def next_step() -> str:
    """A step that was done or skipped is not shown again. There is an administrator, so the password is set."""
    done = services().first_run.completed() | {"password"}
    if services().login.status().state == "succeeded":
        done |= {"connect"}
    return next((step for step in STEPS if step not in done), "done")


def _next_step(*, came_by_link: bool) -> Page:
    if not visit.current().session:
        if came_by_link:
            raise set_up_done()
        return redirect(url_for("admin.sign_in", next="/setup"))
    return _page(next_step())


def _claim(token: str) -> Page:
    """The browser becomes the one that may choose the password."""
    visit.begin(services().off_loop(services().first_run.claim, token))
    return redirect(url_for("admin.setup"))  # out of the address bar


def _choose_password() -> Page:
    _demand_claim()
    g.actor = "whoever has the set-up link"
    new = forms.secret("password")
    try:
        check_new_password(new)
    except InvalidRequest as error:
        return _page("password", errors={error.param or "password": str(error)}), 400
    set_password = partial(services().administrators.set_password, new, first=True)
    act("choose the password", partial(services().first_run.use, set_password))
    begin_session()
    flash("The password is set, and you are signed in.")
    return redirect(url_for("admin.setup"))


def _demand_claim() -> None:
    """Whoever came by the link, and nobody else (threat 51)."""
    if not services().first_run.claimed_by(visit.current().token):
        raise Forbidden(
            "Open the one-time link that the gateway has written to its log. It is good for 30 minutes and one "
            "browser; a restart of the gateway writes a new one."
        )


def _page(step: str, *, token: str = "", errors: dict[str, str] | None = None, test: Trial | None = None) -> str:
    steps = [{"id": each, "name": name} for each, name in zip(STEPS, _NAMES, strict=True)]
    context: dict[str, Any] = {
        "step": step,
        "steps": steps,
        "token": token,
        "errors": errors or {},
        "test": test,
        "shortest": SHORTEST_PASSWORD,
    }
    if step == "connect":
        context |= wizard_context(return_to=url_for("admin.setup"))
    if step == "key":
        context["master_key"] = services().keys.plain_master()
    if step == "done":
        context["account"] = services().account()
    return render_template("admin/setup.html", **context)

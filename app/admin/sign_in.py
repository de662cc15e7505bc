"""Signing in and out of the administrator's side, the sessions, the password."""

from functools import partial

from flask import Response, flash, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from app.access.sessions import Session
from app.access.strength import SHORTEST_PASSWORD
from app.admin import forms, guard, visit
from app.admin.acts import act, record
from app.admin.blueprint import blueprint
from app.errors import InvalidRequest, TooManyAttempts
from app.services import Services, services
from app.web.policy import Who, allow

Page = str | AnyResponse | tuple[str, int]


@blueprint.get("/admin/sign-in")
@allow(Who.ANYONE)
def sign_in() -> Page:
    if visit.current().session:
        return redirect(forms.local_path(request.args.get("next", "")))
    if not services().administrators.exists():
        return redirect(url_for("admin.setup"))
    return _sign_in_page()


@blueprint.post("/admin/sign-in")
@allow(Who.ANYONE)
def sign_in_post() -> Page:
    password = forms.secret("password")
    try:
        right = guard.password_is_right(password, "sign in")
    except TooManyAttempts as error:
        return Response(_sign_in_page(retry_after=error.retry_after), 429, {"Retry-After": str(error.retry_after)})
    if not right:
        return _sign_in_page(error="That is not the password."), 401
    g.actor = "admin"
    act("sign in", begin_session, on_loop=True)
    # A change of the password ends the sessions that there are: not one that begins just afterwards (threat 53).
    if not services().password_is_right(password):
        end_session_of(visit.current().session)
        visit.end()
        record("sign in", outcome="refused")
        return _sign_in_page(error="The password was changed just now."), 401
    return redirect(forms.local_path(request.form.get("next", "")))


def _sign_in_page(*, error: str = "", retry_after: int | None = None) -> str:
    target = request.values.get("next", "")
    return render_template("admin/sign_in.html", error=error, retry_after=retry_after, next=target)


def begin_session() -> None:
    """Whatever token the browser had stands for nothing afterwards (threat 53)."""
    end_session_of(visit.current().session)
    visit.begin(services().off_loop(services().sessions.open, visit.address(), visit.user_agent()))


def end_session_of(session: Session | None) -> None:
    if session is not None:
        services().off_loop(services().sessions.end, session.id)


@blueprint.post("/admin/sign-out")
@allow(Who.ADMINISTRATOR)
def sign_out() -> Page:
    act("sign out", partial(end_session_of, visit.current().session), on_loop=True)
    visit.end()
    return redirect(url_for("admin.sign_in"))


@blueprint.route("/admin/confirm", methods=["GET", "POST"])
@allow(Who.CONFIRMED, what="go on")
def confirm() -> Page:
    """The guard asks for the password before it comes to this."""
    return redirect(forms.local_path(request.values.get("next", "")))


@blueprint.get("/admin/sessions")
@allow(Who.ADMINISTRATOR)
def sessions() -> Page:
    return _sessions_page({})


def _sessions_page(errors: dict[str, str]) -> str:
    current = visit.current().session
    return render_template(
        "admin/sessions.html",
        sessions=services().sessions.list(),
        current_id=current.id if current else "",
        shortest=SHORTEST_PASSWORD,
        errors=errors,
    )


@blueprint.post("/admin/sessions/end")
@allow(Who.ADMINISTRATOR)
def end_session() -> Page:
    session_id = forms.text("session_id")
    act("end a session", partial(services().sessions.end, session_id), target=session_id)
    flash("The session has ended.")
    return redirect(url_for("admin.sessions"))


@blueprint.post("/admin/sessions/end-others")
@allow(Who.ADMINISTRATOR)
def end_other_sessions() -> Page:
    current = visit.current().session
    act("end the other sessions", partial(services().sessions.end_all, except_id=current.id if current else None))
    flash("Every other session has ended.")
    return redirect(url_for("admin.sessions"))


@blueprint.post("/admin/password")
@allow(Who.ADMINISTRATOR)
def change_password() -> Page:
    """Asks for the present password itself. Every other session ends (threat 53)."""
    new = forms.secret("password")
    try:
        if not guard.password_is_right(forms.secret("current"), "change the password"):
            raise InvalidRequest("That is not the current password.", param="current")
        check_new_password(new)
    except TooManyAttempts as error:
        return Response(_sessions_page({"current": str(error)}), 429, {"Retry-After": str(error.retry_after)})
    except InvalidRequest as error:
        return _sessions_page({error.param or "current": str(error)}), 400
    act("change the password", partial(_change_password, services(), new))
    begin_session()
    flash("The password is changed. Every other session has ended.")
    return redirect(url_for("admin.sessions"))


def check_new_password(new: str) -> None:
    """Raises InvalidRequest that names the field."""
    services().administrators.check_password(new)
    if new != forms.secret("repeat"):
        raise InvalidRequest("The two are not the same.", param="repeat")


def _change_password(running: Services, new: str) -> None:
    running.administrators.set_password(new)
    running.sessions.end_all()

"""The page that signs the CLI in, and what is known of the login and of where it is kept."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import segno
from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from app.admin import forms, visit
from app.admin.acts import act
from app.admin.blueprint import blueprint
from app.admin.snippets import curl
from app.claude.account import Account
from app.claude.login import LoginStatus
from app.claude.login_input import pattern
from app.errors import InvalidRequest, PosternError
from app.services import Trial, services
from app.web.policy import Who, allow

Page = str | Response | tuple[str, int]

METHODS = (
    {
        "id": "claudeai",
        "name": "Claude subscription",
        "suits": "your own use",
        "sentence": "Pro, Max, Team or Enterprise: no cost per request, within the plan's limits. "
        "Anthropic's consumer terms cover your own use, not a service for others.",
    },
    {
        "id": "console",
        "name": "Anthropic Console",
        "suits": "applications, billed by use",
        "sentence": "Signs in to the Console and makes an API key there. Every request is billed to the organisation.",
    },
    {
        "id": "sso",
        "name": "Single sign-on",
        "suits": "organisations",
        "sentence": "For a Team or Enterprise plan whose members sign in through their own company.",
    },
    {
        "id": "token",
        "name": "Long-lived token",
        "suits": "where no browser is",
        "sentence": "Made by 'claude setup-token' on a machine with a browser. Belongs to a subscription and is "
        "valid for a year.",
    },
    {
        "id": "api_key",
        "name": "API key",
        "suits": "applications and services",
        "sentence": "From the Console, billed by use, under Anthropic's commercial terms. The cleanest way to "
        "serve other people.",
    },
)


# States of a login that a success of the wizard's can still be told of.
_ANSWERING = ("connected", "expiring", "limited")


def wizard_context(return_to: str = "") -> dict[str, Any]:
    login = status()
    mine = login.holder == holder()
    if not mine:
        # Another's link and its messages are not this one's business; that it runs, and who holds it, is.
        login = LoginStatus(**{**asdict(login), "url": "", "message": ""})
    return {
        "login": login,
        "methods": METHODS,
        "qr": _qr(login.url),
        "code_pattern": pattern(login.method),
        "holder_is_me": mine,
        "environment_wins": environment_wins(),
        "already": _already() if return_to else None,
        "return_to": return_to,
        "snippet": curl(),
    }


def status() -> LoginStatus:
    """A success of a login that has gone since, or that answers no longer, is none."""
    told = services().login.status()
    over = told.state == "succeeded" and services().account().state not in _ANSWERING
    return LoginStatus(version=told.version) if over else told


def _already() -> Account | None:
    """A login that the set-up may go on with: one that answers, or that nothing is known of yet."""
    account = services().account()
    return account if account.state in (*_ANSWERING, "unknown") else None


def environment_wins() -> str:
    """The operator's variable that the CLI uses whatever is signed in here."""
    source = services().account().source
    return source if source in services().installation.passed else ""


def holder() -> str:
    """Told to another administrator who finds the wizard taken: by which session, and from where that was begun.

    Not from where this request comes: on the way, a phone's address changes.
    """
    session = visit.current().session
    return f"administrator at {session.address} (session {session.id[:6]})" if session else "administrator's script"


def _qr(url: str) -> str:
    """As SVG without styles, for the pages allow none."""
    if not url:
        return ""
    code = segno.make(url, micro=False, error="l")
    return str(code.svg_inline(svgclass=None, lineclass=None, omitsize=True, border=2))


@blueprint.get("/auth")
@allow(Who.ADMINISTRATOR)
def auth() -> Page:
    return _auth_page()


def _auth_page(test: Trial | None = None) -> str:
    return render_template(
        "admin/auth.html",
        account=services().account(),
        volume=services().off_loop(services().volume),
        can_restore=services().watch.can_restore(),
        test=test,
        **wizard_context(),
    )


@blueprint.get("/auth/panel")
@allow(Who.ADMINISTRATOR)
def auth_panel() -> Page:
    return render_template("admin/_wizard.html", **wizard_context(_return_to()))


def _return_to() -> str:
    """Only the set-up has the wizard besides its own page."""
    set_up = url_for("admin.setup")
    return set_up if request.values.get("next") == set_up else ""


@blueprint.post("/auth/start")
@allow(Who.ADMINISTRATOR)
def auth_start() -> Page:
    if not request.form.get("terms"):
        return _back("Tick that Anthropic's terms allow the way that you chose.", "error")
    return _try(lambda: start(request.form.get("method", ""), request.form.get("email", "").strip()))


def start(method: str, email: str = "", *, force: bool = False) -> LoginStatus:
    """Starts a process, which must happen on the loop's own thread: nothing here is put off it."""
    known = [each["id"] for each in METHODS]
    if method not in known:
        raise InvalidRequest(f"method must be one of {', '.join(known)}.", param="method")
    start_it = partial(services().login.start, method, holder(), email=email, force=force)
    return act("start a sign-in", start_it, on_loop=True, method=method)


@blueprint.post("/auth/code")
@allow(Who.ADMINISTRATOR)
def auth_code() -> Page:
    return _try(lambda: submit(forms.secret("code").strip()))


def submit(code: str) -> LoginStatus:
    submit_it = partial(services().login.submit, code, holder())
    return act("send the sign-in's code", submit_it, on_loop=True, method=services().login.status().method)


@blueprint.post("/auth/abandon")
@allow(Who.ADMINISTRATOR)
def auth_abandon() -> Page:
    return _try(lambda: abandon(force=bool(request.form.get("force"))))


def abandon(*, force: bool) -> LoginStatus:
    return act("give a sign-in up", partial(services().login.abandon, holder(), force=force), on_loop=True, force=force)


def _try(do: Callable[[], object], message: str = "") -> Page:
    try:
        do()
    except PosternError as error:
        if error.status >= 500:
            raise
        return _back(str(error), "error")
    return _back(message)


def _back(message: str = "", category: str = "message") -> Page:
    if message:
        flash(message, category)
    return redirect(_return_to() or url_for("admin.auth"))


@blueprint.post("/auth/test")
@allow(Who.ADMINISTRATOR)
def test() -> Page:
    return _auth_page(test=services().try_out())


@blueprint.post("/auth/sign-out")
@allow(Who.CONFIRMED, what="sign Claude out")
def sign_out_claude() -> Page:
    return _try(sign_claude_out, "Claude is signed out. Applications get errors until somebody signs in again.")


def sign_claude_out() -> None:
    act("sign Claude out", services().sign_out, on_loop=True, target=services().account().account)


def restore() -> None:
    act("restore the last good copy of the login", services().watch.restore_copy)
    services().pool.renew()  # a process that met the damaged file goes on without a login


@blueprint.post("/auth/restore")
@allow(Who.CONFIRMED, what="restore the last good copy of the login")
def restore_login() -> Page:
    restore()
    flash("The last good copy is back. Test it now.")
    return redirect(url_for("admin.auth"))


def told(status: LoginStatus) -> Mapping[str, Any]:
    """As JSON: another's link is not shown, nor is it while nobody asks for it."""
    mine = status.holder == holder()
    hidden = {"url": status.url if mine else "", "message": status.message if mine else ""}
    return asdict(status) | hidden | {"mine": mine, "account": services().account().state}

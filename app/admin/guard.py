"""Before every view of the administrator's: the host, the origin, the session or password, the CSRF token."""

import time
from functools import partial

from flask import Response, current_app, g, redirect, render_template, request, url_for
from flask_httpauth import HTTPBasicAuth
from werkzeug.wrappers import Response as AnyResponse

from app.admin import visit
from app.admin.acts import act, record
from app.errors import ConfirmationNeeded, Forbidden, InvalidRequest, NotAdministrator, TooManyAttempts
from app.services import services
from app.web.policy import Policy, Who, policy_of

CONFIRMED_SECONDS = 300.0
_OTHERS_SECONDS = 5.0
_LOOK_SECONDS = 0.1
LARGEST_FORM = 65_536  # bytes; prompts, which may be larger, are not sent here
# Asked for by a page of our own, the same address is asked for with the cookie. It is no template: those give a cookie.
_ONCE_MORE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="0">'
    "<title>Postern</title><h1>One moment</h1></html>"
)
_SAFE = ("GET", "HEAD", "OPTIONS")
# A form that was held up until the password was given: its fields, and the password itself.
PASSWORD_FIELD = "confirm_password"  # noqa: S105  # a field's name

basic = HTTPBasicAuth(realm="Postern")


@basic.verify_password
def _verify(name: str, password: str) -> bool:
    return name == "admin" and password_is_right(password, "run a script")


@basic.error_handler
def _refuse() -> Response:
    raise NotAdministrator("Send the administrator's password by HTTP Basic, with the name 'admin'.")


_demand_basic = basic.login_required(lambda: None)


def check() -> AnyResponse | None:
    policy = policy_of(current_app, request.endpoint)
    if policy is None:
        return None  # no route of ours; the error handler answers
    request.max_content_length = LARGEST_FORM
    if not visit.named_host():
        raise InvalidRequest(
            f"This gateway does not answer to the name {request.host!r}. Add it to the setting trusted_hosts."
        )
    _demand_own_page(policy)
    if visit.by_foreign_link():
        return Response(_ONCE_MORE)
    if policy.script and "Authorization" in request.headers:
        _demand_password()
        return None
    return _by_session(policy)


def _demand_own_page(policy: Policy) -> None:
    """Browsers let every page open a WebSocket anywhere, and tell whose it is (threat 55)."""
    socket = request.url_rule is not None and request.url_rule.websocket
    if socket and "Origin" not in request.headers:
        raise Forbidden("Only the page itself opens this.")
    if socket and (request.headers.get("Sec-WebSocket-Version") != "13" or "Sec-WebSocket-Key" not in request.headers):
        raise InvalidRequest("This is not how a WebSocket is opened.")
    if (socket or policy.script or _is_unsafe()) and not visit.from_this_site():
        raise Forbidden("This request was sent by a page of another site, and was refused.")


def _is_unsafe() -> bool:
    return request.method not in _SAFE


def _demand_password() -> None:
    if any(name.lower().startswith("sec-fetch-") for name, _ in request.headers):
        raise Forbidden("HTTP Basic is for scripts. In a browser, sign in on the page.")
    _demand_json()
    _demand_basic()
    g.actor = "admin (password)"


def _by_session(policy: Policy) -> AnyResponse | None:
    if policy.who is not Who.ANYONE:
        if visit.current().session is None:
            return _ask_to_sign_in(policy)
        g.actor = "admin"
    if _is_unsafe():
        _demand_csrf_token(policy)
    if policy.who is Who.CONFIRMED and not confirmed():
        return _ask_password(policy)
    return None


def _ask_to_sign_in(policy: Policy) -> AnyResponse:
    if policy.script or _is_unsafe():
        raise NotAdministrator("Sign in first.")
    return redirect(url_for("admin.sign_in", next=request.full_path.rstrip("?")))


def confirmed() -> bool:
    session = visit.current().session
    return session is not None and services().clock() - session.confirmed_at < CONFIRMED_SECONDS


def _ask_password(policy: Policy) -> AnyResponse | None:
    """The request waits in a form of its own until the password is there: nothing that was entered is lost."""
    if policy.script:
        raise ConfirmationNeeded("Give the password again: sign in anew, or use HTTP Basic.")
    password = request.form.get(PASSWORD_FIELD) if request.method == "POST" else ""
    if not password:
        return Response(_confirm_page(policy.what))
    try:
        right = password_is_right(password, "confirm the password")
    except TooManyAttempts as error:
        return Response(_confirm_page(policy.what, str(error)), 429, {"Retry-After": str(error.retry_after)})
    if not right:
        return Response(_confirm_page(policy.what, "That is not the password."), 403)
    act("confirm the password", partial(services().sessions.confirm, visit.current().token))
    return None


def _confirm_page(what: str, error: str = "") -> str:
    here = request.full_path.rstrip("?")
    action, fields = url_for("admin.confirm"), [("next", here)]
    if request.method == "POST":
        own = (PASSWORD_FIELD, "csrf_token")
        fields = [pair for pair in request.form.items(multi=True) if pair[0] not in own]
        action = request.root_path + here
    elif request.endpoint == "admin.confirm":
        fields = [("next", request.args.get("next", ""))]
    return render_template(
        "admin/confirm.html", what=what, action=action, fields=fields, password_field=PASSWORD_FIELD, error=error
    )


def password_is_right(password: str, action: str) -> bool:
    """Takes 0.2 s, off the loop. One that is wrong is written to the audit log. Raises TooManyAttempts (threat 52)."""
    _wait_for_others()
    services().throttle.check(visit.address())
    right = services().password_is_right(password)
    if right:
        services().throttle.succeeded(visit.address())
    else:
        services().throttle.failed(visit.address())
        record(action, outcome="refused")
    return right


def _wait_for_others() -> None:
    """A script that begins many calls at once has the right password in all of them: the first ones will tell."""
    deadline = time.monotonic() + _OTHERS_SECONDS
    while services().throttle.is_full(visit.address()) and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)


def _demand_csrf_token(policy: Policy) -> None:
    if policy.script:
        _demand_json()
    sent = request.headers.get("X-CSRF-Token") or request.form.get("csrf_token") or ""
    if not visit.current().accepts(sent):
        raise Forbidden("The form is too old, or was not sent by this page. Open the page again and repeat.")


def _demand_json() -> None:
    has_body = bool(request.content_length) or "Transfer-Encoding" in request.headers
    if _is_unsafe() and has_body and request.mimetype != "application/json":
        raise InvalidRequest("Send the body as application/json.")

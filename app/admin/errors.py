"""Exceptions to pages, and to JSON for scripts."""

import logging

from flask import Response, current_app, jsonify, render_template, request
from werkzeug.exceptions import HTTPException

from app.admin.blueprint import blueprint
from app.errors import PosternError, RequestError
from app.services import services
from app.web.policy import policy_of

log = logging.getLogger(__name__)

_TITLES = {
    400: "That cannot be done like this",
    401: "Sign in first",
    403: "That is not allowed",
    404: "There is nothing here",
    405: "That is not how this address is used",
    408: "That took too long",
    409: "Something else is under way",
    413: "That is too large",
    429: "Too many attempts",
    503: "Not at the moment",
}


@blueprint.errorhandler(PosternError)
def domain_error(error: PosternError) -> Response:
    if not isinstance(error, RequestError):
        log.warning("%s: %s (%s)", error.code or "error", error, error.detail)
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    if error.status == 401 and "Authorization" in request.headers:
        # Only for a script, which sent one: a browser that is told of it opens a window that asks for a password.
        headers["WWW-Authenticate"] = 'Basic realm="Postern", charset="UTF-8"'
    return _answer(error.status, str(error), code=error.code, param=error.param, headers=headers)


@blueprint.errorhandler(HTTPException)
def http_error(error: HTTPException) -> Response:
    status = error.code or 500
    message = f"No page has the address {request.path[:200]}." if status == 404 else error.description or error.name
    headers = {name: value for name, value in error.get_headers() if name == "Allow"}
    return _answer(status, message, headers=headers)


@blueprint.errorhandler(Exception)
def unexpected(error: Exception) -> Response:
    log.exception("unexpected error at %r", request.path[:200])
    return _answer(500, "The gateway made an error. Its log says more.")


def _answer(
    status: int,
    message: str,
    *,
    code: str | None = None,
    param: str | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    policy = policy_of(current_app, request.endpoint)
    if policy is not None and policy.script:
        response = jsonify(error={"message": message, "code": code, "param": param})
    else:
        response = _page(status, message)
    response.status_code = status
    response.headers.update(headers or {})
    return response


def _page(status: int, message: str) -> Response:
    title = _TITLES.get(status, "That did not work")
    try:
        context = {"status": status, "title": title, "message": message, "way_out": _has_overview()}
        return Response(render_template("admin/error.html", **context))
    except Exception:  # what made the error keeps the page from being made, too
        log.exception("no page for the error either")
        return Response(message, mimetype="text/plain")


def _has_overview() -> bool:
    """While there is no administrator, the overview leads to the very error that says what to do."""
    try:
        return services().administrators.exists()
    except PosternError:
        return True

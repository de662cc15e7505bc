"""Exceptions to responses, in the shape of the API that was called."""

import logging
import uuid
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, current_app, g, jsonify, request
from werkzeug.exceptions import HTTPException

from app.errors import PosternError, RequestError, TooLarge, TooSlow, UnknownAddress
from app.protocols import anthropic_answer, openai_answer

log = logging.getLogger(__name__)

# Address -> the shape of errors at it and below. Where none is told it is OpenAI's.
_SHAPES: dict[str, Callable[[PosternError], dict[str, Any]]] = {
    "/v1/messages": lambda error: anthropic_answer.to_error(error, request_id()),
}
_IMPLIED = ("HEAD", "OPTIONS")


def register(app: Flask) -> None:
    """On the application, for a blueprint's handlers miss unknown addresses below its prefix."""
    app.register_error_handler(PosternError, domain_error)
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(Exception, unexpected)
    app.after_request(_tell_request_id)


def request_id() -> str:
    """Of this request; in Anthropic's protocol it is told."""
    name: str = g.setdefault("request_id", f"req_{uuid.uuid4().hex}")
    return name


def _tell_request_id(response: Response) -> Response:
    if "request_id" in g:
        response.headers["request-id"] = request_id()
    return response


def domain_error(error: PosternError) -> Response:
    log_failure(error)
    response = jsonify(_shape()(error))
    response.status_code = error.status
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _shape() -> Callable[[PosternError], dict[str, Any]]:
    path = request.path + "/"
    return next((shape for at, shape in _SHAPES.items() if path.startswith(at + "/")), openai_answer.to_error)


def http_error(error: HTTPException) -> Response:
    """Flask's own: unknown address, wrong method, body too large."""
    response = domain_error(_as_ours(error))
    if allow := dict(error.get_headers()).get("Allow"):
        response.headers["Allow"] = allow
    return response


def unexpected(error: Exception) -> Response:
    log.exception("unexpected error at %s", request.path)
    return domain_error(PosternError("The gateway made an error. Its log says more."))


def log_failure(error: PosternError) -> None:
    if not isinstance(error, RequestError):
        log.warning("%s: %s (%s)", error.code or "error", error, error.detail)


def _as_ours(error: HTTPException) -> PosternError:
    if error.code == 404:
        return UnknownAddress(f"There is nothing at {request.method} {request.path[:200]}.{_what_exists()}")
    if error.code == 408:
        return TooSlow(error.description or error.name)
    if error.code == 413:
        return TooLarge(f"The request is too large: it may have {current_app.config['MAX_CONTENT_LENGTH']} bytes.")
    ours = RequestError(error.description or error.name)
    ours.status = error.code or 500
    return ours


def _what_exists() -> str:
    """Of the API alone: the administrator's side is nobody else's business."""
    hint = " /docs tells what there is." if "docs.page" in current_app.view_functions else ""
    if not request.path.startswith("/v1/"):
        return hint
    rules = [rule for rule in current_app.url_map.iter_rules() if rule.endpoint.startswith("api.")]
    routes = {f"{method} {rule.rule}" for rule in rules for method in rule.methods or () if method not in _IMPLIED}
    return f" There are: {', '.join(sorted(routes)).replace('<', '{').replace('>', '}')}.{hint}"

"""Flask's own cookie, which carries nothing but the messages that the next page shows."""

from flask import Flask, request
from flask.sessions import SecureCookieSessionInterface

_NAME = "postern_messages"


class MessagesCookie(SecureCookieSessionInterface):
    """For this gateway's path only, and over TLS where the page came over TLS."""

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure

    def get_cookie_path(self, app: Flask) -> str:
        return f"{request.root_path}/"


def register(app: Flask, secret_key: bytes) -> None:
    app.config.update(SECRET_KEY=secret_key, SESSION_COOKIE_NAME=_NAME, SESSION_COOKIE_SAMESITE="Strict")
    app.session_interface = MessagesCookie()

"""Who is behind a browser's request: a cookie with a random token, and the session that it may stand for."""

import hashlib
import hmac
import ipaddress
import secrets
from dataclasses import dataclass

from flask import Response, g, request

from app.access.sessions import Session
from app.services import services

_NAME = "postern"
# The prefix binds a cookie to this very host, and browsers accept it over TLS at the root only.
_SECURE_NAME = f"__Host-{_NAME}"


@dataclass(frozen=True)
class Visit:
    """`token` is the cookie's. Before the sign-in it stands for no session, and only carries the CSRF token."""

    token: str
    session: Session | None
    new: bool

    @property
    def csrf_token(self) -> str:
        return hmac.new(services().secret_key, f"csrf:{self.token}".encode(), hashlib.sha256).hexdigest()

    def accepts(self, csrf_token: str) -> bool:
        return hmac.compare_digest(self.csrf_token.encode(), csrf_token.encode("utf-8", "replace"))


def current() -> Visit:
    if "visit" not in g:
        token = request.cookies.get(_cookie_name(), "")
        known = len(token) >= 32
        g.visit = Visit(token, services().sessions.find(token), new=False) if known else _stranger()
    visit: Visit = g.visit
    return visit


def begin(token: str) -> None:
    """A sign-in, or the one-time link: from now on the cookie is this token, and the one before is worth nothing."""
    g.visit = Visit(token, services().sessions.find(token), new=True)


def end() -> None:
    g.visit = _stranger()


def keep(response: Response) -> Response:
    """After the request."""
    visit: Visit | None = g.get("visit")
    refused = request.method == "POST" and not from_this_site()  # whose page may not sign anybody out
    if visit is not None and visit.new and not refused:
        response.set_cookie(
            _cookie_name(),
            visit.token,
            max_age=int(services().sessions.absolute_seconds) if visit.session else None,
            path=_cookie_path(),
            secure=request.is_secure,
            httponly=True,
            samesite="Strict",
        )
    return response


def address() -> str:
    return request.remote_addr or ""


def user_agent() -> str:
    return request.user_agent.string[:300]


def named_host() -> bool:
    """Whether the request names this host in a way that no page of somebody else's can make it (threat 57).

    A public name that is pointed to this machine has a dot, and is none of the operator's.
    """
    host = request.host.rsplit(":", 1)[0] if not request.host.endswith("]") else request.host
    host = host.strip("[]").lower().rstrip(".")
    if not host:
        return False  # it was none, or no name at all
    if "." not in host or host in services().trusted_hosts:
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def from_this_site() -> bool:
    """Not sent by another site's page (threat 54). Browsers say where a request comes from; scripts say nothing."""
    origin = request.headers.get("Origin")
    if origin is not None and origin != request.host_url.rstrip("/"):
        return False
    return request.headers.get("Sec-Fetch-Site", "none") in ("same-origin", "none")


def by_foreign_link() -> bool:
    """Browsers leave the cookie out when another site leads here, whoever is signed in.

    To answer would be to give a new cookie, in the place of the one that is there.
    """
    leads_here = request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"
    return leads_here and not from_this_site() and _cookie_name() not in request.cookies


def _stranger() -> Visit:
    return Visit(secrets.token_urlsafe(32), None, new=True)


def _cookie_name() -> str:
    return _SECURE_NAME if request.is_secure and not request.root_path else _NAME


def _cookie_path() -> str:
    return (request.root_path or "") + "/"

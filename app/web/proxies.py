"""Forwarded headers, believed only when they come from a proxy that the operator named (threat 58)."""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from werkzeug.middleware.proxy_fix import ProxyFix

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_FORWARDED = (
    "HTTP_FORWARDED",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_X_FORWARDED_PREFIX",
    "HTTP_X_REAL_IP",
)


class TrustedProxies:
    """WSGI middleware: the client's own address, scheme, host and path prefix, as a trusted proxy tells them."""

    def __init__(self, app: "WSGIApplication", trusted: Sequence[Network]):
        self._app = app
        # The address is taken by ourselves: with several trusted proxies in a row it is not at a fixed place.
        self._fixed = ProxyFix(app, x_for=0, x_proto=1, x_host=1, x_port=0, x_prefix=1)
        self._networks = trusted

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if not self._trusts(environ.get("REMOTE_ADDR", "")):
            for name in _FORWARDED:
                environ.pop(name, None)
            return self._app(environ, start_response)
        environ["REMOTE_ADDR"] = self._client(environ)
        return self._fixed(environ, start_response)

    def _client(self, environ: "WSGIEnvironment") -> str:
        """The last address that no trusted proxy vouches for further."""
        hops = [hop.strip() for hop in environ.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
        nearest: str = environ["REMOTE_ADDR"]
        for hop in reversed(hops):
            if not self._trusts(nearest):
                break
            if _address(hop) is None:
                break
            nearest = hop
        return nearest

    def _trusts(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in self._networks)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # A socket that listens on both families shows IPv4 clients so.
    return getattr(address, "ipv4_mapped", None) or address

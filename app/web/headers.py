"""What every response tells the browser (threat 56)."""

from flask import Flask, Response, request

# Everything a page uses is served by the gateway itself; nothing is inline.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_ALWAYS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Other sites learn nothing. With "no-referrer" a form of our own would come from the origin "null" (threat 54).
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
# Pages and keys are nobody else's (threat 42); static files and streams say their own.
_NO_STORE = "no-store"
_HSTS = "max-age=31536000"


def register(app: Flask) -> None:
    app.after_request(_add)


def _add(response: Response) -> Response:
    for name, value in _ALWAYS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", _NO_STORE)
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", _HSTS)
    return response

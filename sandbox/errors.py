import json
import secrets
from typing import Any

TYPE_OF_STATUS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
MESSAGE_OF_STATUS = {
    429: "This request would exceed your account's rate limit. Please try again later.",
    500: "Internal server error",
    504: "Request timed out",
    529: "Overloaded",
}


class ApiError(Exception):
    def __init__(
        self, status: int, message: str | None = None, *, kind: str | None = None, headers: dict[str, str] | None = None
    ):
        self.status = status
        self.kind = kind or error_type(status)
        self.message = message or MESSAGE_OF_STATUS.get(status, "The sandbox was told to refuse this request.")
        self.headers = headers or {}
        super().__init__(self.message)


def error_type(status: int) -> str:
    return TYPE_OF_STATUS.get(status, "api_error" if status >= 500 else "invalid_request_error")


def new_id(prefix: str) -> str:
    return f"{prefix}_01{secrets.token_hex(11)}"


def error_body(kind: str, message: str, request_id: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id}


def error_event(kind: str, message: str, request_id: str) -> bytes:
    return b"event: error\ndata: " + json.dumps(error_body(kind, message, request_id)).encode() + b"\n\n"

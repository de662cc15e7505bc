"""The exceptions of the domain. Imports nothing.

    PosternError
    ├── SettingsError                 a setting stops the start; the text names it
    ├── RequestError                  the client's request cannot be served as it is
    │   ├── InvalidRequest            400, names the field
    │   │   └── ContextTooLong        400
    │   ├── Unauthorized              401
    │   ├── NotAdministrator          401 on the administrator's side
    │   ├── Forbidden                 403
    │   │   ├── ConfirmationNeeded    403 until the password is given again
    │   │   ├── ModelNotAllowed       403, for this key
    │   │   └── SetUpLinkRefused      403
    │   ├── UnknownModel              404
    │   ├── UnknownAddress            404
    │   ├── UnknownKey                404
    │   ├── UnknownResponse           404
    │   ├── Conflict                  409, with what is there already
    │   │   ├── SetUpDone             409
    │   │   └── LoginBusy             409, another administrator is signing the CLI in
    │   ├── TooSlow                   408
    │   ├── TooLarge                  413
    │   └── TooManyAttempts           429
    ├── Unavailable                   503, try again later
    │   ├── Crowded                   too many requests at the same time
    │   ├── QueueFull, QueueTimeout, Resting, ShuttingDown
    │   ├── StoreFailed               the gateway's own state cannot be written
    │   ├── AuditFailed               nor the audit log: what an administrator asked for is not done
    │   └── NotSignedIn               503 until an administrator signs in
    ├── UpstreamError                 Anthropic refused or failed
    │   ├── RateLimited               429
    │   ├── Overloaded                503
    │   └── UpstreamFailed            502
    └── CliError                      502, the `claude` process itself failed
        ├── CliCrashed
        ├── CliRefused                our control request
        ├── CliTimeout                504
        └── StreamBroken              after the first byte: the answer cannot be completed

`str(error)` is a plain sentence for the client. `detail` is for the log only. The edge turns `status`, `code` and
`param` into the shape of its protocol; `retry_after` (seconds) becomes the `Retry-After` header.
"""


class PosternError(Exception):
    status = 500
    code: str | None = None

    def __init__(self, message: str, *, detail: str = "", param: str | None = None, retry_after: int | None = None):
        super().__init__(message)
        self.detail = detail
        self.param = param
        self.retry_after = retry_after


class SettingsError(PosternError):
    """A setting is unknown, malformed or unsafe; the message names it and the fix."""


class RequestError(PosternError):
    status = 400


class InvalidRequest(RequestError):
    def __init__(self, message: str, *, param: str | None = None, code: str | None = None, detail: str = ""):
        super().__init__(message, param=param, detail=detail)
        if code:
            self.code = code


class ContextTooLong(InvalidRequest):
    code = "context_length_exceeded"


class Unauthorized(RequestError):
    status = 401
    code = "invalid_api_key"


class NotAdministrator(RequestError):
    status = 401
    code = "not_administrator"


class Forbidden(RequestError):
    status = 403
    code = "forbidden"


class ConfirmationNeeded(Forbidden):
    code = "confirmation_needed"


class ModelNotAllowed(Forbidden):
    code = "model_not_allowed"


class SetUpLinkRefused(Forbidden):
    code = "set_up_link_refused"


class UnknownModel(RequestError):
    status = 404
    code = "model_not_found"


class UnknownAddress(RequestError):
    status = 404
    code = "unknown_url"


class UnknownKey(RequestError):
    status = 404
    code = "key_not_found"


class UnknownResponse(RequestError):
    status = 404
    code = "response_not_found"


class Conflict(RequestError):
    status = 409
    code = "conflict"


class LoginBusy(Conflict):
    code = "login_busy"


class SetUpDone(Conflict):
    code = "set_up_done"


class TooSlow(RequestError):
    status = 408
    code = "request_timeout"


class TooLarge(RequestError):
    status = 413
    code = "request_too_large"


class TooManyAttempts(RequestError):
    status = 429
    code = "too_many_attempts"


class Unavailable(PosternError):
    status = 503
    code = "service_unavailable"


class Crowded(Unavailable):
    code = "too_many_requests"


class QueueFull(Unavailable):
    code = "queue_full"


class QueueTimeout(Unavailable):
    code = "queue_timeout"


class Resting(Unavailable):
    """The breaker is open: the CLI failed again and again, and is given time."""

    code = "cli_unavailable"


class ShuttingDown(Unavailable):
    code = "shutting_down"


class StoreFailed(Unavailable):
    code = "store_failed"


class AuditFailed(Unavailable):
    code = "audit_failed"


class NotSignedIn(Unavailable):
    code = "not_signed_in"


class UpstreamError(PosternError):
    status = 502
    code = "upstream_error"


class RateLimited(UpstreamError):
    status = 429
    code = "rate_limit_exceeded"


class Overloaded(UpstreamError):
    status = 503
    code = "overloaded"


class UpstreamFailed(UpstreamError):
    pass


class CliError(PosternError):
    status = 502
    code = "cli_error"


class CliCrashed(CliError):
    code = "cli_crashed"


class CliRefused(CliError):
    code = "cli_refused"


class CliTimeout(CliError):
    status = 504
    code = "cli_timeout"


class StreamBroken(CliError):
    code = "stream_broken"

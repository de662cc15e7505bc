"""What the operations under /v1 have in common."""

from app.errors import (
    CliCrashed,
    CliRefused,
    CliTimeout,
    ContextTooLong,
    ModelNotAllowed,
    NotSignedIn,
    Overloaded,
    PosternError,
    QueueFull,
    QueueTimeout,
    RateLimited,
    Resting,
    ShuttingDown,
    StreamBroken,
    TooLarge,
    UnknownModel,
    UpstreamFailed,
)

OF_A_MODEL: tuple[type[PosternError], ...] = (ModelNotAllowed, UnknownModel)
OF_A_COMPLETION: tuple[type[PosternError], ...] = (
    *OF_A_MODEL,
    ContextTooLong,
    TooLarge,
    NotSignedIn,
    QueueFull,
    QueueTimeout,
    Resting,
    ShuttingDown,
    RateLimited,
    Overloaded,
    UpstreamFailed,
    CliCrashed,
    CliRefused,
    CliTimeout,
    StreamBroken,
)

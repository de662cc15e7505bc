"""Server-sent events, as https://html.spec.whatwg.org/multipage/server-sent-events.html has them."""

import msgspec

CONTENT_TYPE = "text/event-stream"
# One newline, not two: after two, clients that saw an `id:` earlier dispatch an empty event.
KEEP_ALIVE = b": ping\n"
HEADERS = {
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",  # nginx would hold the stream back
}

encode = msgspec.json.Encoder().encode


def data(value: object) -> bytes:
    return b"data: " + encode(value) + b"\n\n"


def event(name: str, value: object) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + encode(value) + b"\n\n"

"""What the clients' scripts share. A script tries all of its cases and prints what they saw as one line of JSON."""

import base64
import json
import sys
from collections.abc import Callable
from typing import Any

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PNG_BASE64 = base64.b64encode(PNG).decode()
PNG_URL = f"data:image/png;base64,{PNG_BASE64}"
WRONG_KEY = "sk-wrong-0123456789abcdefghij"
WEATHER, TIME = ("get_weather", {"city": "Oslo"}), ("get_time", {"zone": "Europe/Oslo"})

elsewhere: list[str] = []


def observe(*cases: Callable[[], Any]) -> None:
    seen = {case.__name__: attempt(case) for case in cases}
    print(json.dumps({**seen, "elsewhere": elsewhere}))


def attempt(case: Callable[[], Any]) -> Any:
    try:
        return case()
    except Exception as error:
        return {"raised": [kind.__name__ for kind in type(error).__mro__], "message": str(error)}


def script(**behaviour: Any) -> str:
    """A prompt that tells the sandbox how to answer it."""
    return f"go [[sandbox: {json.dumps(behaviour)}]]"


def calling(*calls: tuple[str, dict[str, Any]], **behaviour: Any) -> str:
    return script(tool_use=[{"name": name, "input": given} for name, given in calls], **behaviour)


def _stay_here(event: str, arguments: tuple[Any, ...]) -> None:
    """No client may reach for another machine: neither for telemetry, nor for a list of prices."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    if host not in ("127.0.0.1", b"127.0.0.1", None):
        elsewhere.append(str(host))
        raise OSError(f"{host} is another machine")


sys.addaudithook(_stay_here)

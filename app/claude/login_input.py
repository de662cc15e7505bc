"""What an administrator may paste. Pure."""

import re

from app.errors import InvalidRequest

# No terminal: this, and nothing else, is ever typed (threat 29).
_CODE = re.compile("([A-Za-z0-9_-]{8,1024})#([A-Za-z0-9_-]{8,1024})")
_SECRETS = {
    "token": (
        re.compile("sk-ant-oat[0-9]{2}-[A-Za-z0-9_-]{16,500}"),
        "a token of `claude setup-token`",
        "sk-ant-oat01-",
    ),
    "api_key": (re.compile("sk-ant-api[0-9]{2}-[A-Za-z0-9_-]{16,500}"), "an API key", "sk-ant-api03-"),
}

OTHER_ATTEMPT = "This code is from another sign-in attempt. Open the link that is shown now, and paste its code."
MALFORMED = (
    "This is not the whole code. Copy all of it: letters, digits, - and _, with a # in the middle, and nothing else."
)


def pattern(method: str) -> str:
    """The shape of what is pasted, for a browser to check as it is typed."""
    shape = _SECRETS[method][0] if method in _SECRETS else _CODE
    return shape.pattern


def checked(text: str, method: str, state: str) -> str:
    """What may be typed or stored. `state` is the link's, if it tells it.

    Raises InvalidRequest, which does not repeat what was pasted.
    """
    text = text.strip(" \t\r\n")
    if method in _SECRETS:
        shape, what, beginning = _SECRETS[method]
        if not shape.fullmatch(text):
            raise InvalidRequest(f"This is not {what}: one begins with {beginning} and has no spaces.", param="code")
        return text
    code = _CODE.fullmatch(text)
    if not code:
        raise InvalidRequest(MALFORMED, param="code")
    if state and code[2] != state:
        raise InvalidRequest(OTHER_ATTEMPT, param="code")
    return text

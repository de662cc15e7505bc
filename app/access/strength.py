"""What is too easy to guess (threat 49)."""

from app.access import key_format
from app.errors import InvalidRequest, SettingsError

SHORTEST_KEY = 20
SHORTEST_SECRET = 32
SHORTEST_PASSWORD = 10
_LONGEST_PASSWORD = 1000
_FEWEST_DIFFERENT_LETTERS = 5
_FEWEST_OWN_LETTERS = 5
_LOOKALIKES = str.maketrans("@0134$57", "aoieasst")
# The longest first.
_COMMON = (
    *("administrator", "1234567890", "0123456789", "qwertyuiop", "123456789", "987654321", "asdfghjkl", "changeit"),
    *("changeme", "password", "passwort", "12345678", "trustno1", "football", "baseball", "sunshine", "princess"),
    *("iloveyou", "superman", "letmein", "welcome", "gateway", "postern", "default", "example", "1234567", "zxcvbnm"),
    *("dragon", "monkey", "master", "qwerty", "qwertz", "secret", "shadow", "claude", "change", "please", "123456"),
    *("admin", "hello", "login", "guest", "12345", "54321", "abcde", "test", "root", "pass", "user", "1234", "abcd"),
)
_FEWEST_DIFFERENT = 8
_KNOWN_EXAMPLES = ("1234", "changeme", "change-me", "example", "password", "your-key", "xxxx", "secret-key")


def checked_master_key(key: str, source: str) -> str:
    """A configured master key. Raises SettingsError, which does not repeat it."""
    if not key.startswith(key_format.PREFIX):
        raise SettingsError(f"{source}: the master key must begin with {key_format.PREFIX!r}.")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise SettingsError(f"{source}: the master key must be of printable ASCII characters, without spaces.")
    secret = key.removeprefix(key_format.PREFIX)
    if len(key) < SHORTEST_KEY or _is_weak(secret):
        raise SettingsError(
            f"{source}: the master key is too easy to guess. Use at least {SHORTEST_KEY} characters, for example "
            f"the output of: python3 -c \"import secrets; print('sk-' + secrets.token_urlsafe(32))\""
        )
    _check_form(key, source)
    return key


def _is_weak(secret: str) -> bool:
    known = any(secret.lower().startswith(example) for example in _KNOWN_EXAMPLES)
    return known or len(set(secret)) < _FEWEST_DIFFERENT


def _check_form(key: str, source: str) -> None:
    try:
        key_format.key_id(key)
    except key_format.MistypedError:
        raise SettingsError(f"{source}: the master key is mistyped or cut off: its checksum is wrong.") from None
    if key_format.kind_of(key) == "application":
        raise SettingsError(f"{source}: this is the key of an application, and cannot be the master key.")


def checked_secret(text: str, source: str) -> str:
    """Raises SettingsError, which does not repeat it."""
    if len(text) < SHORTEST_SECRET or _is_weak(text):
        raise SettingsError(
            f"{source}: the secret key is too easy to guess. Use at least {SHORTEST_SECRET} characters, for example "
            f'the output of: python3 -c "import secrets; print(secrets.token_hex(32))"'
        )
    return text


def checked_password(password: str) -> str:
    """Raises InvalidRequest, which does not repeat it."""
    if len(password) < SHORTEST_PASSWORD:
        raise InvalidRequest(f"The password needs {SHORTEST_PASSWORD} characters or more.", param="password")
    if len(password) > _LONGEST_PASSWORD:
        raise InvalidRequest(f"The password may have {_LONGEST_PASSWORD} characters.", param="password")
    if len(set(password)) < _FEWEST_DIFFERENT_LETTERS or _is_common(password):
        raise InvalidRequest("The password is too easy to guess. Take several words.", param="password")
    return password


def _is_common(password: str) -> bool:
    """Nothing but well-known words and runs, with the little that people put around them."""
    plain = password.lower()
    return any(_own_letters(text) < _FEWEST_OWN_LETTERS for text in (plain, plain.translate(_LOOKALIKES)))


def _own_letters(text: str) -> int:
    for word in _COMMON:
        text = text.replace(word, "")
    return sum(letter.isalnum() for letter in text)

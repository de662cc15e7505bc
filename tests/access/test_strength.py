import pytest

from app.access import key_format
from app.access.strength import checked_master_key, checked_password, checked_secret
from app.errors import InvalidRequest, SettingsError

KEY = "sk-A1b2C3d4E5f6G7h8I9j0"
MADE = key_format.make("master", bytes(range(64)))


@pytest.mark.parametrize(
    "key", [KEY, MADE, "sk-" + "aB3-_9xYqZ" * 2, "sk-proj-0123456789abcdef", "sk-~!@#$%^&*()_+{}|:"]
)
def test_a_good_key_is_taken(key: str):
    assert checked_master_key(key, "here") == key


# threat 49
@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("", "begin with 'sk-'"),
        ("A1b2C3d4E5f6G7h8I9j0K1", "begin with 'sk-'"),
        ("SK-A1b2C3d4E5f6G7h8I9j0", "begin with 'sk-'"),
        (" " + KEY, "begin with 'sk-'"),
        ("sk-A1b2C3d4 E5f6G7h8I9j0", "printable ASCII"),
        ("sk-A1b2C3d4\nE5f6G7h8I9j0", "printable ASCII"),
        ("sk-A1b2C3d4E5f6G7h8I9jö", "printable ASCII"),
        ("sk-", "too easy"),
        ("sk-1234", "too easy"),
        ("sk-A1b2C3d4E5f6G7h8", "too easy"),
        ("sk-aaaaaaaaaaaaaaaaaaaaaaaa", "too easy"),
        ("sk-abcabcabcabcabcabcabcabc", "too easy"),
        ("sk-1234567890abcdefghij", "too easy"),
        ("sk-changeme-changeme-0123", "too easy"),
        ("sk-ChangeMe0123456789abcdef", "too easy"),
        ("sk-your-key-goes-here-0123", "too easy"),
        ("sk-xxxxxxxx0123456789abcdef", "too easy"),
        (MADE[:-1], "mistyped or cut off"),
        (MADE[:-1] + "-", "mistyped or cut off"),
        (key_format.make("application"), "of an application"),
    ],
)
def test_a_weak_or_malformed_key_is_refused_with_its_source_and_without_itself(key: str, said: str):
    with pytest.raises(SettingsError, match=said) as refused:
        checked_master_key(key, "GATEWAY_MASTER_KEY")
    assert str(refused.value).startswith("GATEWAY_MASTER_KEY: ")
    assert len(key) < 8 or key.strip() not in str(refused.value)


# threat 49
@pytest.mark.parametrize("text", ["", "a" * 31, "a" * 64, "0123456" * 9, "changeme" + "0123456789abcdef" * 2])
def test_a_weak_secret_is_refused_without_itself(text: str):
    with pytest.raises(SettingsError, match="GATEWAY_SECRET_KEY: the secret key is too easy to guess") as refused:
        checked_secret(text, "GATEWAY_SECRET_KEY")
    assert not text or text not in str(refused.value)


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "Tr0ub4dor&3x",
        "seven wet horses",
        "сорок тысяч обезьян",
        "密码密码很长很长很长啊",
        "x7#Kp2!vQz",
    ],
)
def test_a_good_password_is_taken(password: str):
    assert checked_password(password) == password


# threat 49
@pytest.mark.parametrize(
    "password",
    [
        *("", "short", "nine char", "x" * 1001),
        *("aaaaaaaaaaaa", "abababababab", "          ", "1234567890", "12345678901234567890"),
        *("changeme123", "ChangeMe!!!", "password2024", "P@ssw0rd2024!", "admin-admin-admin", "Administrator1"),
        *("qwertyuiop12", "letmein-please", "Postern-Gateway-1", "claude-admin-12"),
    ],
)
def test_a_weak_password_is_refused_without_itself(password: str):
    with pytest.raises(InvalidRequest) as refused:
        checked_password(password)
    assert refused.value.param == "password"
    assert not password.strip() or password not in str(refused.value)

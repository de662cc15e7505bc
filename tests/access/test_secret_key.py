import stat
from pathlib import Path

import pytest

from app.access.secret_key import load_secret_key
from app.errors import SettingsError

SECRET = "0123456789abcdef" * 2


# threat 49
def test_it_is_made_once_for_its_owner_alone(tmp_path: Path):
    first = load_secret_key("", tmp_path)
    file = tmp_path / "secret-key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_secret_key("", tmp_path) == first
    assert len(first) == 32
    assert first.hex() not in file.read_text()


def test_every_installation_has_another_one(tmp_path: Path):
    (tmp_path / "other").mkdir()
    assert load_secret_key("", tmp_path) != load_secret_key("", tmp_path / "other")


def test_a_configured_one_is_taken_and_leaves_no_file(tmp_path: Path):
    assert load_secret_key(SECRET, tmp_path) == load_secret_key(SECRET, tmp_path)
    assert list(tmp_path.iterdir()) == []


# threat 34
@pytest.mark.parametrize("content", [b"", b"\n", b"ab" * 5, b"\0" * 64, b"\xff" * 64])
def test_a_damaged_one_stops_the_start_and_is_left_alone(content: bytes, tmp_path: Path):
    (tmp_path / "secret-key").write_bytes(content)
    with pytest.raises(SettingsError, match="secret-key"):
        load_secret_key("", tmp_path)
    assert (tmp_path / "secret-key").read_bytes() == content


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path):
    with pytest.raises(SettingsError, match="/none/secret-key can be neither read nor made"):
        load_secret_key("", tmp_path / "none")

"""The secret that is this installation's own: what it has sealed or derived, nobody else can."""

import hashlib
import secrets
from pathlib import Path

from app.access.strength import checked_secret
from app.errors import SettingsError
from app.store.files import write_atomically


def load_secret_key(configured: str, data_dir: Path) -> bytes:
    """32 bytes: of the configured text, else of the one kept in `data_dir`, which the first start makes. Blocks.

    Raises SettingsError.
    """
    path = data_dir / "secret-key"
    if configured:
        text = checked_secret(configured, "GATEWAY_SECRET_KEY")
    else:
        try:
            text = checked_secret(path.read_text("ascii").strip() if path.exists() else _make(path), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"The secret key {path} can be neither read nor made: {error}") from error
    return hashlib.sha256(text.encode()).digest()


def _make(path: Path) -> str:
    text = secrets.token_hex(32)
    write_atomically(path, text.encode("ascii") + b"\n")
    return text

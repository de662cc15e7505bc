"""Files as the CLI writes them at a sign-in: recorded from 2.1.330 and 2.1.197, with tokens that are none."""

import json
from pathlib import Path
from typing import Any

DAY = 86_400.0
ACCOUNT = "71d146cf-4014-58de-a264-3edcf6d360f6"
EMAIL = "someone@sandbox.example"
_NEW = ("refreshTokenExpiresAt", "subscriptionTypeSource", "accountUuid", "organizationUuid")


def login(now: float, version: str = "2.1.330", **changes: Any) -> dict[str, Any]:
    members = {
        "accessToken": "oat-not-a-token",
        "refreshToken": "ort-not-a-token",
        "expiresAt": int((now + 8 * 3600) * 1000),
        "refreshTokenExpiresAt": int((now + 30 * DAY) * 1000),
        "scopes": ["user:profile", "user:inference", "user:sessions:claude_code"],
        "subscriptionType": "max",
        "subscriptionTypeSource": "sign_in",
        "rateLimitTier": "default_claude_max_5x",
        "accountUuid": ACCOUNT,
        "organizationUuid": "37383b29-dfad-5131-bb3f-138b5ed3b797",
    }
    if version == "2.1.197":
        members = {name: value for name, value in members.items() if name not in _NEW}
    return members | changes


def text(now: float, version: str = "2.1.330", **changes: Any) -> bytes:
    return json.dumps({"claudeAiOauth": login(now, version, **changes)}).encode()


def write_login(config_dir: Path, content: bytes, mode: int = 0o600) -> Path:
    """As the CLI does: another file in its place."""
    file = config_dir / ".credentials.json"
    new = config_dir / "new"
    new.write_bytes(content)
    new.chmod(mode)
    new.replace(file)
    return file


def write_account(config_dir: Path, account_id: str = ACCOUNT, **changes: Any) -> None:
    account = {
        "accountUuid": account_id,
        "emailAddress": EMAIL,
        "organizationUuid": "37383b29-dfad-5131-bb3f-138b5ed3b797",
        "displayName": "Sandbox",
        "organizationName": f"{EMAIL}'s Organization",
    }
    (config_dir / ".claude.json").write_text(json.dumps({"machineID": "0", "oauthAccount": account | changes}))


def forget_account(config_dir: Path) -> None:
    """As `claude auth logout` leaves it."""
    (config_dir / ".claude.json").write_text(json.dumps({"machineID": "0"}))

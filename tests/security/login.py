"""A login as `claude auth login` leaves it, without the terminal."""

import base64
import hashlib
import json
import re
import secrets
import time
from pathlib import Path

import httpx

from tests.support.sandbox import Sandbox

CLIENT = {
    "client_id": "9d1c250a-e61b-44d9-88ed-5944d1962f5e",
    "redirect_uri": "https://platform.claude.com/oauth/code/callback",
}


def sign_in(sandbox: Sandbox, config_dir: Path) -> str:
    """Writes the credential file; returns the refresh token, which only the token endpoint may ever see."""
    verifier, state = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {"response_type": "code", "scope": "user:inference user:profile", "state": state}
    pkce = {"code_challenge": challenge, "code_challenge_method": "S256"}
    page = httpx.post(
        f"{sandbox.api}/cai/oauth/authorize",
        params=CLIENT | asked | pkce,
        data={"decision": "authorise"},
        trust_env=False,
    )
    code = re.search(rf"([\w-]+)#{re.escape(state)}", page.text)[1]
    given = {"grant_type": "authorization_code", "code": code, "state": state, "code_verifier": verifier}
    token = sandbox.call("POST", "/v1/oauth/token", CLIENT | given)
    login = {
        "accessToken": token["access_token"],
        "refreshToken": token["refresh_token"],
        "expiresAt": int((time.time() + token["expires_in"]) * 1000),
        "scopes": token["scope"].split(),
        "subscriptionType": "max",
    }
    config_dir.mkdir(parents=True, exist_ok=True)
    (config_dir / ".credentials.json").write_text(json.dumps({"claudeAiOauth": login}))
    return token["refresh_token"]

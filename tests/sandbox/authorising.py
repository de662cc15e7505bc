"""Links to the page of Anthropic's OAuth flow."""

import base64
import hashlib
from urllib.parse import urlencode

VERIFIER = "a-verifier-of-this-test"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
CLIENT = "9d1c250a-e61b-44d9-88ed-5944d1962f5e"
MANUAL = "https://platform.claude.com/oauth/code/callback"
SCOPES = "org:create_api_key user:profile user:inference"


def link(place: str = "https://claude.com/cai/oauth/authorize", **changes: str) -> str:
    query = {
        "code": "true",
        "client_id": CLIENT,
        "response_type": "code",
        "redirect_uri": MANUAL,
        "scope": SCOPES,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "state": "the-state",
    }
    return f"{place}?{urlencode(query | changes)}"

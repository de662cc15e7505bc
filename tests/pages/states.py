"""Every page of the administrator's side in every state, from made-up data."""

import time
from types import SimpleNamespace as Thing
from typing import Any

import segno

from app.claude.login import PUT_BACK, REFUSED, untried
from app.claude.login_input import pattern
from app.ops import reading
from app.web.openapi import document
from tests.support.described import application

NOW = time.time()
HOUR, DAY = 3600.0, 86400.0
EVIL = "<svg onload=alert(1)> {{7*7}} “Buchhaltung”"
LONG = "the-nightly-invoice-classifier-of-the-second-warehouse-in-Recklinghausen-Süd-(do-not-touch)"
AGENT = "OpenAI/Python 3.54.0 (Linux 6.1; x86_64) " + "padding/" * 12
LINK = (
    "https://claude.ai/oauth/authorize?code=true&client_id=9d1c250a-e61b-44d9-88ed-5944d1962f5e&response_type=code"
    "&redirect_uri=https%3A%2F%2Fplatform.claude.com%2Foauth%2Fcode%2Fcallback&scope=org%3Acreate_api_key"
    "&code_challenge=Vv3b1yZ0mJ0b5l7oUe1nZ6c3u8Qq2x4w9s0d1f2g3h4&code_challenge_method=S256&state=abcDEF0123456789"
)
MASTER_KEY = "sk-pm-7Qd2mX9kVt3Zr8Lw5Yc1Hn6Bf4Gs0JpEaTuRxOiKvMzWqDy2"
CURL = (
    "curl -N http://127.0.0.1:4000/v1/chat/completions \\\n  -H 'Authorization: Bearer sk-…' \\\n"
    "  -H 'Content-Type: application/json' \\\n"
    '  -d \'{"model": "sonnet", "messages": [{"role": "user", "content": "What is a postern?"}]}\''
)
PYTHON = (
    'from openai import OpenAI\n\nclient = OpenAI(base_url="http://127.0.0.1:4000/v1", api_key="sk-…")\n'
    'question = [{"role": "user", "content": "What is a postern?"}]\n'
    'print(client.chat.completions.create(model="sonnet", messages=question).choices[0].message.content)'
)
SNIPPETS = [
    Thing(id=id, name=name, language=language, text=PYTHON if language == "python" else CURL)
    for id, name, language in [
        ("curl", "curl", "sh"),
        ("python", "Python", "python"),
        ("javascript", "JavaScript", "js"),
        ("langchain", "LangChain", "python"),
        ("open-webui", "Open WebUI", "text"),
    ]
]
METHODS = [
    Thing(id=id, name=name, suits=suits, sentence=sentence)
    for id, name, suits, sentence in [
        (
            "claudeai",
            "Claude subscription",
            "one's own use",
            "Pro, Max, Team or Enterprise. Usage counts against the plan.",
        ),
        (
            "console",
            "Anthropic Console",
            "applications and services",
            "Billed by use through the API. Made for programs.",
        ),
        ("sso", "Single sign-on", "organisations", "The sign-in page of your organisation, found by your e-mail."),
        ("token", "Long-lived token", "where no browser is", "Paste what claude setup-token made elsewhere. A year."),
        ("api_key", "API key", "applications and services", "Paste a key of the Console. Never expires by itself."),
    ]
]
MODELS = ["sonnet", "opus", "haiku", "default", "claude-sonnet-5-5", "claude-3-5-haiku-20240307"]
LEVELS = [
    Thing(
        code="not_persistent",
        severity="error",
        message="The login lives in the container's own layer. It is gone with the next `docker compose down`.",
        fix="services:\n  gateway:\n    volumes:\n      - claude-auth:/var/lib/claude-auth\nvolumes:\n  claude-auth:",
    ),
    Thing(
        code="mode",
        severity="warning",
        message="Others can read the credentials file.",
        fix="chmod 600 /data/claude/.credentials.json",
    ),
]


def account(state: str, **changes: Any) -> Thing:
    known = {
        "method": "subscription",
        "account": "owner@example.com",
        "plan": "Max",
        "access_expires_at": NOW + 5 * HOUR + 90,
        "login_expires_at": NOW + 24 * DAY,
        "last_refresh_at": NOW - 2 * HOUR,
        "last_success_at": NOW - 95,
        "last_failure": "",
        "problems": (),
    }
    return Thing(**{"state": state, **known, **changes})


SIGNED_OUT = account(
    "signed_out",
    method="",
    account="",
    plan="",
    access_expires_at=None,
    login_expires_at=None,
    last_refresh_at=None,
    last_success_at=None,
)
BY_VARIABLE = account("unknown", method="api_key", account="", plan="", last_success_at=None)
FAILING = account("failing", last_failure="Anthropic refused the token (401).", account=EVIL, problems=(LEVELS[1],))


def volume(**changes: Any) -> Thing:
    known = {
        "path": "/data/claude",
        "mounted": True,
        "persistent": True,
        "kind": "ext4",
        "device": "/dev/mapper/vg0-docker_volumes_claude_auth",
        "writable": True,
        "owner": "postern (10001)",
        "mode": "0700",
        "free_bytes": 48_300_000_000,
        "free_inodes": 3_120_554,
        "network": False,
        "problems": (),
    }
    return Thing(**{**known, **changes})


LOST = volume(mounted=False, persistent=False, kind="overlay", device="", problems=tuple(LEVELS))


def login(state: str, **changes: Any) -> Thing:
    known = {"method": "claudeai", "url": "", "message": "", "holder": "admin", "started_at": NOW, "version": 1}
    known["overruled_by"] = ""
    known["asks_again"] = state == "awaiting_code" and "message" in changes
    return Thing(**{"state": state, **known, "deadline": NOW + 570, **changes})


def key(name: str, state: str = "live", **changes: Any) -> Thing:
    known = {
        "id": "k7Qd2mX9",
        "kind": "application",
        "name": name,
        "created_at": NOW - 40 * DAY,
        "expires_at": None,
        "models": None,
        "enabled": state != "disabled",
        "revoked_at": NOW - DAY if state == "revoked" else None,
        "last_used_at": NOW - 400,
        "state": lambda now: state,
    }
    return Thing(**{**known, **changes})


MASTER = key("Master key", kind="master", id="m2Hn6Bf4", created_at=NOW - 3 * HOUR)
PREVIOUS = key("Master key", kind="master", id="m0Old777", expires_at=NOW + 21 * HOUR)
KEYS = [
    key("Open WebUI"),
    key(EVIL, models=("sonnet", "haiku"), expires_at=NOW + 12 * DAY, id="k8"),
    key(LONG, "disabled", last_used_at=None, id="k9"),
    key("Translation of the handbook", "expired", expires_at=NOW - DAY, id="k10"),
    key("Old script", "revoked", id="k11"),
]
USERS = [
    Thing(address="192.168.178.24", user_agent=AGENT, last_seen_at=NOW - 30, count=18_204),
    Thing(address="2001:db8:85a3:8d3:1319:8a2e:370:7348", user_agent=EVIL, last_seen_at=NOW - 2 * HOUR, count=1),
]
SESSIONS = [
    Thing(id=str(number), created_at=NOW - DAY, last_seen_at=NOW - 60 * number, expires_at=NOW + DAY, **who)
    for number, who in enumerate(
        [
            {"address": "192.168.178.24", "user_agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/150"},
            {"address": "2001:db8:85a3:8d3:1319:8a2e:370:7348", "user_agent": EVIL},
        ]
    )
]
ENTRIES = [
    Thing(at=NOW - 90 * number, actor="admin", address="192.168.178.24", **what)
    for number, what in enumerate(
        [
            {
                "action": "master key rotated",
                "target": "m2Hn6Bf4",
                "outcome": "begun",
                "facts": {"grace_seconds": 86400},
            },
            {"action": "key created", "target": EVIL, "outcome": "begun", "facts": {}},
            {"action": "signed in", "target": "", "outcome": "refused", "facts": {"reason": "wrong password"}},
            {"action": "login started", "target": LONG, "outcome": "begun", "facts": {"method": "claudeai"}},
        ]
    )
]
STEPS = [
    Thing(id=id, name=name)
    for id, name in [
        ("password", "Password"),
        ("connect", "Claude"),
        ("key", "Master key"),
        ("test", "Test"),
        ("done", "Done"),
    ]
]
POOL = Thing(spare=2, busy=1, starting=1, kept=2, resident=900 << 20, most=8, waiting=0)


def wizard(status: Thing, **changes: Any) -> dict[str, Any]:
    link = segno.make(status.url).svg_inline(omitsize=True) if status.url else ""
    known = {"login": status, "methods": METHODS, "qr": link, "holder_is_me": True, "environment_wins": ""}
    known["already"] = None
    return {**known, "snippet": CURL, "code_pattern": pattern(status.method), **changes}


def auth(status: Thing, **changes: Any) -> tuple[str, dict[str, Any]]:
    known = {"account": account("connected"), "volume": volume(), "can_restore": False}
    return "auth", {**known, **wizard(status), **changes}


def setup(step: str, **changes: Any) -> tuple[str, dict[str, Any]]:
    return "setup", {
        "step": step,
        "steps": STEPS,
        "errors": {},
        "token": "",
        "shortest": 10,
        "signed_in": step != "password",
        **changes,
    }


def home(**changes: Any) -> tuple[str, dict[str, Any]]:
    known = {"account": account("connected"), "volume": volume(), "pool": POOL, "master": MASTER, "previous": None}
    return "home", {**known, "key_count": 5, "problems": [], "snippet": CURL, **changes}


def keys(**changes: Any) -> tuple[str, dict[str, Any]]:
    known = {"master": MASTER, "in_file": False, "previous": None, "users": [], "keys": KEYS, "q": "", "models": MODELS}
    return "keys", {**known, "idempotency_key": "x1", **changes}


ANSWERED = Thing(
    ok=True, text="A postern is a small gate in a wall, beside or behind the main one.", seconds=2.14, message=""
)
FAILED = Thing(ok=False, text="", seconds=0.8, message="Anthropic refused the login (401). Sign in again.")
IDLE = login("idle", version=0, method="", holder="", deadline=None, started_at=None)
AWAITING = login("awaiting_code", url=LINK)
AWAITING_AGAIN = login(
    "awaiting_code", url=LINK, message="That was not the whole code. It has two parts, joined by a #."
)
GONE = Thing(ok=False, count=40, broken_at=17, reason="Its seal does not fit.")

DOCS = {"prefix": "", **reading.page(document(application()), "https://gateway.example.com")}

# Name -> template and what it is given.
PAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "setup-link": setup("password", token="x1"),
    "setup-password": setup("password"),
    "setup-password-refused": setup("password", errors={"password": "Too short: 9 of 12.", "repeat": "They differ."}),
    "setup-connect": setup("connect", **wizard(IDLE, return_to="/setup")),
    "setup-connect-already": setup("connect", **wizard(IDLE, return_to="/setup", already=account("connected"))),
    "setup-connect-unknown": setup(
        "connect",
        **wizard(IDLE, return_to="/setup", already=BY_VARIABLE, environment_wins="ANTHROPIC_API_KEY"),
    ),
    "setup-connect-awaiting": setup("connect", **wizard(AWAITING, return_to="/setup")),
    "setup-connect-succeeded": setup("connect", **wizard(login("succeeded"), return_to="/setup")),
    "setup-key": setup("key", master_key=MASTER_KEY),
    "setup-key-environment": setup("key", master_key=None),
    "setup-test": setup("test", test=None),
    "setup-test-answered": setup("test", test=ANSWERED),
    "setup-test-failed": setup("test", test=FAILED),
    "setup-done": setup("done", account=account("connected")),
    "setup-done-unknown": setup("done", account=account("unknown")),
    "setup-done-signed-out": setup("done", account=SIGNED_OUT),
    "setup-done-failing": setup("done", account=FAILING),
    "sign-in": ("sign_in", {"signed_in": False, "error": "", "retry_after": None, "next": "/auth"}),
    "sign-in-refused": ("sign_in", {"signed_in": False, "error": "That is not it.", "retry_after": 95, "next": ""}),
    "confirm": (
        "confirm",
        {
            "what": "rotate the master key",
            "action": "/admin/keys/master/rotate",
            "fields": [("grace", "86400")],
            "password_field": "confirm_password",
            "error": "That is not it.",
        },
    ),
    "home": home(previous=PREVIOUS),
    "home-new": home(account=SIGNED_OUT, key_count=0, problems=LEVELS[:1], volume=LOST),
    "auth-idle": auth(IDLE, account=SIGNED_OUT, environment_wins="ANTHROPIC_API_KEY"),
    "auth-starting": auth(login("starting")),
    "auth-awaiting": auth(AWAITING),
    "auth-awaiting-again": auth(AWAITING_AGAIN, volume=LOST),
    "auth-token": auth(login("awaiting_code", method="token"), account=account("expiring")),
    "auth-api-key": auth(login("awaiting_code", method="api_key", message="That is no API key.")),
    "auth-held": auth(AWAITING, holder_is_me=False, account=account("limited")),
    "auth-held-over": auth(login("expired", holder="console"), holder_is_me=False),
    "auth-verifying": auth(login("verifying"), account=account("unknown", last_success_at=None)),
    "auth-succeeded": auth(login("succeeded", deadline=None), test=ANSWERED),
    "auth-refused": auth(login("refused", message="Couldn't log in: the code was used before."), account=FAILING),
    "auth-failed": auth(login("failed", message="The CLI ended without a word."), can_restore=True, test=FAILED),
    "auth-overruled": auth(
        login("failed", message=untried("ANTHROPIC_API_KEY"), overruled_by="ANTHROPIC_API_KEY"),
        account=BY_VARIABLE,
        environment_wins="ANTHROPIC_API_KEY",
    ),
    "auth-refused-key": auth(login("refused", method="api_key", message=f"{REFUSED['api_key']} {PUT_BACK}")),
    "auth-expired": auth(login("expired"), account=account("expired")),
    "keys": keys(),
    "keys-in-file": keys(in_file=True),
    "keys-rotated": keys(previous=PREVIOUS, users=USERS),
    "keys-rotated-quiet": keys(previous=PREVIOUS, errors={"grace": "Choose a time in the future."}),
    "keys-empty": keys(keys=[]),
    "keys-nothing-found": keys(keys=[], q=EVIL),
    "key": ("key", {"key": KEYS[1], "models": MODELS, "users": USERS}),
    "key-revoked": ("key", {"key": KEYS[4], "models": MODELS, "users": []}),
    "key-created": ("key_created", {"key": KEYS[1], "secret": MASTER_KEY, "snippets": SNIPPETS}),
    "key-rotated": (
        "key_created",
        {"key": MASTER, "secret": MASTER_KEY, "snippets": SNIPPETS, "previous": PREVIOUS},
    ),
    "audit": ("audit", {"entries": ENTRIES, "verification": Thing(ok=True, count=4), "before": 17}),
    "audit-broken": ("audit", {"entries": [], "verification": GONE, "before": None}),
    "sessions": ("sessions", {"sessions": SESSIONS, "current_id": "0", "shortest": 10}),
    "error": (
        "error",
        {
            "status": 503,
            "title": "The audit cannot be written",
            "message": "So nothing was changed.",
            "way_out": True,
        },
    ),
    "docs": ("docs/page", DOCS),
    "error-outside": (
        "error",
        {"status": 404, "title": "Nothing is here", "message": "No such page.", "signed_in": False, "way_out": True},
    ),
    "error-before-set-up": (
        "error",
        {
            "status": 403,
            "title": "That is not allowed",
            "message": "Open the one-time link that the gateway has written to its log.",
            "signed_in": False,
            "way_out": False,
        },
    ),
}

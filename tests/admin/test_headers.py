"""What every response tells the browser, by which names the gateway is asked, and texts of others on its pages."""

import html
import re
from collections.abc import Iterator

import httpx
import pytest

from tests.admin.routes import ROUTES
from tests.support import stub_claude
from tests.support.admin import Admin, stored, text_of
from tests.support.gateway import Gateway
from tests.support.sandbox import ROOT

ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
LOOKS = [route for route in ROUTES if route.method == "GET" and not route.socket]


def is_protected(answer: httpx.Response) -> None:
    told = {name: answer.headers.get(name) for name in ALWAYS}
    assert told == ALWAYS, answer.url
    assert answer.headers.get_list("content-security-policy") == [POLICY]
    assert answer.headers.get("cache-control"), answer.url
    assert "strict-transport-security" not in answer.headers
    assert not [name for name in answer.headers if name.startswith("access-control-")]


def everything(admin: Admin) -> Iterator[httpx.Response]:
    made = admin.script("POST", "/admin/api/keys", {"name": "for every route"}).json()["key"]
    key = {"Authorization": f"Bearer {made}"}
    for headers in ({}, {"Origin": "https://evil.example"}):
        for route in LOOKS:
            yield admin.client.get(route.path, headers=headers)
        for path in (
            "/static/base.css",
            "/static/nothing",
            "/nothing",
            "/admin/nothing",
            "/v1/nothing",
            "/health/live",
        ):
            yield admin.client.get(path, headers=headers)
            yield admin.client.get(path, headers={**headers, "Accept": "text/html"})
        for method, path in (
            ("GET", "/admin/password"),
            ("PUT", "/admin"),
            ("POST", "/health/live"),
            ("OPTIONS", "/admin"),
        ):
            yield admin.client.request(method, path, headers={**headers, "Accept": "text/html"})
        for method in ("GET", "OPTIONS"):
            yield admin.client.request(method, "/v1/models", headers={**headers, **key})
        yield admin.client.get("/v1/models", headers=headers)
        body = {"model": "sonnet", "stream": True, "messages": [{"role": "user", "content": stub_claude.prompt("")}]}
        yield admin.client.post("/v1/chat/completions", json=body, headers={**headers, **key})


def test_every_response_carries_the_headers(admin: Admin, stranger: Admin):  # threats 56, 63
    seen = set()
    for answer in (*everything(admin), *everything(stranger)):
        is_protected(answer)
        seen.add(answer.status_code)
    assert {200, 302, 401, 403, 404, 405} <= seen


def test_pages_are_kept_by_nobody(admin: Admin):  # threat 42
    for route in LOOKS:
        assert admin.client.get(route.path).headers["cache-control"] == "no-store"


def test_nothing_on_a_page_is_inline_or_from_elsewhere(admin: Admin):  # threat 56
    pages = [admin.client.get(route.path) for route in LOOKS]
    pages = [page for page in pages if page.headers.get("content-type", "").startswith("text/html")]
    assert len(pages) >= 8
    for page in pages:
        assert not re.findall(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", page.text), page.url
        assert not re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"(?!/static/)", page.text), page.url


def test_a_person_gets_pages_and_a_program_json(admin: Admin):
    person = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}
    page = admin.client.get("/nothing/<svg onload=alert(1)>", headers=person)
    assert page.status_code == 404
    assert "<h1>There is nothing here</h1>" in page.text
    assert "<svg onload" not in page.text
    wrong = admin.client.get("/admin/password", headers=person)  # the address bar after a form was refused
    assert (wrong.status_code, set(wrong.headers["allow"].split(", "))) == (405, {"OPTIONS", "POST"})
    assert "<h1>" in wrong.text
    for path in ("/nothing", "/v1/nothing"):
        assert admin.client.get(path).json()["error"]["code"] == "unknown_url"
    assert admin.client.get("/v1/nothing", headers=person).json()["error"]["code"] == "unknown_url"


UNREADABLE = "The gateway's database cannot be read."


def test_an_error_of_our_own_is_a_page_that_tells_nothing(gateway: Gateway, admin: Admin):  # threat 56
    stored(gateway, "ALTER TABLE keys RENAME TO mislaid")
    try:
        page, data = admin.client.get("/admin/keys"), admin.client.get("/admin/api/keys")
    finally:
        stored(gateway, "ALTER TABLE mislaid RENAME TO keys")
    for answer in (page, data):
        assert answer.status_code == 503
        is_protected(answer)
        assert UNREADABLE in html.unescape(answer.text)
        assert "mislaid" not in answer.text
        assert "no such table" not in answer.text
    assert "<h1>" in page.text
    assert "error" in data.json()
    assert admin.client.get("/admin/keys").status_code == 200


def test_an_error_that_spoils_its_page_too_is_told_in_one_sentence(gateway: Gateway, admin: Admin):
    stored(gateway, "ALTER TABLE sessions RENAME TO mislaid")
    try:
        answer = admin.client.get("/admin/keys")
    finally:
        stored(gateway, "ALTER TABLE mislaid RENAME TO sessions")
    assert answer.status_code == 503
    is_protected(answer)
    assert answer.text == UNREADABLE


# ---- the name in the address


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:4000",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "127.1",
        "0x7f.1",
        "evil.example.",
        "user@evil.example",
        "[::1].evil.example",
        "a.b:c",
    ],
)
def test_a_name_that_anybody_could_point_here_is_refused(admin: Admin, host: str):  # threat 57
    for path in ("/", "/admin", "/admin/sign-in", "/admin/api/status", "/setup", "/auth"):
        assert admin.client.get(path, headers={"Host": host}).status_code == 400, path
    token = {"csrf_token": admin.csrf_token, "password": "x"}
    assert admin.client.post("/admin/sign-in", data=token, headers={"Host": host}).status_code == 400


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:4000", "127.0.0.1", "192.168.1.5:80", "[::1]:4000", "postern", "LOCALHOST", "127.0.0.1."],
)
def test_addresses_and_names_without_a_dot_are_ours(admin: Admin, host: str):  # threat 57
    assert admin.client.get("/admin/sign-in", headers={"Host": host}).status_code == 302


def test_applications_may_use_any_name(gateway: Gateway, admin: Admin):  # threat 57
    key = admin.call("POST", "/admin/api/keys", {"name": "from anywhere"}).json()["key"]
    headers = {"Authorization": f"Bearer {key}", "Host": "evil.example"}
    assert httpx.get(f"{gateway.url}/v1/models", headers=headers, trust_env=False).status_code == 200
    assert httpx.get(f"{gateway.url}/health/live", headers=headers, trust_env=False).status_code == 200


# ---- texts of others

EVIL = (
    '<svg onload="alert(1)">',
    "{{7*7}}{% raw %}",
    "</textarea><script>alert(1)</script>",
    "javascript:alert(1)",
    "${7*7}`",
)


@pytest.mark.parametrize("text", EVIL)
def test_what_others_named_is_text_on_every_page(gateway: Gateway, admin: Admin, text: str):  # threat 59
    created = admin.post("/admin/keys", name=text)
    key_id = stored(gateway, "SELECT id FROM keys WHERE name = ?", text)[0][0]
    row = (key_id, text, text, 1.0, 1)
    stored(gateway, "INSERT INTO key_uses (key_id, address, user_agent, last_seen_at, count) VALUES (?,?,?,?,?)", *row)
    pages = [
        created,
        admin.get(f"/admin/keys/{key_id}"),
        admin.get("/admin/keys"),
        admin.get("/admin/keys", params={"q": text}),
        admin.get("/admin/audit"),
        admin.post(f"/admin/keys/{key_id}", name="\x00" + text, expires=text, models=text),
        admin.post("/admin/keys", name=text, models=text),
        admin.get("/admin/keys", params={"q": "nothing " + text}),
        admin.post(f"/admin/keys/{key_id}/revoke"),
    ]
    admin.post("/admin/sign-out")
    pages.append(admin.get("/admin/sign-in", params={"next": text}))
    for page in pages:
        assert "<svg onload" not in page.text, page.url
        assert "<script>alert" not in page.text, page.url
        assert not re.search(r'(?:href|action)="javascript:', page.text), page.url
    assert text in text_of(pages[0].text)
    assert text in text_of(pages[1].text)


def test_templates_are_files_and_escape_everything():  # threat 59
    sources = "\n".join(path.read_text() for path in (ROOT / "app").rglob("*.py"))
    assert "render_template_string" not in sources
    assert "from_string" not in sources
    templates = {path.name: path.read_text() for path in (ROOT / "app/templates").rglob("*") if path.is_file()}
    assert all(name.endswith(".html") for name in templates)  # which is what Flask escapes
    safe = {name: re.findall(r"[\w.]+\s*\|\s*safe\b", text) for name, text in templates.items()}
    assert {name: found for name, found in safe.items() if found} == {"_wizard.html": ["qr | safe"]}
    assert not [name for name, text in templates.items() if "autoescape" in text]


def test_the_log_cannot_be_forged(gateway: Gateway, admin: Admin):  # threat 62
    stored(gateway, "ALTER TABLE keys RENAME TO mislaid")
    try:
        admin.client.get("/admin/keys/x%0aFORGED%1b%5b31m", headers={"User-Agent": "x" * 8000})
    finally:
        stored(gateway, "ALTER TABLE mislaid RENAME TO keys")
    log = gateway.log.read_text()
    assert not re.search(r"^FORGED", log, re.MULTILINE)
    assert "\x1b" not in log

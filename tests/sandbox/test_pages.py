import pytest

from tests.sandbox.authorising import CHALLENGE, link
from tests.sandbox.client import ask, send
from tests.support.login import authorise
from tests.support.sandbox import Sandbox

EVIL = "<script>alert('1')</script>"
LOCAL = "/cai/oauth/authorize?"


def path_of(shown: str) -> str:
    return shown[shown.index("/", len("https://")) :]


@pytest.mark.parametrize(
    "path",
    [
        "/sandbox",
        path_of(link()),
        path_of(link("https://platform.claude.com/oauth/authorize")),
        f"/oauth/authorize?O{CHALLENGE}",
        "/oauth/code/callback?code=a&state=b",
        "/oauth/code/success?app=claude-code",
    ],
)
def test_every_page_says_what_it_is_and_loads_nothing(sandbox: Sandbox, path: str):
    answer = send(sandbox, "GET", path)
    assert answer.status_code == 200
    assert "This is the Postern sandbox, not Anthropic." in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert not any(loading in answer.text for loading in ("src=", "href=", "@import", "url("))


def test_the_answers_to_the_form_say_it_too(sandbox: Sandbox):
    assert "not Anthropic" in authorise(sandbox, link()).text
    denied = authorise(sandbox, link(), decision="deny").text
    assert "not Anthropic" in denied
    assert "Access denied" in denied
    assert "<textarea" not in denied


def test_the_consent_page_shows_scopes_and_fills_the_email_in(sandbox: Sandbox):
    page = send(sandbox, "GET", path_of(link(login_hint="me@firm.example", login_method="sso"))).text
    assert "<code>user:inference</code>" in page
    assert "value='me@firm.example'" in page
    assert "single sign-on" in page
    assert "Authorise</button>" in page
    assert "Deny</button>" in page


def test_nothing_of_a_request_becomes_html(sandbox: Sandbox):
    pages = [
        send(sandbox, "GET", path_of(link(login_hint=f"'>{EVIL}", scope=EVIL))).text,
        send(sandbox, "GET", f"/oauth/code/callback?code={EVIL}&state={EVIL}").text,
    ]
    send(sandbox, "GET", f"/api/{EVIL}", headers={"Host": "<b>x"})
    pages.append(send(sandbox, "GET", "/sandbox").text)
    assert not any("<script" in page or "<b>x" in page or "'>&lt;" in page for page in pages)
    assert "&lt;script&gt;" in pages[0]


def test_the_overview_lists_the_last_requests_newest_first(sandbox: Sandbox):
    assert "Nothing yet" in send(sandbox, "GET", "/sandbox").text
    for _ in range(60):
        send(sandbox, "GET", "/api/event")
    ask(sandbox)
    page = send(sandbox, "GET", "/sandbox").text
    assert page.count("<tr><td>") == 50
    assert page.index("POST /v1/messages") < page.index("GET /api/event")

"""Behind a reverse proxy: TLS, a path prefix, the client's own address."""

import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.support.admin import ENVIRON, PASSWORD, Admin, administrator, audited, stubbed_gateway
from tests.support.gateway import Gateway

NAME = "gateway.example.com"
TLS = {"x-forwarded-proto": "https", "x-forwarded-host": NAME, "x-forwarded-for": "203.0.113.9"}


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    environ = {**ENVIRON, "GATEWAY_TRUSTED_PROXIES": "127.0.0.1", "GATEWAY_TRUSTED_HOSTS": NAME.title()}
    with stubbed_gateway(tmp_path_factory.mktemp("behind"), environ=environ) as running:
        yield running


def signed_in(gateway: Gateway, headers: dict[str, str]) -> httpx.Response:
    with administrator(gateway, **headers) as browser:
        page = browser.get("/admin/sign-in")
        cookie = page.headers["set-cookie"].split(";")[0]
        return browser.client.post(
            "/admin/sign-in",
            data={"csrf_token": browser.csrf_token, "password": PASSWORD},
            headers={"Cookie": cookie, "Origin": f"https://{NAME}", "Sec-Fetch-Site": "same-origin"},
        )


def test_over_tls_the_cookie_is_bound_to_this_host(behind: Gateway):  # threats 53, 56, 58
    answer = signed_in(behind, TLS)
    assert answer.status_code == 302
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    name, *flags = answer.headers["set-cookie"].split("; ")
    assert name.startswith("__Host-postern=")
    assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(flags)
    assert not [flag for flag in flags if flag.startswith("Domain")]
    assert audited(behind)[-1]["address"] == "203.0.113.9"


def test_under_a_prefix_everything_stays_under_it(behind: Gateway):
    headers = {**TLS, "x-forwarded-prefix": "/claude"}
    answer = signed_in(behind, headers)
    assert answer.headers["location"] == "/claude/admin"
    name, *flags = answer.headers["set-cookie"].split("; ")
    assert name.startswith("postern=")
    assert {"Secure", "Path=/claude/"} <= set(flags)
    with administrator(behind, **headers, Cookie=name) as browser:
        page = browser.get("/auth").text
        assert 'data-live="wss://gateway.example.com/claude/auth/live"' in page
        assert 'action="/claude/admin/sign-out"' in page
        assert 'href="/admin' not in page
        out = browser.client.post("/admin/sessions/end-others", data={"csrf_token": browser.csrf_token})
        assert out.headers["location"] == "/claude/admin/sessions"
        messages = [cookie for cookie in out.headers.get_list("set-cookie") if cookie.startswith("postern_messages")]
        assert {"Secure", "HttpOnly", "Path=/claude/"} <= set(messages[0].split("; "))


def test_only_the_name_that_was_given_is_answered_to(behind: Gateway):  # threats 57, 58
    for name, status in ((NAME, 200), (NAME.upper() + ".", 200), ("evil.example", 400), (f"{NAME}, evil.example", 400)):
        answer = httpx.get(f"{behind.url}/admin/sign-in", headers={**TLS, "x-forwarded-host": name}, trust_env=False)
        assert answer.status_code == status, name


def test_the_origin_is_the_one_that_the_proxy_tells(behind: Gateway):  # threats 54, 58
    with administrator(behind, **TLS) as browser:
        for origin in (f"http://{NAME}", "https://evil.example", behind.url):
            answer = browser.client.post("/admin/sign-in", headers={"Origin": origin})
            assert "another site" in answer.text, origin


def test_guesses_count_for_the_client_and_not_for_the_proxy(behind: Gateway):  # threats 52, 58
    def guess(client: str, password: str = "guess") -> int:  # noqa: S107  # no secret
        headers = {"X-Forwarded-For": client}
        answer = httpx.get(
            f"{behind.url}/admin/api/login", auth=("admin", password), headers=headers, trust_env=False, timeout=30
        )
        return answer.status_code

    assert [guess("198.51.100.7") for _ in range(6)] == [401] * 5 + [429]
    assert guess(f"198.51.100.7, {'203.0.113.50'}", PASSWORD) == 200
    assert guess("203.0.113.50, 198.51.100.7", PASSWORD) == 429  # what the client put before it counts for nothing


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X_Forwarded_For", "Forwarded", "X-Real-IP", "X-Client-IP"])
def test_nobody_else_says_who_he_is(gateway: Gateway, name: str):  # threat 58
    value = "for=203.0.113.66" if name == "Forwarded" else "203.0.113.66"
    admin = Admin(gateway)
    request = (
        f"DELETE /admin/api/login HTTP/1.1\r\nHost: 127.0.0.1:{gateway.port}\r\n{name}: {value}\r\n"
        f"Authorization: {httpx.BasicAuth('admin', PASSWORD)._auth_header}\r\nConnection: close\r\n\r\n"
    )
    admin.client.close()
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as raw:
        raw.sendall(request.encode())
        answer = b"".join(iter(lambda: raw.recv(4096), b""))
    if answer.startswith(b"HTTP/1.1 200"):
        assert audited(gateway)[-1]["address"] == "127.0.0.1"
    else:  # gunicorn may refuse what could be confused
        assert answer.startswith(b"HTTP/1.1 400")


def test_nobody_else_says_that_it_is_tls(gateway: Gateway):  # threat 58
    answer = httpx.get(f"{gateway.url}/admin/sign-in", headers={**TLS, "x-forwarded-prefix": "/x"}, trust_env=False)
    assert answer.status_code == 200
    assert "strict-transport-security" not in answer.headers
    assert answer.headers["set-cookie"].startswith("postern=")
    assert 'action="/admin/sign-in"' in answer.text

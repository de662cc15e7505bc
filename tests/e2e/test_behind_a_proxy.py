"""The administrator's side behind nginx with TLS: under a path prefix, and where no WebSocket passes."""

import re
import time
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from app.admin.live import COMES_BACK_SECONDS
from tests.e2e import walk
from tests.e2e.stage import running_stage
from tests.support import nginx
from tests.support.admin import ENVIRON, Admin
from tests.support.browser import someone
from tests.support.gateway import Gateway
from tests.support.hands import Mouse
from tests.support.nginx import PREFIX, Nginx, running_nginx
from tests.support.processes import wait_until
from tests.support.sandbox import Sandbox

HAND = Mouse()

pytestmark = pytest.mark.skipif(not nginx.PROGRAM, reason="nginx is not installed")


@pytest.fixture(scope="module")
def gateway(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("behind")
    with running_stage(sandbox, folder, environ=ENVIRON | {"GATEWAY_TRUSTED_PROXIES": "127.0.0.1"}) as running:
        yield running


@pytest.fixture(scope="module")
def proxy(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with running_nginx(gateway, tmp_path_factory.mktemp("nginx")) as running:
        yield running


@pytest.fixture
def visitor(browser: Browser) -> Iterator[BrowserContext]:
    with someone(browser, ignore_https_errors=True) as context:
        yield context


def cookie_of(context: BrowserContext) -> dict[str, object]:
    (cookie,) = [cookie for cookie in context.cookies() if "postern" in cookie["name"]]
    return dict(cookie)


def sockets_of(page: Page) -> list[str]:
    opened: list[str] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda _: opened.append(socket.url)))
    return opened


def test_under_a_prefix_with_sockets(visitor: BrowserContext, proxy: Nginx):  # threats 53, 55, 58
    page = visitor.new_page()
    heard = sockets_of(page)
    walk.sign_in(page, proxy.under_prefix)
    cookie = cookie_of(visitor)
    assert {name: cookie[name] for name in ("name", "path", "secure", "httpOnly", "sameSite")} == {
        "name": "postern",
        "path": f"{PREFIX}/",
        "secure": True,
        "httpOnly": True,
        "sameSite": "Strict",
    }
    page.goto(f"{proxy.under_prefix}/auth")
    walk.connect(page, visitor, HAND)
    assert {url.split("?")[0] for url in heard} == {proxy.under_prefix.replace("https", "wss") + "/auth/live"}
    follow_every_link(page, proxy.under_prefix)


def follow_every_link(page: Page, base: str) -> None:
    page.goto(f"{base}/admin")
    for name in ("Overview", "Claude", "Keys", "Audit", "Account"):
        page.get_by_role("navigation").get_by_role("link", name=name).click()
        expect(page.get_by_role("navigation").get_by_role("link", name=name)).to_have_attribute("aria-current", "page")
        assert page.url.startswith(f"{base}/")
    walk.button(page, "Sign out").click()
    walk.title(page, "Sign in")
    assert page.url.startswith(f"{base}/admin/sign-in")


def test_where_no_socket_passes_the_page_asks(browser: Browser, proxy: Nginx):  # threat 53
    context = browser.new_context(ignore_https_errors=True)  # it complains of the socket, rightly
    page = context.new_page()
    heard = sockets_of(page)
    walk.sign_in(page, proxy.at_root)
    cookie = cookie_of(context)
    assert (cookie["name"], cookie["path"], cookie["secure"]) == ("__Host-postern", "/", True)
    page.goto(f"{proxy.at_root}/auth")
    again = page.get_by_role("button", name="Sign in again, another way")
    if again.is_visible():
        again.click()
    walk.connect(page, context, HAND)
    assert heard == []
    context.close()


def test_where_no_socket_passes_a_page_that_is_closed_takes_its_sign_in_along(
    browser: Browser, gateway: Gateway, proxy: Nginx
):  # threat 38
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    walk.sign_in(page, proxy.at_root)
    page.goto(f"{proxy.at_root}/auth")
    again = page.get_by_role("button", name="Sign in again, another way")
    if again.is_visible():
        again.click()
    walk.start(page, HAND)
    walk.state(page, "awaiting_code")
    page.reload()  # and comes back
    expect(page.get_by_role("heading", name="Sign in at Anthropic and paste the code")).to_be_visible()
    time.sleep(COMES_BACK_SECONDS + 1)
    script = Admin(gateway)

    def state():
        return script.script("GET", "/admin/api/login").json()["state"]

    assert state() == "awaiting_code"
    page.goto(f"{proxy.at_root}/admin")
    wait_until(lambda: state() == "idle", COMES_BACK_SECONDS + 5, "the sign-in is given up")
    context.close()


def test_a_proxys_headers_and_what_the_audit_log_tells(gateway: Gateway, proxy: Nginx):  # threats 56, 57, 58
    with httpx.Client(verify=False, trust_env=False) as client:  # noqa: S501  # its own certificate
        answer = client.get(f"{proxy.under_prefix}/admin/sign-in", headers={"X-Forwarded-For": "9.9.9.9"})
        assert answer.headers["Strict-Transport-Security"]
        assert re.findall(r'(?:href|src|action)="(/[^"]*)"', answer.text)
        assert {
            link
            for link in re.findall(r'(?:href|src|action)="(/[^"]*)"', answer.text)
            if not link.startswith(f"{PREFIX}/")
        } == set()
        evil = client.get(f"{proxy.under_prefix}/admin/sign-in", headers={"Host": "evil.example"})
        assert evil.status_code == 400

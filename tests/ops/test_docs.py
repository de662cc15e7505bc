"""The page of the API in a real browser, before a gateway over a stub of the CLI."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.admin import ENVIRON, PASSWORD, Admin, administrator, stubbed_gateway, text_of
from tests.support.browser import running_browser, someone
from tests.support.gateway import MASTER_KEY, Gateway
from tests.support.look import look
from tests.support.openapi import Document
from tests.support.stub_claude import prompt

EVERYWHERE = "JSON.stringify([location.href, localStorage, sessionStorage, document.cookie, history.state])"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, stub: Gateway) -> Iterator[Page]:
    with someone(browser) as reader:
        page = reader.new_page()
        page.goto(f"{stub.url}/docs")
        yield page


@pytest.fixture
def key(admin: Admin) -> str:
    return str(admin.script("POST", "/admin/api/keys", {"name": "of a reader"}).json()["key"])


def trial(page: Page, path: str) -> Locator:
    """Unfolded."""
    form = page.locator(f"form[data-path='{path}']")
    if not form.is_visible():
        page.locator("summary", has=page.get_by_text(path, exact=True)).first.click()
    return form


def ask(form: Locator, content: str) -> None:
    body = form.get_by_label("Body")
    body.fill(body.input_value().replace("What is a postern?", content.replace('"', '\\"')))
    form.get_by_role("button", name="Send").click()


def test_the_page_is_open_to_all(page: Page):
    look(page)


def test_each_operation_and_schema_of_the_document_is_shown(page: Page, document: Document):
    for method, path, operation in document.operations():
        shown = page.locator(f"details:has(> #{operation['operationId']}) > summary")
        assert text_of(shown.inner_html()).split()[:2] == [method, path]
    for name in document.told["components"]["schemas"]:
        assert page.locator(f"[id='schema-{name}']").count() == 1
    for link in page.locator("main a[href^='#']").all():
        assert page.locator(f"[id='{link.get_attribute('href')[1:]}']").count() == 1


def test_a_stream_is_shown_as_it_comes_and_can_be_stopped(page: Page, key: str):
    form = trial(page, "/v1/chat/completions")
    form.get_by_label("Your key").fill(key)
    ask(form, prompt("drip"))
    answer = form.get_by_role("region", name="The answer")
    expect(answer).to_contain_text('"content":"drop "')
    expect(form.get_by_role("status")).to_have_text("Asking…")
    form.get_by_role("button", name="Stop").click()
    expect(form.get_by_role("status")).to_have_text("Stopped.")
    expect(form.get_by_role("button", name="Stop")).to_be_hidden()


def test_a_whole_answer_is_shown_with_its_status(page: Page, key: str):
    form = trial(page, "/v1/chat/completions")
    form.get_by_label("Example").select_option("Whole")
    form.get_by_label("Your key").fill(key)
    form.get_by_role("button", name="Send").click()
    expect(form.get_by_role("status")).to_have_text(re.compile(r"200 OK in \d+\.\d s"))
    expect(form.get_by_role("region", name="The answer")).to_contain_text('"content": "one two three four"')


def test_the_key_is_given_once_and_is_nowhere_but_on_the_page(page: Page, key: str):
    trial(page, "/v1/chat/completions").get_by_label("Your key").fill(key)
    form = trial(page, "/v1/models/{name}")
    expect(form.get_by_label("Your key")).to_have_value(key)
    form.get_by_label("name").fill("opus")
    form.get_by_role("button", name="Send").click()
    expect(form.get_by_role("region", name="The answer")).to_contain_text('"id": "opus"')
    assert key not in page.evaluate(EVERYWHERE)
    page.reload()
    expect(page.get_by_label("Your key").first).to_have_value("")


def test_an_error_is_shown_like_any_answer(page: Page):
    form = trial(page, "/v1/models")
    form.get_by_label("Your key").fill("sk-wrong")
    form.get_by_role("button", name="Send").click()
    expect(form.get_by_role("status")).to_contain_text("401")
    expect(form.get_by_role("region", name="The answer")).to_contain_text('"code": "invalid_api_key"')
    form.get_by_label("Your key").fill("sk-ключ")  # what no header can hold
    form.get_by_role("button", name="Send").click()
    expect(form.get_by_role("status")).to_contain_text("It could not be sent")


def test_what_comes_back_is_text_and_nothing_else(page: Page):
    evil = "<img src=x onerror=alert(1)><svg onload=alert(1)>"
    page.route("**/v1/models", lambda route: route.fulfill(body=evil, content_type="text/html"))
    form = trial(page, "/v1/models")
    form.get_by_label("Your key").fill("sk-some")
    form.get_by_role("button", name="Send").click()
    expect(form.get_by_role("region", name="The answer")).to_have_text(evil)
    assert form.locator("img").count() == 0


def test_a_link_to_what_is_folded_away_unfolds_it(page: Page, stub: Gateway):
    page.get_by_role("link", name="UserMessage").first.click()
    expect(page.get_by_role("cell", name="role required").locator("visible=true").first).to_be_visible()
    page.goto(f"{stub.url}/docs#admin_api_rotate")
    expect(page.locator("#admin_api_rotate")).to_be_visible()


def test_behind_a_prefix_the_page_leads_there(tmp_path: Path):
    with stubbed_gateway(tmp_path, environ={"GATEWAY_TRUSTED_PROXIES": "127.0.0.1"}) as gateway:
        for prefix in ("/claude", ""):
            headers = {"X-Forwarded-Prefix": prefix, "X-Forwarded-Host": "gateway.example.com"}
            page = httpx.get(f"{gateway.url}/docs", headers=headers, trust_env=False).text
            assert f'href="{prefix}/openapi.json"' in page
            assert f'data-path="{prefix}/v1/chat/completions"' in page
            assert f"curl -N http://gateway.example.com{prefix}/v1/chat/completions" in page
            assert "postern.invalid" not in page


def test_the_page_tells_nothing_of_this_installation(stub: Gateway):  # threat 64
    answer = httpx.get(f"{stub.url}/docs", trust_env=False).raise_for_status()
    assert "set-cookie" not in answer.headers
    for secret in (MASTER_KEY, str(stub.data_dir), "claude-stub", "ANTHROPIC_"):
        assert secret not in answer.text


def test_a_name_that_somebody_else_gave_is_text(stub: Gateway):
    answer = httpx.get(f"{stub.url}/docs", headers={"Host": '"><svg onload=alert(1)>'}, trust_env=False)
    assert "<svg onload" not in answer.text


def test_an_address_that_is_none_leads_to_the_page(stub: Gateway):
    error = httpx.get(f"{stub.url}/v1/nothing", trust_env=False).json()["error"]
    assert error["message"].startswith("There is nothing at GET /v1/nothing. ")
    assert error["message"].endswith(" /docs tells what there is.")


def test_where_it_is_turned_off_nothing_leads_to_the_page(tmp_path: Path):  # threat 64
    with stubbed_gateway(tmp_path, environ=ENVIRON | {"GATEWAY_DOCS": "false"}) as gateway:
        answer = httpx.get(f"{gateway.url}/docs", trust_env=False)
        assert answer.status_code == 404
        assert "/docs tells" not in answer.text
        with administrator(gateway) as owner:
            assert "/docs" not in owner.sign_in().text


def test_without_scripts_everything_can_be_read(browser: Browser, stub: Gateway):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{stub.url}/docs")
    expect(page.locator("noscript .notice")).to_be_visible()
    expect(page.get_by_text("curl -N").first).to_be_visible()
    assert page.locator("form:visible").count() == 0
    context.close()


def test_administrators_find_the_way_there_and_back(browser: Browser, stub: Gateway):
    with someone(browser) as owner:
        page = owner.new_page()
        page.goto(f"{stub.url}/admin/sign-in")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.goto(f"{stub.url}/admin/keys")
        page.get_by_role("link", name="API", exact=True).click()
        expect(page.get_by_role("heading", name="The API")).to_be_visible()
        assert MASTER_KEY not in page.content()
        page.get_by_role("link", name="Postern").click()
        expect(page).to_have_url(re.compile("/(admin|setup)$"))

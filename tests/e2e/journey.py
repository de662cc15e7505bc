"""From the demo's first start to a rotated master key."""

import time

import httpx
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e import walk
from tests.e2e.demo import Demo
from tests.support.admin import PASSWORD, set_up_link
from tests.support.hands import Hand


def status_of(url: str, key: str) -> int:
    body = {"model": "sonnet", "messages": [{"role": "user", "content": '[[sandbox: {"words": 2}]]'}]}
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=60, trust_env=False).status_code


def first_run(demo: Demo, context: BrowserContext, hand: Hand) -> None:
    page = context.new_page()
    link = set_up_link(demo.log.read_text())
    walk.choose_password(page, hand, link)
    walk.title(page, "Connect Claude")
    code = walk.connect(page, context, hand)
    hand.press(page.get_by_role("link", name="Go on"))
    key = walk.store_master_key(page, hand)
    walk.ask_claude(page, hand)
    hand.press(page.get_by_role("link", name="To the overview"))
    walk.title(page, "Overview")
    expect(page.get_by_role("heading", name="Claude: connected")).to_be_visible()
    assert not (demo.data / "master-key").exists()

    new = rotated(page, hand, demo, key)
    newest = rotated_for_seconds(demo, new)
    refused_from_now_on(link)
    nothing_told(demo, [PASSWORD, *code.split("#"), key, new, newest])


def rotated(page: Page, hand: Hand, demo: Demo, key: str) -> str:  # threats 42, 43
    """On the page: both answer, until the old one is revoked."""
    new = walk.rotate(page, hand, demo.url)
    assert (status_of(demo.url, key), status_of(demo.url, new)) == (200, 200)
    page.reload()
    walk.title(page, "Keys")
    assert new not in page.content()
    page.go_back()
    assert new not in page.content()
    page.goto(f"{demo.url}/admin/keys")
    expect(page.get_by_role("table", name="Who still uses the old one")).to_contain_text("python-httpx")
    hand.press(walk.button(page, "Revoke the old one now"))
    hand.press(walk.button(page, "Revoke it"))
    expect(page.get_by_text("The old master key is refused from now on.")).to_be_visible()
    assert (status_of(demo.url, key), status_of(demo.url, new)) == (401, 200)
    return new


def rotated_for_seconds(demo: Demo, key: str) -> str:  # threat 43
    """By a script: the old one answers to the end of its time, and not after it."""
    asked = time.time()
    answer = httpx.post(
        f"{demo.url}/admin/api/master-key/rotate",
        json={"grace_seconds": 4},
        auth=("admin", PASSWORD),
        timeout=60,
        trust_env=False,
    )
    until, new = answer.json()["previous_valid_until"], answer.json()["key"]
    assert asked + 4 <= until <= time.time() + 4
    assert (status_of(demo.url, key), status_of(demo.url, new)) == (200, 200)
    time.sleep(max(0.0, until - time.time() - 0.7))
    begun = time.time()
    assert models_status(demo.url, key) == 200 or begun > until - 0.2
    time.sleep(max(0.0, until - time.time() + 0.05))
    assert (models_status(demo.url, key), models_status(demo.url, new)) == (401, 200)
    return new


def models_status(url: str, key: str) -> int:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.get(f"{url}/v1/models", headers=headers, timeout=60, trust_env=False).status_code


def refused_from_now_on(link: str) -> None:  # threat 51
    answer = httpx.get(link, trust_env=False, timeout=60)
    assert answer.status_code == 409 or "/admin/sign-in" in answer.headers["location"]


def nothing_told(demo: Demo, secrets: list[str]) -> None:  # threat 32
    logs = [demo.log, demo.data / "audit.jsonl", *demo.data.glob("postern.sqlite*")]
    for file in logs:
        content = file.read_bytes()
        assert [secret for secret in secrets if secret.encode() in content] == [], file

"""`make screenshots`: the main pages as docs/screenshots/*.png, of a real gateway over the sandbox."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.e2e import walk
from tests.e2e.stage import running_stage
from tests.support.admin import ENVIRON, PASSWORD
from tests.support.gateway import Gateway
from tests.support.hands import Mouse
from tests.support.processes import wait_until
from tests.support.sandbox import Sandbox, running_sandbox

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs/screenshots"
HOST = "gateway.example.org"
WIDE = {"width": 1280, "height": 860}
PHONE = {"width": 390, "height": 844}
MOST_BYTES = 150_000
APPLICATIONS = {
    "Open WebUI": "Open WebUI/0.11 (aiohttp)",
    "Invoices, nightly": "OpenAI/Python 3.54.0",
    "Home Assistant": "HomeAssistant/2026.11",
}
HAND = Mouse()


@contextmanager
def gateway_and_sandbox(folder: Path) -> Iterator[tuple[Gateway, Sandbox]]:
    """The login's folder is a mount of its own, as it should be."""
    config = folder / "claude-auth"
    config.mkdir(mode=0o700)
    subprocess.run(["mount", "--bind", config, config], check=True)  # noqa: S607  # the system's own
    more = {
        "GATEWAY_CLAUDE_CONFIG_DIR": str(config),
        "GATEWAY_TRUSTED_HOSTS": HOST,
        "GATEWAY_MASTER_KEY": "",
        "GATEWAY_POOL__WARM": "2",
    }
    with running_sandbox() as sandbox, running_stage(sandbox, folder / "gateway", environ=ENVIRON, **more) as gateway:
        yield gateway, sandbox


@contextmanager
def browser_to(gateway: Gateway) -> Iterator[Browser]:
    """By a name, so that no picture tells of this machine's ports."""
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", f"--host-resolver-rules=MAP {HOST} 127.0.0.1:{gateway.port}"],
        )


def take(page: Page, name: str) -> None:
    file = FOLDER / f"{name}.png"
    page.mouse.move(0, 0)
    page.wait_for_timeout(300)
    page.screenshot(path=file, animations="disabled")
    size = file.stat().st_size
    if size > MOST_BYTES:
        sys.exit(f"{name} has {size} bytes: show less")
    print(f"{file.relative_to(ROOT)}: {size // 1000} kB")


def use(gateway: Gateway, key: str, agent: str, times: int = 1) -> None:
    body = {"model": "sonnet", "messages": [{"role": "user", "content": "What is a postern?"}]}
    headers = {"Authorization": f"Bearer {key}", "User-Agent": agent}
    with httpx.Client(base_url=gateway.url, headers=headers, timeout=60, trust_env=False) as client:
        client.post("/v1/chat/completions", json=body).raise_for_status()
        for _ in range(times - 1):
            client.get("/v1/models").raise_for_status()


def make_keys(gateway: Gateway) -> None:
    with httpx.Client(base_url=gateway.url, auth=("admin", PASSWORD), timeout=60, trust_env=False) as client:
        for name, agent in APPLICATIONS.items():
            made = client.post("/admin/api/keys", json={"name": name}).raise_for_status().json()
            use(gateway, made["key"], agent)
        client.post("/admin/api/keys", json={"name": "Anna's laptop", "models": ["sonnet", "haiku"]}).raise_for_status()


def spare(gateway: Gateway) -> int:
    answer = httpx.get(f"{gateway.url}/admin/api/status", auth=("admin", PASSWORD), timeout=60, trust_env=False)
    return int(answer.json()["pool"]["spare"])


def grow_old(gateway: Gateway) -> None:
    """As if all had been in use for a while."""
    with sqlite3.connect(gateway.data_dir / "postern.sqlite") as database:
        database.execute("UPDATE keys SET created_at = created_at - 40 * 86400 WHERE kind = 'application'")
        database.execute("UPDATE keys SET created_at = created_at - 3 * 3600, expires_at = expires_at - 3 * 3600")
        database.execute("UPDATE key_uses SET last_seen_at = last_seen_at - 2400 WHERE user_agent LIKE '%JS%'")
    database.close()


def take_all(page: Page, gateway: Gateway) -> None:
    url = f"http://{HOST}"
    master = (gateway.data_dir / "master-key").read_text().strip()
    walk.sign_in(page, url)
    page.goto(f"{url}/auth")
    walk.start(page, HAND)
    code = walk.authorise(page, page.context, HAND)
    page.locator("#code").fill(code)
    page.evaluate("document.activeElement.blur()")
    take(page, "sign-in")
    walk.send(page, HAND, code)
    expect(page.get_by_role("heading", name="Claude is connected")).to_be_visible()
    make_keys(gateway)
    new = walk.rotate(page, HAND, url)
    use(gateway, new, APPLICATIONS["Open WebUI"])
    use(gateway, master, APPLICATIONS["Invoices, nightly"], 37)
    use(gateway, master, "OpenAI/JS 6.9.1", 4)
    page.goto(f"{url}/admin/keys")  # by which the uses are written down
    grow_old(gateway)
    wait_until(lambda: spare(gateway) == 2, 30, "two spare processes")
    for look in (wide, on_a_phone):
        look(page)
        for name, path in (("overview", "/admin"), ("claude", "/auth"), ("keys", "/admin/keys")):
            page.goto(url + path)
            take(page, name if look is wide else f"{name}-phone")


def wide(page: Page) -> None:
    page.set_viewport_size(WIDE)
    page.emulate_media(color_scheme="light")


def on_a_phone(page: Page) -> None:
    page.set_viewport_size(PHONE)
    page.emulate_media(color_scheme="dark")


def main() -> None:
    if sys.argv[1:] != ["inside"]:
        # A space of its own for the mount; it goes with the processes in it.
        again = ["unshare", "-rm", sys.executable, "-m", "scripts.screenshots", "inside"]
        os.execvp("unshare", again)  # noqa: S606, S607  # the system's own
    FOLDER.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="postern-"))
    try:
        with gateway_and_sandbox(folder) as (gateway, _), browser_to(gateway) as browser:
            page = browser.new_page(viewport=WIDE, color_scheme="light", reduced_motion="reduce", locale="en-GB")
            take_all(page, gateway)
            browser.close()
    finally:
        subprocess.run(["umount", folder / "claude-auth"], check=False)  # noqa: S607  # as above
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

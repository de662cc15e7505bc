"""Whether a page is well-formed, open to all, and fits its window."""

import re
from html.parser import HTMLParser

from playwright.sync_api import Page

from tests.support.sandbox import ROOT

AXE = (ROOT / "node_modules/axe-core/axe.min.js").read_text()
# What the size of the window and the colours decide; the rest needs to be looked for only once.
PAINTED = ["color-contrast", "link-in-text-block", "scrollable-region-focusable", "target-size"]
FINDINGS = """(rules) => axe.run(rules ? {runOnly: rules} : {}).then(({violations, passes}) => ({
    passed: passes.length,
    found: violations.map(({id, nodes}) => `${id}: ${nodes.map((node) => node.html.slice(0, 200)).join(" | ")}`),
}))"""
EVENTS = re.compile(r"on[a-z]+")
VOID = {"br", "circle", "hr", "img", "input", "link", "meta", "path", "rect"}


class Reader(HTMLParser):
    def __init__(self, html: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.forms_without_token = 0
        self.token_seen = True
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.tags.append((tag, given))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "form":
            self.token_seen = given.get("method") != "post"
        if tag == "input" and given.get("name") == "csrf_token":
            self.token_seen = bool(given["value"])

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "form":
            self.forms_without_token += not self.token_seen

    def of(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in names]


def well_formed(html: str) -> None:
    page = Reader(html)
    assert page.open == []
    assert len(page.of("h1")) == len(page.of("title")) == len(page.of("main")) == 1
    assert re.search(r"<title>[^<]*\w[^<]* · Postern</title>", html)
    assert page.of("html") == [{"lang": "en"}]
    assert page.forms_without_token == 0
    assert page.of("style") == []
    assert all(attributes["src"] for attributes in page.of("script"))
    assert not [tag for tag in page.tags if "style" in tag[1] or any(map(EVENTS.fullmatch, tag[1]))]
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def look(page: Page) -> None:
    """Narrow and dark, then wide and light."""
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    page.set_viewport_size({"width": 320, "height": 800})
    page.evaluate(AXE)
    check(page)
    for details in page.locator("summary").all():
        details.click()
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    page.set_viewport_size({"width": 1280, "height": 800})
    page.emulate_media(color_scheme="light")
    check(page, PAINTED)
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    assert page.evaluate("document.querySelectorAll('[onload], main svg:not([viewBox])').length") == 0


def check(page: Page, rules: list[str] | None = None) -> None:
    result = page.evaluate(FINDINGS, rules)
    assert result["found"] == []
    assert result["passed"] > (0 if rules else 10)

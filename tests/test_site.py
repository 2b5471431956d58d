"""The site of the documentation: it has every page, its links lead somewhere, and it asks no other host."""

import importlib.util
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import links
import pytest
from tests.viewer.browsing import FLAGS, find_chromium

ROOT = Path(__file__).parent.parent
PAGES = sorted(path.name for path in (ROOT / "docs").glob("*.md"))
CONFIGURATION = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
LOADED = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "src")}
"""What a browser asks for when it opens a page."""


class Read(HTMLParser):
    """What a page loads."""

    def __init__(self, path):
        super().__init__()
        self.loaded = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.loaded += [given[name] for kind, name in LOADED if kind == tag and given.get(name)]


def build(folder, *others):
    """Build a site with the flags of `make docs`."""
    flags = re.search(r"mkdocs build(.*)", (ROOT / "Makefile").read_text(encoding="utf-8"))[1].split()
    return subprocess.run(  # noqa: S603
        [sys.executable, "-m", "mkdocs", "build", *flags, "--site-dir", folder, *others],
        cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site as `make docs` builds it; a broken link or a page that the navigation lacks fails the build."""
    if importlib.util.find_spec("mkdocs") is None or importlib.util.find_spec("material") is None:
        pytest.skip("needs mkdocs-material: the extra `docs`")
    folder = tmp_path_factory.mktemp("site")
    done = build(folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def read(site):
    """Path to page, for every page but that of a web server's errors."""
    return {path: Read(path) for path in site.rglob("*.html") if path.name != "404.html"}


@pytest.mark.parametrize("page", PAGES)
def test_page_stands_once_in_the_navigation_and_in_the_list_of_pages(page):
    assert len(re.findall(rf"[ :]{re.escape(page)}$", CONFIGURATION, re.MULTILINE)) == 1
    if page != "README.md":
        assert f"]({page})" in (ROOT / "docs" / "README.md").read_text(encoding="utf-8")


def test_every_link_leads_to_a_page_and_a_place_in_it(site, read):
    assert len(read) > len(PAGES)  # those of the repository too
    assert links.broken_links(site) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[gone](gone.md)", "gone.md"),
        ("![gone](images/gone.png)", "images/gone.png"),
        ("[here](#nowhere)", "#nowhere"),
        ("[there](other.md#nowhere)", "other.md#nowhere"),
        ("[there](Other.md)", "Other.md"),
        ('<a href="gone.html">gone</a>', "gone.html"),
        ('<a href="other.html#nowhere">gone</a>', "other.html#nowhere"),
        ('<img src="images/gone.png" alt="gone">', "images/gone.png"),
        ('<video src="gone.mp4"></video>', "gone.mp4"),
        (
            '[there](other.md#other), <a href="other.html#other">also</a>, <a href="https://example.org/x">away</a>',
            "",
        ),
    ],
)
def test_a_link_to_nowhere_fails_the_build(tmp_path, text, told):
    if importlib.util.find_spec("mkdocs") is None or importlib.util.find_spec("material") is None:
        pytest.skip("needs mkdocs-material: the extra `docs`")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/index.md").write_text(f"# One\n\n{text}\n\n[other](other.md)\n")
    (tmp_path / "docs/other.md").write_text("# Other\n")
    (tmp_path / "mkdocs.yml").write_text(
        f"INHERIT: {ROOT / 'mkdocs.yml'}\ndocs_dir: docs\nhooks: [{ROOT / 'docs/links.py'}]\n"
        "nav: [index.md, other.md]\nextra: {polyfills: []}\nextra_css: []\nplugins: []\n"
    )
    done = build(tmp_path / "site", "--config-file", str(tmp_path / "mkdocs.yml"))
    assert (done.returncode != 0) == bool(told), done.stderr
    assert told in done.stderr


def test_no_page_loads_anything_from_elsewhere(site):
    asked = {(path.name, one) for path in site.rglob("*.html") for one in Read(path).loaded}
    assert {one for one in asked if urlsplit(one[1]).netloc} == set()
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert re.findall(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//[^)]+", styles) == []


def test_site_opened_from_disk_asks_no_host_and_is_searchable(site, read):
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("needs Chromium")
    asked, faults = [], []
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        tab = browser.new_context(offline=True, viewport={"width": 1280, "height": 800}).new_page()
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("pageerror", lambda fault: faults.append(str(fault)))
        for path in read:
            tab.goto(path.as_uri())
        tab.goto((site / "index.html").as_uri())
        tab.locator("input.md-search__input").click()
        tab.keyboard.type("registration rejected")
        tab.wait_for_selector(".md-search-result__link", timeout=20_000)
        found = tab.locator(".md-search-result__link").evaluate_all("links => links.map(link => link.href)")
        browser.close()
    assert faults == []
    assert [one for one in asked if not one.startswith(("file:", "data:", "blob:"))] == []
    assert any("preparation.html" in one for one in found)

"""The site of the documentation: it has every page, its links lead somewhere, and it asks no other host."""

import importlib.util
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from tests.viewer.browsing import FLAGS, find_chromium

ROOT = Path(__file__).parent.parent
PAGES = sorted(path.name for path in (ROOT / "docs").glob("*.md"))
CONFIGURATION = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
LOADED = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "src")}
"""What a browser asks for when it opens a page."""


class Read(HTMLParser):
    """Links of a page, what it loads, and the places in it."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loaded, self.places = [], [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.places |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        self.loaded += [given[name] for kind, name in LOADED if kind == tag and given.get(name)]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site as `make docs` builds it; a broken link or a page that the navigation lacks fails the build."""
    if importlib.util.find_spec("mkdocs") is None or importlib.util.find_spec("material") is None:
        pytest.skip("needs mkdocs-material: the extra `docs`")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
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
    wrong = []
    for path, page in read.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            lost = not there.is_file() or not there.is_relative_to(site.resolve())
            if lost or (
                parts.fragment and there in read and unquote(parts.fragment) not in read[there].places
            ):
                wrong.append((path.name, link))
    assert wrong == []


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

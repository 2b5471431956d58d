"""The page as a reader sees it, in Chromium: at two widths, on paper, by keyboard and to a screen reader."""

import re
import shutil

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
axe = pytest.importorskip("axe_core_python.sync_playwright", reason="needs axe-core-python")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
WIDTHS = (800, 1280)
HEIGHT = 900
PAPER = 695
"""Pixels of 1/96 inch across a page of A4 between its margins."""


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield opened
        opened.close()


@pytest.fixture(params=WIDTHS, scope="module")
def page(request, published_page, browser):
    opened = browser.new_page(viewport={"width": request.param, "height": HEIGHT})
    asked = []
    opened.on("request", lambda one: asked.append(one.url))
    opened.goto(published_page.as_uri())
    opened.asked = asked
    yield opened
    opened.close()


def bottom_of(page, selector):
    return page.locator(selector).bounding_box()["y"] + page.locator(selector).bounding_box()["height"]


def test_the_answers_and_the_warnings_are_on_the_first_screen(page):
    questions = page.locator(".answers dt").all_text_contents()
    assert questions == [
        "What was asked?", "How many people, split how?", "Does it work?", "Which map to read?",
        "Why is heat outside the brain?",
    ]  # fmt: skip
    assert bottom_of(page, ".answers") < HEIGHT
    assert bottom_of(page, ".warnings") < HEIGHT


def test_nothing_is_wider_than_the_window(page):
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    wide = "[...document.images].filter(one => one.getBoundingClientRect().right > innerWidth).length"
    assert page.evaluate(wide) == 0


def test_captions_have_three_lines_at_most(page):
    lines = page.evaluate(
        "[...document.querySelectorAll('figcaption > p')].map(one => one.getBoundingClientRect().height / "
        "parseFloat(getComputedStyle(one).lineHeight))"
    )
    assert lines
    assert max(lines) <= 3.1


@pytest.mark.parametrize("page", WIDTHS[:1], indirect=True)
def test_axe_finds_no_fault_in_contrast_names_keyboard_and_structure(page):
    page.set_viewport_size({"width": 480, "height": HEIGHT})  # so that tables have to be scrolled
    found = axe.Axe().run(page)
    page.set_viewport_size({"width": WIDTHS[0], "height": HEIGHT})
    assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []
    assert {"image-alt", "color-contrast", "scrollable-region-focusable"} <= {
        one["id"] for one in found["passes"]
    }


def test_nothing_is_asked_for_but_the_page_itself(page, published_page):
    assert [one for one in page.asked if not one.startswith("data:")] == [published_page.as_uri()]


def test_every_link_leads_to_a_place_on_the_page(page):
    links = page.evaluate("[...document.querySelectorAll('a')].map(one => one.getAttribute('href'))")
    assert all(link.startswith("#") for link in links)
    assert page.evaluate("links => links.filter(one => !document.getElementById(one.slice(1)))", links) == []
    titles = page.locator("nav > ol > li > a").all_text_contents()
    headings = [
        re.sub(r"^\d+\. ", "", one) for one in page.locator("h2[id] >> visible=true").all_inner_texts()
    ]
    assert len(titles) == len(headings)
    assert all(heading.startswith(title) for heading, title in zip(headings, titles, strict=True))


def test_a_button_opens_and_closes_every_folded_section(page):
    folded = page.locator("details").count()
    assert folded > 10
    button = page.get_by_role("button", name="Open all folded sections")
    button.press("Enter")
    assert page.locator("details[open]").count() == folded
    page.get_by_role("button", name="Close all folded sections").press("Enter")
    assert page.locator("details[open]").count() == 0


def test_on_paper_no_column_is_cut_and_no_caption_leaves_its_figure(published_page, browser, tmp_path):
    """Version 0.1 had 29 pages with cut columns and orphaned captions."""
    opened = browser.new_page(viewport={"width": PAPER, "height": 980})
    opened.goto(published_page.as_uri())
    opened.get_by_role("button").click()
    opened.emulate_media(media="print")
    cut = (
        "[...document.querySelectorAll('.scroll')].filter(one => one.querySelector('table').scrollWidth > "
        "one.clientWidth + 1 || one.scrollWidth > one.clientWidth + 1).map(one => one.ariaLabel)"
    )
    assert opened.evaluate(cut) == []
    broken = "[...document.querySelectorAll('figure')].map(one => getComputedStyle(one).breakInside)"
    assert set(opened.evaluate(broken)) == {"avoid"}
    tall = "[...document.querySelectorAll('figure')].map(one => one.getBoundingClientRect().height)"
    assert max(opened.evaluate(tall)) < 980
    pages = {}
    for state in ("opened", "folded"):
        opened.emulate_media(media="print")
        file = tmp_path / f"{state}.pdf"
        opened.pdf(path=file, format="A4", prefer_css_page_size=True)
        pages[state] = len(re.findall(rb"/Type\s*/Page\b", file.read_bytes()))
        opened.emulate_media(media="screen")
        opened.get_by_role("button").click()
    assert 5 < pages["folded"] < pages["opened"] < 40
    opened.close()

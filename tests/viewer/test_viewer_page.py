"""The viewer's page in a browser: it shows what the study holds, where it lies, and asks nobody else."""

import re
from itertools import count, pairwise

import numpy as np
import pytest
from browsing import FLAGS, NAMES, Visit, colour_of, find_chromium, serving
from matplotlib import colormaps
from PIL import Image
from playwright.sync_api import sync_playwright
from viewed_study import CLASSES, OBLIQUE, PLANTED, SIDES, SUBJECT, recommending

from stratacam.errors import InputError
from stratacam.report.names import method_title
from stratacam.viewer import write_page
from stratacam.viewer.built import STATIC, read_built_page
from stratacam.viewer.names import networks_of
from stratacam.viewer.serve import guarded

HOT = "fine"
TURNS = count()
"""No two links are the same, so that each is followed."""
UNSEEN, UNSEEN_IN_LIST = "sub-12", "sub-12: control"
"""A scan that no other test looks at."""


@pytest.fixture(scope="module")
def built():
    try:
        return read_built_page()
    except InputError as fault:
        pytest.skip(str(fault))


@pytest.fixture(scope="module")
def browser(built):  # noqa: ARG001 - without a page no browser is needed
    path = find_chromium()
    if path is None:
        pytest.skip(f"none of {', '.join(NAMES)} is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(built, viewed, token):
    with serving(guarded(viewed, built, token=token, host="127.0.0.1")) as found:
        yield f"{found}/{token}/"


@pytest.fixture(scope="module")
def planted_at(viewed):
    """The link that shows the planted map of one network or of three, of a subject, at the place of its lit cell."""

    def link(method, subject=SUBJECT):
        scan = next(one for one in viewed.scans if one.name == subject)
        maps = next(
            viewed.stores[store].maps for store in scan.stores if viewed.stores[store].maps.method == method
        )
        named = f"{method_title(method)}, {networks_of(maps)}"
        return f"#scan={subject}&maps={named}&class=SPMS&layer={HOT}&crosshair=0"

    return link


def lit_place(viewed, subject=SUBJECT):
    """World coordinates of the lit cell."""
    geometry = next(
        one.maps.geometry
        for one in viewed.stores
        if (one.maps.method, one.maps.name) == ("layercam", subject)
    )
    picture, *cell = PLANTED[HOT]
    return geometry.to_world([picture, *((np.array(cell) + 0.5) * geometry.size[0] / SIDES[HOT] - 0.5)])


@pytest.fixture(scope="module")
def opened(browser, address):
    """The page, opened once; a link leads it on to what a test looks at."""
    one = Visit(browser, address)
    yield one
    one.context.close()


@pytest.fixture
def follow(opened, address):
    """Follow a link in the open page; whatever the page did, nothing went wrong and nobody else was asked."""

    def followed(fragment):
        opened.page.set_viewport_size({"width": 1280, "height": 800})
        opened.follow(f"{fragment}&turn={next(TURNS)}")
        return opened

    yield followed
    check(opened, address)


@pytest.fixture
def visit(browser, address):
    """Open the page anew, as `follow` asks nothing else of it."""
    made = []

    def opened(fragment="", start=address, **options):
        made.append(Visit(browser, start + fragment, **options))
        return made[-1]

    yield opened
    for one in made:
        check(one, address)
        one.context.close()


def check(visited, address):
    faults, asked = [*visited.faults], [*visited.asked]
    visited.faults.clear()
    visited.asked.clear()
    assert faults == []
    assert [url for url in asked if not url.startswith((address, "data:", "blob:", "file:"))] == []


def test_first_the_page_says_that_no_map_was_measured_and_shows_the_last_convolution(visit):
    page = visit().page
    banner = page.get_by_role("region", name="Which map to believe")
    assert "Which map to believe was not measured" in banner.inner_text()
    assert page.locator(".layer[aria-pressed=true] .name").inner_text() == "block5_conv1"
    assert page.locator(".chip").inner_text() == "not judged"
    assert page.title() == "A <small> study: stratacam viewer"
    assert {*page.get_by_label("Scan", exact=True).locator("option").all_inner_texts()} >= {
        "sub-03: RRMS",
        "sub-08: SPMS",
    }


@pytest.mark.parametrize(
    ("method", "subject"), [("layercam", SUBJECT), ("hirescam", SUBJECT), ("layercam", OBLIQUE)]
)
def test_a_planted_blob_is_seen_at_its_world_coordinates(follow, viewed, planted_at, method, subject):
    shown, lesion = follow(planted_at(method, subject)), lit_place(viewed, subject)
    edge = 4.5 if subject == OBLIQUE else 3  # half a voxel in mm
    np.testing.assert_allclose(shown.place(), lesion, atol=edge)
    assert float(shown.read("Raw value").split()[0]) > 0
    for pane, (across, down) in enumerate([(0, 1), (0, 2), (1, 2)]):
        lit = colour_of(shown.canvas(pane))
        row, column = (float((lit * places).sum() / lit.sum()) for places in np.indices(lit.shape) + 0.5)
        shown.click(pane, row, column)
        np.testing.assert_allclose(shown.place(), lesion, atol=edge + 0.5)
        # as in radiology: right and anterior are on the left, anterior and superior on top
        shown.click(pane, row + 20, column + 20)
        assert shown.place()[across] < lesion[across] - 1
        assert shown.place()[down] < lesion[down] - 1
        shown.click(pane, row, column)


def test_values_under_the_crosshair_are_the_raw_ones_with_spread_and_agreement(follow, viewed, planted_at):
    shown = follow(planted_at("layercam"))
    maps = next(one.maps for one in viewed.stores if one.maps.method == "layercam").of("SPMS")
    assert maps.name == SUBJECT
    voxel = np.linalg.solve(maps.geometry.prepared.world, [*shown.place(), 1])[:3]
    expected = maps.volume(HOT)[tuple(voxel.round().astype(int))]
    assert float(shown.read("Raw value").split()[0]) == pytest.approx(expected, rel=0.01)
    several = follow(planted_at("hirescam"))
    assert re.match(r"[\d.]+ ± [\d.]+ \(SD\) network scales", several.read("Raw value"))
    assert several.read("Networks") == "2 of 3 show heat here, half of their scale or more: they differ"


def test_another_subject_layer_class_and_slice_are_shown_when_chosen(follow, planted_at):
    shown = follow(planted_at("layercam"))
    seen = [shown.canvas()]
    shown.press("1")
    seen.append(shown.canvas())
    assert shown.page.locator(".layer[aria-pressed=true] .name").inner_text() == "coarse"
    shown.choose("Class", CLASSES[0])
    assert "class RRMS" in shown.page.locator(".legend").inner_text()
    assert "0 to" not in shown.page.locator(".scale").inner_text()
    assert "0.5" in shown.page.locator(".scale").inner_text()
    shown.press("ArrowUp")
    seen.append(shown.canvas())
    shown.choose("Scan", "sub-08: SPMS")
    seen.append(shown.canvas())
    for first, second in pairwise(seen):
        assert first.shape != second.shape or (first != second).any()


def test_space_flips_between_map_and_anatomy_whatever_was_clicked_before(follow, planted_at):
    shown = follow(planted_at("layercam"))
    with_map = shown.canvas()
    shown.page.get_by_role("button", name="Planes").click()
    shown.press(" ")
    assert not colour_of(shown.canvas()).any()
    assert "FLAIR alone: the map is hidden." in shown.page.locator(".legend").inner_text()
    assert shown.page.locator(".scale").count() == 0
    shown.press(" ")
    np.testing.assert_array_equal(shown.canvas(), with_map)


@pytest.mark.parametrize("turned", [-100, -120, -53])
def test_one_notch_of_the_wheel_is_one_slice_of_the_plane_under_it(follow, planted_at, turned):
    shown = follow(planted_at("layercam"))
    before = shown.place()
    box = shown.page.locator(".pane.coronal canvas").bounding_box()
    shown.page.mouse.move(box["x"] + 50, box["y"] + 50)
    shown.page.mouse.wheel(0, turned)  # pixels, as browsers say a notch
    shown.settle()
    assert (shown.place() - before).tolist() == [0, 6, 0]


def test_a_click_on_the_strip_of_probabilities_goes_to_that_slice(follow, planted_at):
    shown = follow(planted_at("layercam"))
    bars = shown.page.get_by_role("slider", name="Slice, with the probability of each class")
    box = bars.bounding_box()
    shown.page.mouse.click(box["x"] + box["width"] - 5, box["y"] + 10)
    shown.settle()
    assert bars.get_attribute("aria-valuenow") == bars.get_attribute("aria-valuemax")
    assert re.search(r"SPMS 0\.\d\d", bars.get_attribute("aria-valuetext"))


def test_the_scale_names_the_normalisation_and_the_raw_range(follow, planted_at):
    shown = follow(planted_at("layercam"))
    legend = shown.page.locator(".legend")
    assert "raw range in this scan \N{MINUS SIGN}1 to 2" in legend.inner_text()
    assert legend.locator(".scale span").all_inner_texts()[:2] == ["0", "2"]
    shown.choose("Class", CLASSES[0])
    assert legend.locator(".scale span").all_inner_texts()[1] == "0.5"
    shown.choose("Normalisation", "Layer: all classes together")
    assert legend.locator(".scale span").all_inner_texts()[1] == "2"
    assert "maximum over all classes" in legend.inner_text()
    shown.choose("Normalisation", "Map: each slice by itself")
    assert "slices cannot be compared" in legend.inner_text()
    shown.choose("Show", "Signed, for and against")
    shown.choose("Normalisation", "Scan: one maximum")
    assert legend.locator(".scale span").all_inner_texts()[:2] == ["\N{MINUS SIGN}1", "1"]


def test_where_networks_disagree_heat_is_pale(follow, viewed, planted_at):
    strong = follow(planted_at("hirescam"))
    store = next(one.maps for one in viewed.stores if one.maps.method == "hirescam").of("SPMS")
    assert store.agreement(HOT).max() == pytest.approx(2 / 3)
    lit = np.ptp(strong.canvas(), axis=2)
    strong.page.get_by_label("Pale where fewer than half of the networks agree").click()
    strong.settle()
    unfaded = np.ptp(strong.canvas(), axis=2)
    assert (lit <= unfaded).all()
    assert (lit < unfaded).any()  # at the rim, where one of three is left


def test_all_layers_are_shown_side_by_side_with_the_crosshair_in_step(follow, planted_at):
    shown = follow(planted_at("layercam"))
    before = shown.place()
    shown.press("l")
    tiles = shown.page.locator(".tile")
    assert tiles.count() == len(PLANTED)
    tiles.nth(0).locator("canvas").click(position={"x": 50, "y": 60})
    shown.settle()
    assert shown.page.locator(".layer[aria-pressed=true] .name").inner_text() == "coarse"
    assert (shown.place() != before).any()
    assert tiles.nth(0).get_attribute("class").endswith("chosen")
    legend = shown.page.locator(".legend").inner_text()
    assert "all layers (chosen: coarse)" in legend
    assert re.search(r"Axial slice \d+ of 12", legend)
    assert shown.page.locator(".scale span").all_inner_texts() == [
        "0",
        "1",
        "share of each layer\N{RIGHT SINGLE QUOTATION MARK}s own maximum",
    ]
    shown.choose("Normalisation", "None: raw, scale held")
    assert shown.page.locator(".scale span").all_inner_texts()[2] != "share"


def test_the_address_reproduces_the_view(follow, visit, planted_at, address):
    shown = follow(planted_at("hirescam"))
    shown.choose("Colours", "cividis")
    shown.page.get_by_label("lesion").click()
    shown.choose("Normalisation", "None: raw, scale held")
    shown.choose("Class", CLASSES[0])
    shown.press("ArrowDown", "1", "+")
    shown.click(0, 101.3, 77.7)
    again = visit(start=shown.address())
    assert again.page.url.startswith(address)
    assert again.address() == shown.address()
    assert again.page.locator(".scale").inner_text() == shown.page.locator(".scale").inner_text()
    for first, second in zip(shown.canvases(), again.canvases(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_link_says_what_it_names_and_there_is_not(follow, planted_at):
    shown = follow(planted_at("layercam").replace(SUBJECT, "sub-99"))
    assert "names what is not here: scan \N{LEFT DOUBLE QUOTATION MARK}sub-99" in shown.notice()
    assert follow(planted_at("layercam")).notice() == ""
    follow("#scan=sub-03&layer=1.5&class=AD&zoom=x&at=1,2&opacity=9")
    assert "layer \N{LEFT DOUBLE QUOTATION MARK}1.5" in shown.notice()


def test_what_cannot_be_read_is_said_and_what_was_shown_stays(follow, planted_at, viewed):
    shown = follow(planted_at("layercam"))
    shown.page.get_by_label("lesion").click()
    shown.settle()
    before = shown.canvases()
    place = next(place for place, one in enumerate(viewed.scans) if one.name == UNSEEN)
    shown.page.route(
        f"**/api/scans/{place}/images/*",
        lambda route: route.fulfill(status=410, json={"detail": "It has gone."}),
    )
    shown.choose("Scan", UNSEEN_IN_LIST)
    assert shown.notice() == "It has gone."
    assert (
        shown.page.get_by_label("Scan", exact=True).locator("option:checked").inner_text() == "sub-03: RRMS"
    )
    shown.press("ArrowUp", "ArrowDown")
    for first, second in zip(before, shown.canvases(), strict=True):
        np.testing.assert_array_equal(first, second)
    shown.page.unroute_all()
    shown.choose("Scan", UNSEEN_IN_LIST)
    assert shown.notice() == ""
    shown.choose("Scan", "sub-03: RRMS")
    assert shown.page.get_by_label("lesion").is_checked()  # what is outlined stays so from scan to scan
    assert all("410" in fault for fault in shown.faults)
    shown.faults.clear()


def test_where_the_first_scan_cannot_be_read_another_is_shown(browser, address, viewed):
    context = browser.new_context()
    first = viewed.study().first.scan
    for path in (f"scans/{first}/images/*", "stores/*/chart"):
        context.route(
            f"**/api/{path}", lambda route: route.fulfill(status=410, json={"detail": "It has gone."})
        )
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("html[data-complete]")
    assert page.locator(".notice").inner_text() == "It has gone. Another scan is shown. It has gone."
    assert page.locator(".pane canvas").count() == 3
    assert "The measures cannot be read." in page.get_by_role("region", name="Layers").inner_text()
    context.close()


def test_a_recommended_map_comes_first_and_what_was_unfolded_stays_so(browser, built, viewed, token):
    seen, _ = recommending(viewed, chosen=False)
    with serving(guarded(seen, built, token=token, host="127.0.0.1")) as start:
        shown = Visit(browser, f"{start}/{token}/")
        assert "No map is recommended." in shown.page.locator(".banner").inner_text()
        shown.press("2")
        assert shown.page.locator(".chip").inner_text() == "not recommended"
        shown.page.locator(".legend summary").focus()
        shown.press("Enter", "ArrowUp")
        assert shown.page.locator(".legend li").inner_text() == "its maps do not repeat"
        assert shown.page.evaluate("document.activeElement.tagName") == "SUMMARY"
        shown.context.close()


def test_a_picture_is_saved_with_its_legend(follow, planted_at):
    shown = follow(planted_at("layercam"))
    shown.page.get_by_label("lesion").click()
    shown.settle()
    with shown.page.expect_download() as download:
        shown.page.get_by_role("button", name="Save picture").click()
    assert download.value.suggested_filename == f"{SUBJECT}_{HOT}.png"
    picture = np.asarray(Image.open(download.value.path()).convert("RGB"))
    below = picture[shown.canvas(0).shape[0] + 20 :]
    assert (below == [0x19, 0xF0, 0xC8]).all(
        axis=2
    ).sum() >= 18 * 4  # the colour of the outline, in the legend


def test_where_there_is_no_clipboard_the_page_says_where_the_link_is(follow, planted_at):
    shown = follow(planted_at("layercam"))
    shown.page.evaluate(
        "Object.defineProperty(navigator, 'clipboard', {value: undefined, configurable: true})"
    )
    shown.page.get_by_role("button", name="Copy link").click()
    assert shown.page.get_by_role("button", name="Copy it from the address bar").is_visible()


@pytest.mark.parametrize(("width", "theme", "layout"), [(1280, "dark", "planes"), (800, "light", "layers")])
def test_contrast_names_and_roles_are_as_readers_of_all_kinds_need(visit, planted_at, width, theme, layout):
    axe = pytest.importorskip("axe_core_python.sync_playwright")
    shown = visit(f"{planted_at('hirescam')}&layout={layout}", color_scheme=theme, bypass_csp=True)
    shown.page.set_viewport_size({"width": width, "height": 800})
    found = axe.Axe().run(shown.page)["violations"]
    assert [(one["id"], [node["html"][:120] for node in one["nodes"]]) for one in found] == []
    shown.page.set_viewport_size({"width": 320, "height": 256})  # 1280 pixels at 400 %
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= 320


def test_everything_can_be_reached_and_left_by_keyboard(follow, planted_at):
    shown = follow(planted_at("layercam"))
    reached = set()
    for _ in range(36):
        shown.page.keyboard.press("Tab")
        reached.add(
            shown.page.evaluate(
                "() => (e => e.getAttribute('aria-label') || e.textContent || e.tagName)(document.activeElement)"
            )
        )
    assert {"Copy link", "Save picture", "Keys"} <= reached
    assert any(one.startswith("axial slice") for one in reached)
    assert any("coarse" in one for one in reached)
    shown.page.get_by_label("Show", exact=True).focus()
    shown.choose("Show", "Signed, for and against")
    assert shown.page.evaluate("document.activeElement.labels[0].textContent") == "Show"
    shown.page.locator(".pane canvas").first.focus()
    shown.press("?")
    assert shown.page.get_by_role("dialog").is_visible()
    shown.press("Escape")
    assert not shown.page.get_by_role("dialog").is_visible()
    # a keyboard whose digits need shift writes other signs without it
    shown.page.evaluate(
        "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: '&', code: 'Digit1', bubbles: true}))"
    )
    shown.settle()
    assert shown.page.locator(".layer[aria-pressed=true] .name").inner_text() == "coarse"
    switch = shown.page.get_by_label("Letters, digits, signs and space are keys of the viewer")
    for on in (False, True):
        shown.press("?") if on is False else shown.page.get_by_role("button", name="Keys").click()
        switch.set_checked(on)
        shown.press("Escape", "l")
        assert shown.page.locator(".tile").count() == (len(PLANTED) if on else 0)


def test_a_single_file_opens_from_disk_and_shows_the_same(follow, visit, viewed, planted_at, tmp_path):
    out = tmp_path / "page.html"
    write_page(viewed, read_built_page(), SUBJECT, out)
    fragment = planted_at("layercam")
    served = follow(fragment)
    from_disk = visit(fragment.replace(SUBJECT, "Scan"), start=out.as_uri())
    assert {url.partition("#")[0] for url in from_disk.asked} - {out.as_uri()} <= {"data:,"}
    for first, second in zip(served.canvases(), from_disk.canvases(), strict=True):
        near = np.abs(first - second).max(axis=2)
        assert (near > 12).mean() < 0.02  # maps have 8 bits, and the words name the scan
    assert SUBJECT not in from_disk.page.content()
    assert from_disk.notice() == ""
    with from_disk.page.expect_download() as download:
        from_disk.page.get_by_role("button", name="Save picture").click()
    assert download.value.suggested_filename == f"Scan_{HOT}.png"


def test_a_server_that_has_gone_is_said_to_have_gone(browser, built, viewed, token):
    with serving(guarded(viewed, built, token=token, host="127.0.0.1")) as start:
        shown = Visit(browser, f"{start}/{token}/")
    shown.page.keyboard.press("1")
    alert = shown.page.get_by_role("alert")
    alert.wait_for()
    assert "start `stratacam view` again" in alert.inner_text()
    shown.context.close()


def test_colours_are_those_of_matplotlib():
    source = (STATIC.parent / "page" / "src" / "colours.ts").read_text(encoding="utf-8")
    anchors = dict(re.findall(r'^ +"?(\w+)"?: "([0-9a-f]{102})"', source, re.MULTILINE))
    assert {*anchors} == {"plasma", "inferno", "viridis", "cividis", "coolwarm", "managua_r"}
    for name, text in anchors.items():
        expected = 255 * colormaps[name](np.linspace(0, 1, 17))[:, :3]
        np.testing.assert_allclose(
            np.frombuffer(bytes.fromhex(text), np.uint8).reshape(17, 3), expected, atol=1.5
        )

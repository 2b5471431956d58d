"""The viewer's page in a browser: it shows what the study holds, where it lies, and asks nobody else."""

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from browsing import FLAGS, NAMES, Visit, colour_of, find_chromium, serving
from playwright.sync_api import sync_playwright
from viewed_study import CLASSES, PLANTED, SIDES, SUBJECT

from stratacam.errors import InputError
from stratacam.viewer import write_page
from stratacam.viewer.built import read_built_page
from stratacam.viewer.serve import guarded

HOT = "fine"


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
    """The fragment that shows the planted map of one network, at the place of its lit cell."""
    scan = next(place for place, one in enumerate(viewed.scans) if one.name == SUBJECT)
    methods = [viewed.stores[store].maps.method for store in viewed.scans[scan].stores]
    layer = list(PLANTED).index(HOT)
    return {
        method: f"#scan={scan}&store={methods.index(method)}&explained=1&layer={layer}&threshold=0.1&crosshair=0"
        for method in ("layercam", "hirescam")
    }


@pytest.fixture(scope="module")
def lesion(viewed):
    """World coordinates of the lit cell."""
    geometry = next(one.maps.geometry for one in viewed.stores if one.maps.method == "layercam")
    picture, *cell = PLANTED[HOT]
    return geometry.to_world([picture, *((np.array(cell) + 0.5) * geometry.size[0] / SIDES[HOT] - 0.5)])


@pytest.fixture
def visit(browser, address):
    """Open the page at a fragment; whatever it did, nothing went wrong and nobody else was asked."""
    made = []

    def opened(fragment="", start=address, **options):
        made.append(Visit(browser, start + fragment, **options))
        return made[-1]

    yield opened
    for one in made:
        assert one.faults == []
        allowed = (address, "data:", "blob:", "file:")
        assert [url for url in one.asked if not url.startswith(allowed)] == []
        one.context.close()


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


@pytest.mark.parametrize("method", ["layercam", "hirescam"])
def test_a_planted_blob_is_seen_at_its_world_coordinates(visit, planted_at, lesion, method):
    shown = visit(planted_at[method])
    np.testing.assert_allclose(shown.place(), lesion, atol=3)  # half a voxel
    assert float(shown.read("Raw value").split()[0]) > 0
    for pane, (across, down) in enumerate([(0, 1), (0, 2), (1, 2)]):
        lit = colour_of(shown.canvas(pane))
        row, column = (float((lit * places).sum() / lit.sum()) for places in np.indices(lit.shape) + 0.5)
        shown.click(pane, row, column)
        np.testing.assert_allclose(shown.place(), lesion, atol=3.5)
        # as in radiology: right and anterior are on the left, anterior and superior on top
        shown.click(pane, row + 20, column + 20)
        assert shown.place()[across] < lesion[across] - 1
        assert shown.place()[down] < lesion[down] - 1
        shown.click(pane, row, column)


def test_values_under_the_crosshair_are_the_raw_ones_with_spread_and_agreement(visit, viewed, planted_at):
    shown = visit(planted_at["layercam"])
    maps = next(one.maps for one in viewed.stores if one.maps.method == "layercam").of("SPMS")
    voxel = np.linalg.solve(maps.geometry.prepared.world, [*shown.place(), 1])[:3]
    expected = maps.volume(HOT)[tuple(voxel.round().astype(int))]
    assert float(shown.read("Raw value").split()[0]) == pytest.approx(expected, rel=0.01)
    several = visit(planted_at["hirescam"])
    assert re.match(r"[\d.]+ ± [\d.]+ \(SD\) network scales", several.read("Raw value"))
    assert re.match("[123] of 3 agree", several.read("Networks"))


def test_another_subject_layer_class_and_slice_are_shown_when_chosen(visit, planted_at):
    shown = visit(planted_at["layercam"])
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


def test_space_flips_between_map_and_anatomy(visit, planted_at):
    shown = visit(planted_at["layercam"])
    with_map = shown.canvas()
    shown.press(" ")
    assert not colour_of(shown.canvas()).any()
    shown.press(" ")
    np.testing.assert_array_equal(shown.canvas(), with_map)


def test_the_wheel_goes_through_slices_of_the_plane_under_it(visit, planted_at):
    shown = visit(planted_at["layercam"])
    before = shown.place()
    box = shown.page.locator(".pane.coronal canvas").bounding_box()
    shown.page.mouse.move(box["x"] + 50, box["y"] + 50)
    shown.page.mouse.wheel(0, -60)
    shown.settle()
    assert (shown.place() - before).tolist() == [0, 6, 0]


def test_a_click_on_the_strip_of_probabilities_goes_to_that_slice(visit, planted_at):
    shown = visit(planted_at["layercam"])
    bars = shown.page.get_by_role("slider", name="Slice, with the probability of each class")
    box = bars.bounding_box()
    shown.page.mouse.click(box["x"] + box["width"] - 5, box["y"] + 10)
    shown.settle()
    assert bars.get_attribute("aria-valuenow") == bars.get_attribute("aria-valuemax")
    assert re.search(r"SPMS 0\.\d\d", bars.get_attribute("aria-valuetext"))


def test_the_scale_names_the_normalisation_and_the_raw_range(visit, planted_at):
    shown = visit(planted_at["layercam"])
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


def test_where_networks_disagree_heat_is_pale(visit, viewed, planted_at):
    strong = visit(planted_at["hirescam"])
    store = next(one.maps for one in viewed.stores if one.maps.method == "hirescam").of("SPMS")
    assert store.agreement(HOT).max() == pytest.approx(2 / 3)
    lit = np.ptp(strong.canvas(), axis=2)
    strong.page.get_by_label("Pale where fewer than half of the networks agree").click()
    strong.settle()
    unfaded = np.ptp(strong.canvas(), axis=2)
    assert (lit <= unfaded).all()
    assert (lit < unfaded).any()  # at the rim, where one of three is left


def test_all_layers_are_shown_side_by_side_with_the_crosshair_in_step(visit, planted_at):
    shown = visit(planted_at["layercam"])
    before = shown.place()
    shown.press("l")
    tiles = shown.page.locator(".tile")
    assert tiles.count() == len(PLANTED)
    tiles.nth(0).locator("canvas").click(position={"x": 50, "y": 60})
    shown.settle()
    assert shown.page.locator(".layer[aria-pressed=true] .name").inner_text() == "coarse"
    assert (shown.place() != before).any()
    assert tiles.nth(0).get_attribute("class").endswith("chosen")


def test_the_address_reproduces_the_view(visit, planted_at, address):
    shown = visit(planted_at["hirescam"])
    shown.choose("Colours", "cividis")
    shown.page.get_by_label("lesion").click()
    shown.press("ArrowDown", "1", "+")
    again = visit(start=shown.page.url)
    assert again.page.url.startswith(address)
    for first, second in zip(shown.canvases(), again.canvases(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_picture_is_saved_with_its_legend(visit, planted_at):
    shown = visit(planted_at["layercam"])
    with shown.page.expect_download() as download:
        shown.page.get_by_role("button", name="Save picture").click()
    assert download.value.suggested_filename == f"{SUBJECT}_{HOT}.png"
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("width", "theme"), [(1280, "dark"), (800, "light")])
def test_contrast_names_and_roles_are_as_readers_of_all_kinds_need(visit, planted_at, width, theme):
    axe = pytest.importorskip("axe_core_python.sync_playwright")
    shown = visit(planted_at["hirescam"], color_scheme=theme, bypass_csp=True)
    shown.page.set_viewport_size({"width": width, "height": 800})
    for key in (" ", "l"):  # three planes, then all layers
        shown.press(key)
        found = axe.Axe().run(shown.page)["violations"]
        assert [(one["id"], [node["html"][:120] for node in one["nodes"]]) for one in found] == []
    if width == 800:
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= 800


def test_everything_can_be_reached_and_left_by_keyboard(visit, planted_at):
    shown = visit(planted_at["layercam"])
    reached = set()
    for _ in range(60):
        shown.page.keyboard.press("Tab")
        reached.add(
            shown.page.evaluate(
                "() => (e => e.getAttribute('aria-label') || e.textContent || e.tagName)(document.activeElement)"
            )
        )
    assert {"Copy link", "Save picture", "Keys"} <= reached
    assert any(one.startswith("axial slice") for one in reached)
    assert any("coarse" in one for one in reached)
    shown.page.locator(".pane canvas").first.focus()
    shown.press("?")
    assert shown.page.get_by_role("dialog").is_visible()
    shown.press("Escape")
    assert not shown.page.get_by_role("dialog").is_visible()


def test_a_single_file_opens_from_disk_and_shows_the_same(visit, viewed, built, planted_at, tmp_path):
    out = tmp_path / "page.html"
    write_page(viewed, built, SUBJECT, out)
    fragment = planted_at["layercam"]
    served = visit(fragment)
    from_disk = visit(re.sub(r"scan=\d+", "scan=0", fragment), start=out.as_uri())
    assert {url.partition("#")[0] for url in from_disk.asked} - {out.as_uri()} <= {"data:,"}
    for first, second in zip(served.canvases(), from_disk.canvases(), strict=True):
        near = np.abs(first - second).max(axis=2)
        assert (near > 12).mean() < 0.02  # maps have 8 bits, and the words name the scan
    assert SUBJECT not in from_disk.page.content()
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

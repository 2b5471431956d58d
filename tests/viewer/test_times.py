"""How long a reader waits, in a browser, for a scan of 1 mm with maps of all layers of VGG16."""

import statistics

import pytest
from benchmarks.viewer import measure
from browsing import FLAGS, NAMES, find_chromium, serving
from playwright.sync_api import sync_playwright
from viewed_study import write_fine_study

from stratacam.errors import InputError
from stratacam.viewer.built import read_built_page
from stratacam.viewer.content import open_viewed
from stratacam.viewer.serve import guarded

FIRST_VIEW, ANOTHER_LAYER = 2000, 300
"""Milliseconds."""


@pytest.mark.long
def test_a_scan_of_1_mm_is_shown_within_2_s_and_another_layer_within_300_ms(tmp_path, token):
    path = find_chromium()
    if path is None:
        pytest.skip(f"none of {', '.join(NAMES)} is installed")
    try:
        page = read_built_page()
    except InputError as fault:
        pytest.skip(str(fault))
    viewed = open_viewed(write_fine_study(tmp_path))
    application = guarded(viewed, page, token=token, host="127.0.0.1")
    with serving(application) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        tab = browser.new_page(viewport={"width": 1280, "height": 800})
        found = measure(tab, f"{address}/{token}/", 0, layers=18)
        browser.close()
    assert statistics.median(found["first view"]) < FIRST_VIEW
    assert statistics.median(found["another layer, the first time"]) < ANOTHER_LAYER

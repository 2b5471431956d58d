"""Seconds until the viewer shows a scan of 1 mm, and until it shows another layer, measured in headless Chromium.

One scan of a finished study is made twice as fine along every axis: its images, and the pictures that its maps are of.

    python -m benchmarks.viewer demo/study /usr/bin/chromium
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import zarr
from playwright.sync_api import Page, sync_playwright
from scipy import ndimage

from stratacam.cam.views import CONSTANT
from stratacam.maps import ScanMaps, find_maps
from stratacam.maps.store.arrays import CLASS, HEIGHT, SLICE, STATISTIC, WIDTH, read_array, write_maps_array
from stratacam.maps.store.group import Explained, Filled, write_group
from stratacam.report.names import method_title
from stratacam.scans.prepared import find_prepared
from stratacam.scans.resampling import Grid
from stratacam.scans.volume import write_nifti
from stratacam.viewer.names import networks_of

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
)
REPEATS = 7
KEYS = ("1", "2", "3", "4", "5")
"""Of the layers that are shown one after the other: the shallow ones, whose maps are the largest."""
LEFT_BEHIND = ("activations", "pictures", "figures")
"""What the viewer never reads."""


def refine(study: Path, scan_name: str, *, voxels: int = 2, pixels: int = 2) -> None:
    """Make the images of a scan so many times as fine along every axis, and its maps in their plane."""
    scan = next(one for one in find_prepared(study / "prepared") if one.name == scan_name)
    finer = np.diag([1 / voxels] * 3 + [1.0])
    finer[:3, 3] = (1 / voxels - 1) / 2
    mask = scan.load_brain_mask()
    for sequence in scan.sequences:
        image, affine = scan.read_image(sequence)
        fine = ndimage.zoom(image, voxels, order=1, grid_mode=True, mode="nearest")
        write_nifti(scan.image(sequence), fine.clip(0, 1), affine @ finer)
    write_nifti(scan.brain_mask, np.kron(mask, np.ones([voxels] * 3, dtype=bool)), affine @ finer)
    for maps in (one for one in find_maps(study / "maps") if one.name == scan_name):
        refine_maps(maps, finer, voxels, pixels)


def refine_maps(maps: ScanMaps, finer: np.ndarray, voxels: int, pixels: int) -> None:
    """Lay maps on a finer grid, and make one for every slice of it between the first and the last."""
    geometry = maps.geometry
    first, last = (round(voxels * (one + 0.5) - 0.5) for one in (geometry.slices[0], geometry.slices[-1]))
    slices = tuple(range(first, last + 1))
    x, y, z = (voxels * length for length in geometry.prepared.shape)
    across, down = ((voxels * (one + 0.5) - 0.5) for one in geometry.centre)
    height, width = (voxels * one for one in geometry.extent)
    places = np.linspace(0, len(geometry.slices) - 1, len(slices))
    blank = {}

    def fill(group: zarr.Group, _scratch: object) -> Filled:
        for layer in maps.layers:
            values = read_array(maps.place, f"layers/{layer}")
            in_plane = ((np.arange(pixels * length) + 0.5) / pixels - 0.5 for length in values.shape[-2:])
            leading = (np.arange(length) for length in values.shape[:-3])
            where = np.meshgrid(*leading, places, *in_plane, indexing="ij")
            fine = ndimage.map_coordinates(values, where, order=1, mode="nearest")
            write_maps_array(
                group,
                f"layers/{layer}",
                fine,
                (STATISTIC, CLASS, SLICE, HEIGHT, WIDTH)[-fine.ndim :],
                "float32",
            )
            shown = fine[0] if maps.members else fine
            blank[layer] = [["" if one.any() else CONSTANT for one in of_class] for of_class in shown]
        kept = {
            "members": [dict(one) for one in maps.members],
            "scales": maps.scales,
            "reliability": maps.reliability_of,
        }
        logits = maps.logits[np.rint(places).astype(int)]
        return Filled(blank, logits, kept if maps.members else {})

    finer_geometry = replace(
        geometry,
        prepared=Grid((x, y, z), geometry.prepared.affine @ finer),
        slices=slices,
        size=(pixels * geometry.size[0], pixels * geometry.size[1]),
        centre=(across, down),
        extent=(height, width),
    )
    known = Explained(
        maps.name,
        maps.method,
        0,
        maps.classes,
        maps.scan_probabilities,
        maps.every_explained,
        finer_geometry,
        maps.model,
        maps.in_training,
    )
    write_group(maps.path, known, fill)


def measure(page: Page, address: str, maps: ScanMaps) -> dict[str, list[float]]:
    """Milliseconds until the first view of maps, and from a key to the next frame with another layer."""
    found: dict[str, list[float]] = {
        "first view": [],
        "another layer, the first time": [],
        "another layer, seen before": [],
        "another slice": [],
    }
    link = f"#scan={maps.name}&maps={method_title(maps.method)}, {networks_of(maps)}"
    for _ in range(REPEATS):
        page.goto("about:blank")
        page.goto(f"{address}{link}")
        page.wait_for_selector("html[data-ready]")
        found["first view"].append(page.evaluate("performance.getEntriesByName('first-view')[0].startTime"))
        page.wait_for_selector("html[data-complete]")
        keys = [key for place, key in enumerate(KEYS) if place < len(maps.layers)]
        for key in keys:
            found["another layer, the first time"].append(_pressed(page, key))
        for key in keys:
            found["another layer, seen before"].append(_pressed(page, key))
        found["another slice"].append(
            page.evaluate(
                "() => { const start = performance.now(); document.body.dispatchEvent(new KeyboardEvent('keydown', "
                "{key: 'ArrowDown', bubbles: true})); return performance.now() - start; }"
            )
        )
    return found


def _pressed(page: Page, key: str) -> float:
    """Milliseconds from a key to the frame after the canvases were drawn."""
    milliseconds: float = page.evaluate(
        """key => new Promise(done => {
            performance.clearMarks('shown');
            const start = performance.now();
            document.body.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
            const look = () => performance.getEntriesByName('shown').length
                ? done(performance.now() - start) : requestAnimationFrame(look);
            look();
        })""",
        key,
    )
    page.wait_for_timeout(300)
    return milliseconds


def main() -> None:
    """Measure, and print medians."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("study", type=Path)
    arguments.add_argument("chromium")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "study"
        shutil.copytree(given.study, study, ignore=shutil.ignore_patterns(*LEFT_BEHIND))
        content = find_maps(study / "maps")
        refine(study, content[0].name)
        command = "from stratacam.cli import main; main()"
        token = "t" * 20
        with subprocess.Popen(
            [sys.executable, "-c", command, "view", str(study), "--token", token],
            stdout=subprocess.PIPE, text=True,
        ) as server, sync_playwright() as playwright:  # fmt: skip
            try:
                address = server.stdout.readline().split()[1]
                browser = playwright.chromium.launch(executable_path=given.chromium, args=list(FLAGS))
                page = browser.new_page(viewport={"width": 1280, "height": 800})
                for what, milliseconds in measure(page, address, content[0]).items():
                    middle, most = statistics.median(milliseconds), max(milliseconds)
                    print(f"{what}: median {middle:.0f} ms, maximum {most:.0f} ms")
                browser.close()
            finally:
                server.terminate()


if __name__ == "__main__":
    main()

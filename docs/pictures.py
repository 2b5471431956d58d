"""Remakes the pictures of the documentation from the study of `make demo`: `python docs/pictures.py demo/study`.

Pictures of HTML pages need Chromium; that of layers is drawn from stored maps, as `docs/python.md` shows.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nibabel
import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from rich.console import Console
from scipy import ndimage

import stratacam as sc
from stratacam.evidence.counterfactual.filling import fill
from stratacam.evidence.counterfactual.plain_tissue import plain_tissue
from stratacam.export import Wanted, export_study
from stratacam.maps import ScanMaps
from stratacam.scans.labels import find_masks, read_mask
from stratacam.scans.prepared import find_prepared
from stratacam.study.folders import study_folders
from stratacam.viewer import open_viewed, write_page
from stratacam.viewer.built import read_built_page

IMAGES = Path(__file__).parent / "images"
LAYERS = ("block1_conv2", "block2_conv2", "block3_conv3", "block4_conv3", "block5_conv3")
GROUP = "SPMS"
WIDTH = 1000
"""Pixels of a page."""
MARGIN = np.array([-4, 4])
"""Pixels before and after the brain."""


def draw_layers(study: Path, path: Path) -> None:
    """Draw one slice of the held-out scan that is surest of `GROUP`: FLAIR, then maps from shallow to deep."""
    maps = max(sc.find_maps(study / "maps"), key=_probability)
    scan = next(scan for scan in find_prepared(study / "prepared") if scan.name == maps.name)
    flair = maps.geometry.cut(nibabel.load(scan.image("FLAIR")).get_fdata(dtype=np.float32))
    number = int(maps.probabilities[:, maps.classes.index(GROUP)].argmax())
    rows, columns = (np.flatnonzero((flair[number] > 0).any(axis=axis))[[0, -1]] for axis in (1, 0))
    figure = Figure(figsize=(1.7 * (len(LAYERS) + 1), 2.4), layout="constrained", dpi=100)
    panels = figure.subplots(1, len(LAYERS) + 1)
    sc.overlay(flair[number], np.zeros_like(flair[number]), axes=panels[0], title="FLAIR")
    for axes, layer in zip(panels[1:], LAYERS, strict=True):
        rows_of_map, columns_of_map = maps.raw(layer).shape[1:]
        heat = maps.heat(layer, maps.geometry.size)[number]
        sc.overlay(flair[number], heat, axes=axes, title=f"{layer}\n{rows_of_map} x {columns_of_map}")
    for axes in panels:
        axes.set(xlim=columns + MARGIN, ylim=(rows + MARGIN)[::-1])
    figure.savefig(path, bbox_inches="tight")
    _shrink(path)


def draw_filled(study: Path, path: Path) -> None:
    """Draw the slice of `draw_layers` with its ventricles and its lesions filled, on T1w and FLAIR."""
    maps = max(sc.find_maps(study / "maps"), key=_probability)
    scan = next(scan for scan in find_prepared(study / "prepared") if scan.name == maps.name)
    number = int(maps.probabilities[:, maps.classes.index(GROUP)].argmax())
    image = np.stack([maps.geometry.cut(volume)[number] for volume in scan.load().images])
    brain = maps.geometry.cut(scan.load_brain_mask().astype(np.float32))[number] >= 0.5
    shown = {"": image}
    for structure, words in {"ventricle": "ventricles filled", "lesion": "lesions filled"}.items():
        mask = read_mask(find_masks(study.parent / "cohort", scan)[structure], scan)
        region = ndimage.binary_dilation(maps.geometry.cut(mask.astype(np.float32))[number] >= 0.5) & brain
        shown[words] = fill(image, region, plain_tissue(image, brain))
    rows, columns = (np.flatnonzero(brain.any(axis=axis))[[0, -1]] for axis in (1, 0))
    figure = Figure(figsize=(10, 2.4), layout="constrained", dpi=100)
    panels = iter(figure.subplots(1, 2 * len(shown)))
    for sequence in ("T1w", "FLAIR"):
        for words, filled in shown.items():
            axes = next(panels)
            axes.imshow(filled[scan.sequences.index(sequence)], cmap="gray", vmin=0, vmax=0.9)
            axes.set(xlim=columns + MARGIN, ylim=(rows + MARGIN)[::-1])
            axes.set_title(f"{sequence}\n{words}", fontsize=9)
            axes.set_axis_off()
    figure.savefig(path, bbox_inches="tight")
    _shrink(path)


def draw_export(study: Path, path: Path) -> None:
    """Take one picture of what `stratacam export` writes of the scan of `draw_layers`."""
    maps = max(sc.find_maps(study / "maps"), key=_probability)
    wanted = Wanted(subjects=(maps.name,), layers=("block3_conv3",), sequences=("FLAIR",))
    with tempfile.TemporaryDirectory() as folder:
        done = export_study(study_folders(study), Path(folder), wanted, ["png"], console=Console(quiet=True))
        pictures = done.files["png"]
        picture = Image.open(pictures[len(pictures) // 2]).quantize(256, Image.Quantize.FASTOCTREE)
        picture.save(path, optimize=True)


def photograph(page: Path, path: Path, height: int, width: int = 1060, flags: tuple[str, ...] = ()) -> None:
    """Take a picture of the top of an HTML page, as a browser shows it."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        sys.exit(f"{path}: not made; expected Chromium on the path: install it, or take the picture by hand.")
    with tempfile.TemporaryDirectory() as profile:
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
        options += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
        options += ["--hide-scrollbars", f"--window-size={width},{height}"]
        options += [f"--user-data-dir={profile}", f"--screenshot={path}", page.resolve().as_uri()]
        subprocess.run([browser, *flags, *options], check=True, capture_output=True)  # noqa: S603 - the user's browser
    _shrink(path)


def _probability(maps: ScanMaps) -> float:
    return float(maps.probabilities[:, maps.classes.index(GROUP)].mean())


def _shrink(path: Path) -> None:
    """Save a picture with a palette: pictures in the repository stay below 300 kB."""
    Image.open(path).convert("RGB").quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(
        path, optimize=True
    )


def shorten(figure: Path, path: Path) -> None:
    """Copy a figure of the report at the width of a page."""
    picture = Image.open(figure).convert("RGB")
    picture.resize((WIDTH, round(WIDTH * picture.height / picture.width)), Image.Resampling.LANCZOS).save(
        path
    )
    _shrink(path)


def photograph_viewer(study: Path, path: Path) -> None:
    """Take a picture of the viewer as it opens."""
    viewed = open_viewed(study_folders(study))
    first = viewed.scans[viewed.study().first.scan].name
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        write_page(viewed, read_built_page(), first, page, label=first)
        photograph(
            page, path, 800, 1280, ("--blink-settings=preferredColorScheme=0", "--virtual-time-budget=5000")
        )


if __name__ == "__main__":
    study = Path(sys.argv[1])
    IMAGES.mkdir(exist_ok=True)
    draw_layers(study, IMAGES / "layers.png")
    draw_filled(study, IMAGES / "filled.png")
    draw_export(study, IMAGES / "export.png")
    photograph(study / "report.html", IMAGES / "report.png", height=900)
    photograph(find_prepared(study / "prepared")[0].quality_page, IMAGES / "quality.png", height=1000)
    photograph_viewer(study, IMAGES / "viewer.png")
    for name in ("recommended", "evidence"):
        shorten(min((study / "figures").glob(f"figure-*-{name}*.png")), IMAGES / f"{name}.png")

"""Maps of MNI152 space drawn over axial slices of the template, a row each."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np
from matplotlib.figure import Figure
from nilearn.datasets import load_mni152_template
from numpy.typing import NDArray

from stratacam.cam.drawing import blend
from stratacam.scans.resampling import Grid, resample

LEVELS = 6
"""Axial slices of the template that are shown."""


class TemplateRow(NamedTuple):
    """One map.

    Attributes:
        file: NIfTI in MNI152 space; NaN is drawn as no heat.
        words: beside it.
        ends: what is written before its highest value.
        scaled: whether it is coloured up to that value, else up to 1.
    """

    file: Path
    words: str
    ends: str = "up to"
    scaled: bool = True


def draw_on_template(rows: Sequence[TemplateRow]) -> Figure:
    """Draw maps over the slices in which any of them has heat."""
    template = load_mni152_template(resolution=2)
    anatomy = np.asarray(template.dataobj, dtype=np.float32)
    x, y, z = (int(length) for length in template.shape)
    grid = Grid((x, y, z), np.asarray(template.affine, dtype=np.float64))
    grey = (anatomy / np.percentile(anatomy[anatomy > 0], 99)).clip(0, 1)
    volumes = [_on_grid(row.file, grid) for row in rows]
    levels = _levels(volumes)
    figure = Figure(figsize=(10.5, 1.75 * len(rows) + 0.35), layout="constrained")
    panels = figure.subplots(len(rows), len(levels), squeeze=False)
    for number, (row, heat) in enumerate(zip(rows, volumes, strict=True)):
        highest = float(heat.max())
        shown = heat / highest if row.scaled and highest > 0 else heat
        for panel, level in zip(panels[number], levels, strict=True):
            panel.imshow(blend(_seen(grey, level), _seen(shown.clip(0, 1), level)), interpolation="nearest")
            panel.set_axis_off()
            if number == 0:
                panel.set_title(f"z = {grid.affine[2, 3] + level * grid.affine[2, 2]:+.0f} mm", fontsize=8)
        panels[number][0].text(
            -0.06, 0.5, f"{row.words}\n{row.ends} {highest:.2f}",
            transform=panels[number][0].transAxes, ha="right", va="center", fontsize=7.5,
        )  # fmt: skip
    return figure


def _on_grid(file: Path, grid: Grid) -> NDArray[np.float32]:
    image = nibabel.Nifti1Image.from_filename(file)
    x, y, z = (int(length) for length in image.shape)
    source = Grid((x, y, z), np.asarray(image.affine, dtype=np.float64))
    return np.asarray(resample(np.nan_to_num(np.asarray(image.dataobj, dtype=np.float32)), source, grid))


def _levels(volumes: Sequence[NDArray[np.float32]]) -> list[int]:
    """Evenly spaced slices of those that have heat, and not the outermost; the middle ones where none has."""
    lit = np.flatnonzero(np.any([volume.any(axis=(0, 1)) for volume in volumes], axis=0))
    first, last = (int(lit[0]), int(lit[-1])) if len(lit) else (0, volumes[0].shape[2] - 1)
    return [round(level) for level in np.linspace(first, last, LEVELS + 2)[1:-1].tolist()]


def _seen(volume: NDArray[np.float32], level: int) -> NDArray[np.float32]:
    """An axial slice as a radiologist sees it: anterior up, the patient's right on the left."""
    return np.asarray(volume[::-1, ::-1, level].T)

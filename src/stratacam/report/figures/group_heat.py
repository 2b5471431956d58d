"""Mean heat of every group over the MNI152 template."""

from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
from matplotlib.figure import Figure
from nilearn.datasets import load_mni152_template
from numpy.typing import NDArray

from stratacam.cam.drawing import blend
from stratacam.evidence.groups import group_map_file
from stratacam.evidence.heat import HEAT_SCALE
from stratacam.evidence.regions.group_maps import MEAN, SHARE
from stratacam.networks import network_title
from stratacam.report.evidence.content import EvidenceContent
from stratacam.report.figure import ReportFigure
from stratacam.scans.resampling import Grid, resample

LEVELS = 6
"""Axial slices of the template that are shown."""

KINDS = {MEAN: "mean heat", SHARE: "share of subjects with high heat"}


def group_heat(evidence: EvidenceContent) -> ReportFigure | None:
    """Mean heat, and the share of subjects with high heat, of every group; None where there are no such maps."""
    explained, method, layer = evidence.group_class, evidence.methods[0], evidence.last_convolution
    files = {
        (group, kind): evidence.folder / group_map_file(explained, method, layer, group, kind)
        for group in evidence.classes
        for kind in KINDS
    }
    there = {key: file for key, file in files.items() if file.is_file()}
    if not there:
        return None
    template = load_mni152_template(resolution=2)
    anatomy = np.asarray(template.dataobj, dtype=np.float32)
    x, y, z = (int(length) for length in template.shape)
    grid = Grid((x, y, z), np.asarray(template.affine, dtype=np.float64))
    grey = (anatomy / np.percentile(anatomy[anatomy > 0], 99)).clip(0, 1)
    volumes = {key: _on_grid(file, grid) for key, file in there.items()}
    levels = _levels(list(volumes.values()))
    figure = Figure(figsize=(10.5, 1.75 * len(there) + 0.35), layout="constrained")
    panels = figure.subplots(len(there), len(levels), squeeze=False)
    for number, ((group, kind), heat) in enumerate(volumes.items()):
        row = panels[number]
        highest = float(heat.max())
        scaled = heat / highest if kind == MEAN and highest > 0 else heat
        for panel, level in zip(row, levels, strict=True):
            panel.imshow(blend(_seen(grey, level), _seen(scaled.clip(0, 1), level)), interpolation="nearest")
            panel.set_axis_off()
            if number == 0:
                panel.set_title(f"z = {grid.affine[2, 3] + level * grid.affine[2, 2]:+.0f} mm", fontsize=8)
        row[0].text(
            -0.06, 0.5, f"{group}\n{KINDS[kind]}\n{'up to' if kind == MEAN else 'highest'} {highest:.2f}",
            transform=row[0].transAxes, ha="right", va="center", fontsize=7.5,
        )  # fmt: skip
    return ReportFigure(
        f"Heat of every group in MNI152 space, {network_title(evidence.network)}, {layer}",
        f"Maps of {explained} in everybody by {method} at {layer}, each in units of its own {HEAT_SCALE:.0%} quantile "
        "in the brain, carried to the template by the affine of the preparation. Mean: coloured up to the highest of "
        "the group, which is written beside it. Share: of the group's subjects whose heat is at least half of that "
        "quantile. Each voxel is of the subjects whose slices reach it. Left of the picture is the patient's right.",
        figure,
    )


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

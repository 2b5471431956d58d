"""Maps of MNI152 space drawn over axial slices of the template, a row each."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stratacam.cam.drawing import blend
from stratacam.report.figure import Request
from stratacam.report.overlay import draw_scale, draw_sides, heat_colours
from stratacam.report.sheet import new_sheet
from stratacam.report.shown import MARGIN_MM, Box
from stratacam.scans.mni152 import load_mni152
from stratacam.scans.planes import SIDES
from stratacam.scans.resampling import Grid, resample

LEVELS = 6
"""Axial slices of the template that are shown."""

FEWER = 4
"""In one column of a journal."""

TISSUE = 0.1
"""Grey of the template, above which there is brain."""


class TemplateRow(NamedTuple):
    """One map.

    Attributes:
        file: NIfTI in MNI152 space; NaN is drawn as no heat.
        words: beside it.
        about: for the table of numbers.
    """

    file: Path
    words: str
    about: Mapping[str, object]


class Part(NamedTuple):
    """Maps on one scale, with a colour bar below them.

    Attributes:
        unit: of the maps.
        rows: one or more.
        maximum: where the colours end; None: the highest value of all rows.
    """

    unit: str
    rows: Sequence[TemplateRow]
    maximum: float | None = None


def draw_on_template(parts: Sequence[Part], request: Request) -> tuple[Figure, list[Mapping[str, object]]]:
    """Draw maps over the slices in which any of them has heat; return the highest value in each slice, too."""
    template = load_mni152("template", voxel_mm=2)
    anatomy = np.asarray(template.dataobj, dtype=np.float32)
    x, y, z = (int(length) for length in template.shape)
    grid = Grid((x, y, z), np.asarray(template.affine, dtype=np.float64))
    grey = (anatomy / np.percentile(anatomy[anatomy > 0], 99)).clip(0, 1)
    volumes = [[_on_grid(row.file, grid) for row in part.rows] for part in parts]
    levels = _levels([volume for of_part in volumes for volume in of_part], LEVELS if request.wide else FEWER)
    sheet, box = new_sheet(
        sum(map(len, volumes)), len(levels), [_brain(grey, grid)], width_mm=request.width_mm
    )
    numbers: list[Mapping[str, object]] = []
    number = 0
    for part, of_part in zip(parts, volumes, strict=True):
        maximum = part.maximum or max(float(volume.max()) for volume in of_part) or 1.0
        panels = []
        for row, volume in zip(part.rows, of_part, strict=True):
            for column, level in enumerate(levels):
                panel = sheet.panel(number, column)
                height = float(grid.affine[2, 3] + level * grid.affine[2, 2])
                _draw(
                    panel, blend(_seen(grey, level), _seen((volume / maximum).clip(0, 1), level)), grid, box
                )
                panels.append(panel)
                numbers.append(
                    {
                        **row.about,
                        "z_mm": height,
                        "highest": float(volume[..., level].max()),
                        "unit": part.unit,
                    }
                )
                if number == 0:
                    sheet.title(panel, f"z = {height:+.0f} mm")
                if column == 0:
                    sheet.label_row(panel, f"{row.words}\nhighest {float(volume.max()):.2f}")
                    draw_sides(panel, *SIDES["axial"])
                    if number == 0:
                        draw_scale(panel)
            number += 1
        sheet.colour_bar(panels, heat_colours(maximum=maximum), part.unit)
    return sheet.fit(), numbers


def _draw(panel: Axes, picture: NDArray[np.float64], grid: Grid, box: Box) -> None:
    """An axial picture in the template's millimetres, x from the patient's right to the left."""
    first = grid.affine[:2, 3]
    last = first + np.diag(grid.affine)[:2] * (np.array(grid.shape[:2]) - 1)
    half = np.abs(np.diag(grid.affine)[:2]) / 2
    (left, bottom), (right, top) = np.minimum(first, last) - half, np.maximum(first, last) + half
    panel.imshow(picture, extent=(-right, -left, bottom, top), interpolation="nearest")
    panel.set(xlim=box[:2], ylim=box[2:], xticks=[], yticks=[])
    panel.spines[:].set_visible(False)


def _brain(grey: NDArray[np.float32], grid: Grid) -> Box:
    """The template's brain with a margin, x from the patient's right to the left."""
    inside = np.argwhere(grey > TISSUE)
    corners = (
        np.stack([inside.min(axis=0), inside.max(axis=0)]) * np.diag(grid.affine)[:3] + grid.affine[:3, 3]
    )
    (left, bottom, _), (right, top, _) = np.sort(corners, axis=0)
    return -right - MARGIN_MM, -left + MARGIN_MM, bottom - MARGIN_MM, top + MARGIN_MM


def _on_grid(file: Path, grid: Grid) -> NDArray[np.float32]:
    image = nibabel.Nifti1Image.from_filename(file)
    x, y, z = (int(length) for length in image.shape)
    source = Grid((x, y, z), np.asarray(image.affine, dtype=np.float64))
    return np.asarray(resample(np.nan_to_num(np.asarray(image.dataobj, dtype=np.float32)), source, grid))


def _levels(volumes: Sequence[NDArray[np.float32]], count: int) -> list[int]:
    """Evenly spaced slices of those that have heat, and not the outermost; the middle ones where none has."""
    lit = np.flatnonzero(np.any([volume.any(axis=(0, 1)) for volume in volumes], axis=0))
    first, last = (int(lit[0]), int(lit[-1])) if len(lit) else (0, volumes[0].shape[2] - 1)
    return [round(level) for level in np.linspace(first, last, count + 2)[1:-1].tolist()]


def _seen(volume: NDArray[np.float32], level: int) -> NDArray[np.float32]:
    """An axial slice as a radiologist sees it: anterior up, the patient's right on the left."""
    return np.asarray(volume[::-1, ::-1, level].T)

"""Heat over grey anatomy, as a radiologist sees the slice."""

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stratacam.cam.drawing import COLOURS, blend
from stratacam.report.shown import Box, ShownScan
from stratacam.scans.planes import SIDES

WHITE = 0.75
"""Intensity of the prepared scans that is shown as white; only some fluid and lesions are brighter."""

OUTLINE = "#19f0c8"

AGREED = 0.5
"""Share of networks from which on their mean is shown as it is."""

PALE = 0.3
"""Opacity of heat on which fewer networks agree, as a share of the usual one."""

AGREEMENT_COLOURS = "viridis"
GREY_OF_THE_BAR = 0.45


def draw_slice(
    axes: Axes,
    scan: ShownScan,
    sequence: str,
    index: int,
    *,
    heat: NDArray[np.floating] | None = None,
    agreement: NDArray[np.floating] | None = None,
    colours: str = COLOURS,
    blank: str = "",
    outline: bool = True,
    box: Box | None = None,
    letters: bool = True,
) -> None:
    """Draw one slice, in millimetres, cropped to the brain.

    Args:
        axes: to draw in.
        scan: open.
        sequence: the anatomy.
        index: of the slice in the volume.
        heat: in [0, 1], like the picture; None: anatomy only.
        agreement: share of networks that agree on heat, like the picture; heat is pale where fewer than `AGREED` do.
        colours: of heat.
        blank: why the map shows nothing; written over the anatomy in place of heat.
        outline: draw the true lesions where they are known.
        box: what to show; None: the brain with a margin.
        letters: write at both sides which side of the patient it is.
    """
    grey = (scan.picture(sequence, index) / WHITE).clip(0, 1)
    picture = blend(grey, np.zeros_like(grey) if heat is None or blank else heat, colours=colours)
    if agreement is not None:
        shown = np.where(agreement >= AGREED, 1, PALE)[..., None]
        picture = shown * picture + (1 - shown) * grey[..., None]
    half = scan.width_mm / 2
    axes.imshow(picture, extent=(-half, half, -half, half), interpolation="bilinear")
    lesions = scan.lesion_picture(index) if outline else None
    if lesions is not None and lesions.max() > 0.5:
        pixel = scan.width_mm / lesions.shape[0]
        centres = (np.arange(lesions.shape[0]) + 0.5) * pixel - half
        axes.contour(centres, -centres, lesions, levels=[0.5], colors=OUTLINE, linewidths=0.7)
    left, right, bottom, top = box or scan.box_mm
    axes.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    if letters:
        first, last = SIDES[scan.volume.plane]
        _write(axes, (left + 3, top - 3), first, across="left", up="top")
        _write(axes, (right - 3, top - 3), last, across="right", up="top")
    if blank:
        _write(
            axes, ((left + right) / 2, (bottom + top) / 2), f"blank:\n{blank}", across="center", up="center"
        )


def label_row(axes: Axes, text: str) -> None:
    """Write the label of a row of panels, left of its first panel."""
    axes.set_ylabel(text, rotation=0, ha="right", va="center", fontsize=8, labelpad=6)


def draw_scale(axes: Axes, length_mm: float = 50) -> None:
    """Draw a scale bar into a slice."""
    start, height = axes.get_xlim()[0] + 4, axes.get_ylim()[0] + 4
    shadow = [patheffects.withStroke(linewidth=3.5, foreground="black")]
    axes.plot(
        [start, start + length_mm], [height, height], color="white", linewidth=1.8, path_effects=shadow,
        solid_capstyle="butt",
    )  # fmt: skip
    _write(axes, (start, height + 3), f"{length_mm / 10:g} cm", across="left", up="bottom", size=6)


def draw_colour_bar(figure: Figure, axes: Axes, label: str, *, colours: str = COLOURS) -> None:
    """Draw the colours of heat as they look over middle grey."""
    seen = blend(np.full(256, GREY_OF_THE_BAR), np.linspace(0, 1, 256), colours=colours)
    bar = figure.colorbar(ScalarMappable(Normalize(0, 1), ListedColormap(seen)), cax=axes)
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)


def _write(
    axes: Axes, point: tuple[float, float], text: str, *, across: str, up: str, size: float = 7
) -> None:
    axes.text(
        *point, text, ha=across, va=up, fontsize=size, color="white",
        path_effects=[patheffects.withStroke(linewidth=1.8, foreground="black")],
    )  # fmt: skip

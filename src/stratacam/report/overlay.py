"""Heat over grey anatomy, as a radiologist sees the slice."""

import numpy as np
from matplotlib import colormaps, patheffects
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stratacam.report.shown import Box, ShownScan
from stratacam.scans.planes import SIDES

COLOURS = "plasma"
"""Perceptually uniform, readable with colour blindness, and without black or white, which are the anatomy's."""

STRONGEST = 0.8
"""Opacity of strong heat, through which the anatomy still shows."""

STRONG = 0.5
"""Heat at which the opacity, which grows in proportion to the heat, is at its strongest."""

WHITE = 0.75
"""Intensity of the prepared scans that is shown as white; only some fluid and lesions are brighter."""

OUTLINE = "#19f0c8"
GREY_OF_THE_BAR = 0.45


def blend(grey: NDArray[np.floating], heat: NDArray[np.floating]) -> NDArray[np.float64]:
    """Lay heat over grey, both (...) in [0, 1]: (..., 3). Without heat, grey stays exactly as it was."""
    opacity = STRONGEST * (np.asarray(heat, dtype=np.float64) / STRONG).clip(0, 1)[..., None]
    colours = colormaps[COLOURS](np.asarray(heat))[..., :3]
    return np.asarray((1 - opacity) * np.asarray(grey)[..., None] + opacity * colours)


def draw_slice(
    axes: Axes,
    scan: ShownScan,
    sequence: str,
    index: int,
    *,
    heat: NDArray[np.floating] | None = None,
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
        heat: in [0, 1], like the picture; None for anatomy alone.
        blank: why the map shows nothing; written over the anatomy in place of heat.
        outline: draw the true lesions where they are known.
        box: what to show; None: the brain with a margin.
        letters: write at both sides which side of the patient it is.
    """
    grey = (scan.picture(sequence, index) / WHITE).clip(0, 1)
    picture = blend(grey, heat) if heat is not None and not blank else np.repeat(grey[..., None], 3, axis=-1)
    half = scan.width_mm / 2
    axes.imshow(picture, extent=(-half, half, -half, half), interpolation="bilinear")
    lesions = scan.lesion_picture(index) if outline else None
    if lesions is not None and lesions.max() > 0.5:
        pixel = scan.width_mm / lesions.shape[0]
        centres = (np.arange(lesions.shape[0]) + 0.5) * pixel - half
        axes.contour(centres, -centres, lesions, levels=[0.5], colors=OUTLINE, linewidths=0.7)
    left, right, bottom, top = box or scan.box_mm
    axes.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)
    if letters:
        first, last = SIDES[scan.volume.plane]
        for letter, x, side in ((first, left, "left"), (last, right, "right")):
            inside = x + (3 if side == "left" else -3)
            _write(axes, (inside, top - 3), letter, across=side, up="top", size=7)
    if blank:
        middle = ((left + right) / 2, (bottom + top) / 2)
        _write(axes, middle, f"blank:\n{blank}", across="center", up="center", size=7)


def label_row(axes: Axes, text: str) -> None:
    """Write what a row of panels is to the left of its first panel."""
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


def draw_colour_bar(figure: Figure, axes: Axes, label: str) -> Colorbar:
    """Draw the colours of heat as they look over middle grey."""
    steps = np.linspace(0, 1, 256)
    colours = ListedColormap(blend(np.full(256, GREY_OF_THE_BAR), steps))
    bar = figure.colorbar(ScalarMappable(Normalize(0, 1), colours), cax=axes)
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)
    return bar


def _write(axes: Axes, point: tuple[float, float], text: str, *, across: str, up: str, size: float) -> None:
    axes.text(
        *point, text, ha=across, va=up, fontsize=size, color="white",
        path_effects=[patheffects.withStroke(linewidth=1.8, foreground="black")],
    )  # fmt: skip

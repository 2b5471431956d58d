"""Heat over grey anatomy, as a radiologist sees the slice."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from numpy.typing import NDArray

from stratacam.cam.colours import COLOURS
from stratacam.cam.drawing import blend
from stratacam.report.lettering import SMALL
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

SCALE_MM = 50
"""Length of a scale bar."""


def draw_slice(
    axes: Axes,
    scan: ShownScan,
    sequence: str,
    index: int,
    *,
    heat: NDArray[np.floating] | None = None,
    agreement: NDArray[np.floating] | None = None,
    colours: str = COLOURS,
    signed: bool = False,
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
        heat: in [0, 1], or signed in [-1, 1], like the picture; None: anatomy only.
        agreement: share of networks that agree on heat, like the picture; heat is pale where fewer than `AGREED` do.
        colours: of heat that is not signed.
        signed: whether heat is, and is drawn with two colours about 0.
        blank: why the map shows nothing; written over the anatomy in place of heat.
        outline: draw the true lesions where they are known.
        box: what to show; None: the brain with a margin.
        letters: write at both sides which side of the patient it is.
    """
    grey = (scan.picture(sequence, index) / WHITE).clip(0, 1)
    shown = np.zeros_like(grey) if heat is None or blank else heat
    picture = blend(grey, shown, colours=colours, signed=signed)
    if agreement is not None:
        share = np.where(agreement >= AGREED, 1, PALE)[..., None]
        picture = share * picture + (1 - share) * grey[..., None]
    half = scan.width_mm / 2
    axes.imshow(picture, extent=(-half, half, -half, half), interpolation="bilinear")
    lesions = scan.lesion_picture(index) if outline else None
    if lesions is not None and lesions.max() > 0.5:
        pixel = scan.width_mm / lesions.shape[0]
        centres = (np.arange(lesions.shape[0]) + 0.5) * pixel - half
        axes.contour(centres, -centres, lesions, levels=[0.5], colors=OUTLINE, linewidths=0.5)
    left, right, bottom, top = box or scan.box_mm
    axes.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    if letters:
        draw_sides(axes, *SIDES[scan.volume.plane])
    if blank:
        _write(axes, (0.5, 0.5), f"blank:\n{blank}", across="center", up="center")


def draw_sides(axes: Axes, first: str, last: str) -> None:
    """Write in the upper corners which sides of the patient are left and right of a picture."""
    _write(axes, (0.03, 0.98), first, across="left", up="top")
    _write(axes, (0.97, 0.98), last, across="right", up="top")


def draw_scale(axes: Axes, mm_per_unit: float = 1) -> None:
    """Draw a scale bar into a slice, whose axes are in units of `mm_per_unit`."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    start, height = left + 0.04 * (right - left), bottom + 0.04 * (top - bottom)
    end = start + SCALE_MM / mm_per_unit
    axes.plot([start, end], [height, height], color="black", linewidth=2.4, solid_capstyle="butt")
    axes.plot([start, end], [height, height], color="white", linewidth=1.4, solid_capstyle="butt")
    _write(axes, (0.04, 0.06), f"{SCALE_MM} mm", across="left", up="bottom")


def heat_colours(colours: str = COLOURS, maximum: float = 1, *, signed: bool = False) -> ScalarMappable:
    """The colours of heat as they look over middle grey, for a colour bar up to a maximum, or about 0."""
    steps = np.linspace(-1 if signed else 0, 1, 256)
    seen = blend(np.full(256, GREY_OF_THE_BAR), steps, colours=colours, signed=signed)
    return ScalarMappable(Normalize(-maximum if signed else 0, maximum), ListedColormap(seen))


def _write(axes: Axes, place: tuple[float, float], text: str, *, across: str, up: str) -> None:
    """Write white on the dark of a picture, at a place in shares of the panel."""
    axes.text(
        *place, text, transform=axes.transAxes, ha=across, va=up, fontsize=SMALL, color="white",
        bbox={"facecolor": "black", "edgecolor": "none", "alpha": 0.5, "pad": 0.6}, in_layout=False,
    )  # fmt: skip

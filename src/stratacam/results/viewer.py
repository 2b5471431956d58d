"""A viewer in a notebook: a scan with a map over it, in the colours of `stratacam view`; needs ipyniivue."""

import gzip
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
from matplotlib import colormaps
from nibabel.orientations import io_orientation
from numpy.typing import NDArray

from stratacam.cam.colours import COLOURS
from stratacam.cam.drawing import STRONG
from stratacam.errors import InputError

if TYPE_CHECKING:
    from ipyniivue import NiiVue

HEIGHT = 380
"""Of the widget, pixels."""

OF_ITS_OWN = f"stratacam_{COLOURS}"
"""Name of matplotlib's colours in the widget, whose own table of that name is coarser."""


def widget_of(
    image: Path,
    heat: NDArray[np.float32],
    *,
    name: str,
    white: float | None,
    threshold: float,
    opacity: float,
) -> "NiiVue":
    """A scan with heat over it, in three planes, at the hottest place.

    Args:
        image: file of the scan.
        heat: (X, Y, Z) from 0 to 1, on the grid of the scan.
        name: of the map.
        white: value of the scan that is white; None: the widget's choice.
        threshold: heat below it is not drawn.
        opacity: of heat from half of the scale on; it grows in proportion to the heat up to there.

    Raises:
        InputError: ipyniivue is not installed.
    """
    niivue = _niivue()
    affine = nibabel.load(image).affine  # type: ignore[attr-defined]
    cover = opacity * (heat / STRONG).clip(0, 1) * (heat >= threshold)
    widget = niivue.NiiVue(
        height=HEIGHT,
        is_radiological_convention=True,
        is_colorbar=True,
        multiplanar_show_render=niivue.ShowRender.NEVER,
        crosshair_width=0.5,
        crosshair_color=(1.0, 1.0, 1.0, 0.6),
    )
    shown = {"cal_min": 0.0, "cal_max": white} if white else {}
    widget.load_volumes(
        [
            niivue.Volume(path=image, colormap="gray", colorbar_visible=False, **shown),
            _volume(
                cover, affine, name=f"opacity of {name}", opacity=0.0, colormap="gray", colorbar_visible=False,
                cal_min=0.0, cal_max=1.0,
            ),
            _volume(
                heat, affine, name=name, opacity=1.0, colormap=COLOURS, cal_min=threshold, cal_max=1.0,
                colormap_type=niivue.ColormapType.ZERO_TO_MAX_TRANSPARENT_BELOW_MIN,
            ),
        ]
    )  # fmt: skip
    drawn = widget.volumes[-1]
    drawn.modulation_image, drawn.modulate_alpha = 1, 1  # its opacity is what the volume before it says
    widget.scene.crosshair_pos = _hottest(heat, affine)
    widget.on_canvas_attached(lambda: _colour(widget))  # a page that is not there yet would miss the table
    return widget


def _volume(values: NDArray[np.floating], affine: NDArray[np.float64], **shown: Any) -> Any:  # noqa: ANN401
    """Values from 0 to 1 as a volume of the widget, in 8 bits."""
    image = nibabel.Nifti1Image(values.astype(np.float32), affine)
    image.set_data_dtype(np.uint8)
    name = f"{shown.pop('name')}.nii.gz"
    return _niivue().Volume(data=gzip.compress(image.to_bytes(), 6), name=name, **shown)


def _colour(widget: "NiiVue") -> None:
    """Give the map the colours that reports and the web viewer have."""
    table = (colormaps[COLOURS](np.arange(256)) * 255).round().astype(int)
    channels = {letter: table[:, place].tolist() for place, letter in enumerate("RGB")}
    widget.add_colormap(OF_ITS_OWN, channels | {"A": [0] + [255] * 255, "I": list(range(256))})
    widget.volumes[-1].colormap = OF_ITS_OWN


def _hottest(heat: NDArray[np.float32], affine: NDArray[np.float64]) -> list[float]:
    """Place of the maximum towards right, anterior and superior, as shares of the volume; its middle without heat."""
    if not heat.max() > 0:
        return [0.5, 0.5, 0.5]
    place = [0.0, 0.0, 0.0]
    voxel = np.unravel_index(heat.argmax(), heat.shape)
    for (axis, sign), index, length in zip(io_orientation(affine), voxel, heat.shape, strict=True):
        share = float((index + 0.5) / length)
        place[int(axis)] = share if sign > 0 else 1 - share
    return place


def _niivue() -> Any:  # noqa: ANN401 - the module
    try:
        import ipyniivue  # noqa: PLC0415 - only where a viewer is asked for
    except ImportError as fault:
        raise InputError(
            "ipyniivue is not installed; expected it for a viewer in a notebook: pip install 'stratacam[notebook]', or "
            "pip install ipyniivue."
        ) from fault
    return ipyniivue

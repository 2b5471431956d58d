"""Pictures of maps: one over its image, and a grid of layers (matplotlib)."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from stratacam.cam.colours import COLOURS, DIVERGING
from stratacam.cam.explanation import Explanation
from stratacam.cam.methods import REGISTRY
from stratacam.cam.views import Normalisation, upsample

OPACITY = 0.8
"""Of strong heat, through which the image still shows."""

STRONG = 0.5
"""Heat from which on the opacity, which grows in proportion to the heat, is at its maximum."""


class ShownFigure(Figure):
    """A figure that a notebook shows, also where pyplot was not imported."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png", dpi=80)
        return file.getvalue()


def blend(
    picture: NDArray[np.floating],
    heat: NDArray[np.floating],
    *,
    opacity: float = OPACITY,
    colours: str = COLOURS,
    signed: bool | None = None,
) -> NDArray[np.float64]:
    """Lay heat over a picture; without heat the picture stays exactly as it is.

    Args:
        picture: (...) grey, or (..., 3), from 0 to 1.
        heat: (...) from 0 to 1; or from -1 to 1, which is drawn with two colours about 0.
        opacity: of strong heat.
        colours: a matplotlib colour map for heat that is not negative.
        signed: whether to draw with two colours; absent: where there is negative heat.

    Returns:
        (..., 3).
    """
    heat, picture = np.asarray(heat, dtype=np.float64), np.asarray(picture)
    if signed is None:
        signed = bool((heat < 0).any())
    over = colormaps[DIVERGING]((heat + 1) / 2) if signed else colormaps[colours](heat)
    share = opacity * (np.abs(heat) / STRONG).clip(0, 1)[..., None]
    under = picture[..., None] if picture.ndim == heat.ndim else picture
    return np.asarray((1 - share) * under + share * over[..., :3])


def overlay(
    image: Tensor | NDArray[Any],
    heatmap: Tensor | NDArray[Any],
    *,
    axes: Axes | None = None,
    opacity: float = OPACITY,
    colours: str = COLOURS,
    title: str = "",
    channel: int | None = None,
) -> Axes:
    """Draw a heatmap over its image: where the heat is 0 the image is seen as it is.

    Args:
        image: (rows, columns), or (channels, rows, columns) of which three are shown as red, green and blue and
            any other number as their mean; stretched from its lowest to its highest value.
        heatmap: (rows, columns) from `LayerMaps.heatmap`, 0 to 1, at any size: it is upsampled to the image. A
            map with negative values is drawn with two colours about 0.
        axes: where to draw; a new figure if absent.
        opacity: of strong heat, 0 to 1.
        colours: a matplotlib colour map for heat that is not negative.
        title: above the picture.
        channel: of the image, to be shown in grey, such as one sequence of an MRI.

    Returns:
        The axes; `axes.figure.savefig(...)` saves the picture.

    Raises:
        ValueError: if image or heatmap has other dimensions, such as a whole batch, or the heatmap is not finite.
    """
    image, heatmap = _one_channel(image, channel), torch.as_tensor(heatmap, device="cpu")
    if image.ndim not in {2, 3} or heatmap.ndim != 2:
        raise ValueError(
            f"image has shape {tuple(image.shape)} and heatmap {tuple(heatmap.shape)}; expected one image (rows, "
            "columns) or (channels, rows, columns) and one map (rows, columns), such as x[0] and heatmap[0, 0]."
        )
    if not bool(heatmap.isfinite().all()):
        raise ValueError("the heatmap holds NaN or infinity; LayerMaps.heatmap gives maps without them.")
    if axes is None:
        axes = Figure(figsize=(4, 4), layout="constrained").add_subplot()
    picture = _picture(image)
    heat = heatmap.detach().float().cpu()[None, None]
    heat = upsample(heat, picture.shape[:2])[0, 0] if heat.shape[2:] != picture.shape[:2] else heat[0, 0]
    axes.imshow(blend(picture, heat.numpy(), opacity=opacity, colours=colours))
    axes.set_axis_off()
    axes.set_title(title, fontsize=9)
    return axes


def montage(
    image: Tensor | NDArray[Any],
    explanation: Explanation,
    *,
    index: int = 0,
    column: int = 0,
    layers: str | Sequence[str] | None = None,
    columns: int = 6,
    normalise: Normalisation = "map",
    relu: bool = True,
    channel: int | None = None,
    names: Sequence[str] | None = None,
    plane: int | None = None,
) -> Figure:
    """A grid of the maps of one image and class: the image first, then every layer, blank ones named as such.

    A colour bar says what the colours mean; without normalisation all maps have one scale, in the unit of the method.
    Of a volume one plane is drawn.

    Args:
        image: the image explained, as `overlay` takes it; or a volume (planes, rows, columns), or (channels, planes,
            rows, columns).
        explanation: from `explain`.
        index: of the image in the batch.
        column: of the class among those explained.
        layers: a name or names; all if absent.
        columns: of the grid.
        normalise: see `view`.
        relu: see `view`.
        channel: of the image, to be shown in grey, such as one sequence of an MRI; see `overlay`.
        names: of the network's outputs; absent: they are numbered.
        plane: of a volume, from 0; absent: the one with the most heat in all layers together.

    Returns:
        The figure; `figure.savefig(...)` saves it.

    Raises:
        ValueError: if image or maps are neither of two nor of three dimensions, or the explanation has no such image,
            class or plane.
    """
    volume = {maps.raw.ndim - 2 for maps in explanation} == {3}
    image = _one_channel(image, channel, dimensions=3 if volume else 2)
    _check_dimensions(image, explanation, index, column)
    if names is not None and len(names) != explanation.logits.shape[1]:
        raise ValueError(
            f"names: found {len(names)}; expected {explanation.logits.shape[1]}, one for each output."
        )
    chosen = explanation.chosen(layers)
    heat = [
        maps.heatmap(size=image.shape[-3:] if volume else image.shape[-2:], relu=relu, normalise=normalise)[
            index, column
        ].numpy()
        for maps in chosen
    ]
    if volume:
        plane = _plane(heat, plane)
        image, heat = image[..., plane, :, :], [one[plane] for one in heat]
    elif plane is not None:
        raise ValueError(f"plane={plane} of an image of two dimensions; leave it out.")
    highest = max(float(np.abs(one).max()) for one in heat) or 1.0 if normalise == "none" else 1.0
    rows = -(-(len(chosen) + 1) // columns)
    figure = ShownFigure(figsize=(2 * columns, 2.35 * rows + 0.9), layout="constrained")
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    grid[0].imshow(_picture(image), cmap="gray", vmin=0, vmax=1)
    grid[0].set_title("image" if plane is None else f"image, plane {plane}", fontsize=9)
    for axes, maps, one in zip(grid[1:], chosen, heat, strict=False):
        axes.imshow(blend(_picture(image), one / highest, signed=not relu))
        axes.set_title(maps.name, fontsize=9)
        if maps.blank[index][column]:
            place = {"transform": axes.transAxes, "ha": "center", "bbox": {"color": "black", "pad": 2}}
            axes.text(0.5, 0.04, maps.blank[index][column], **place, fontsize=9, color="white")
    for axes in grid:
        axes.set_axis_off()
    colours = ScalarMappable(Normalize(0 if relu else -highest, highest), COLOURS if relu else DIVERGING)
    bar = figure.colorbar(colours, ax=grid, location="bottom", fraction=0.1, aspect=25 * columns, shrink=0.6)
    bar.set_label(_unit(explanation.method, normalise, relu=relu))
    number = int(explanation.classes[index, column])
    shown = f"class {number if names is None else names[number]}, {explanation.method}"
    figure.suptitle(f"{shown}, {'ReLU' if relu else 'signed'}, normalised by: {normalise}", fontsize=10)
    return figure


def _unit(method: str, normalise: Normalisation, *, relu: bool) -> str:
    """What the colours of maps mean."""
    if normalise == "none":
        return f"{'heat' if relu else 'signed map'} ({REGISTRY[method].unit if method in REGISTRY else 'its unit'})"
    maximum = "maximum" if relu else "largest value"
    return f"share of the {maximum} of " + {
        "map": "each map", "volume": "the layer over all images", "layer": "the layer"
    }[normalise]  # fmt: skip


def _one_channel(image: Tensor | NDArray[Any], channel: int | None, *, dimensions: int = 2) -> Tensor:
    """The image, or one channel of it."""
    image = torch.as_tensor(image, device="cpu")
    if channel is None:
        return image
    if image.ndim != dimensions + 1 or not -len(image) <= channel < len(image):
        axes = "channels, rows, columns" if dimensions == 2 else "channels, planes, rows, columns"
        raise ValueError(
            f"channel={channel} and an image of shape {tuple(image.shape)}; expected ({axes}) with such a channel."
        )
    return image[channel]


def _plane(heat: Sequence[NDArray[np.float32]], plane: int | None) -> int:
    """The plane that is asked for, or the one with the most heat."""
    planes = len(heat[0])
    if plane is None:
        return int(np.sum([np.abs(one).sum(axis=(1, 2)) for one in heat], axis=0).argmax())
    if not 0 <= plane < planes:
        raise ValueError(f"plane={plane}; expected a plane of the volume, 0 to {planes - 1}.")
    return plane


def _check_dimensions(image: Tensor, explanation: Explanation, index: int, column: int) -> None:
    found = {maps.raw.ndim - 2 for maps in explanation}
    if found not in ({2}, {3}) or image.ndim not in {min(found), min(found) + 1}:
        shapes = ", ".join(sorted({str(tuple(maps.raw.shape[2:])) for maps in explanation}))
        raise ValueError(
            f"image has shape {tuple(image.shape)} and maps {shapes}; expected one image with as many axes as its "
            "maps, and perhaps channels before them, such as x[0]; and maps of two or three axes, all of as many."
        )
    images, classes = explanation.classes.shape
    if not (-images <= index < images and -classes <= column < classes):
        raise ValueError(
            f"index={index} and column={column}; the explanation has {images} image(s) and {classes} class(es)."
        )


def _picture(image: Tensor) -> NDArray[np.float32]:
    """An image as matplotlib takes it, from 0 to 1: (rows, columns) or (rows, columns, 3)."""
    picture: NDArray[np.float32] = image.detach().float().cpu().numpy()
    if picture.ndim == 3:
        picture = picture.transpose(1, 2, 0) if len(picture) == 3 else picture.mean(axis=0)
    lowest, highest = float(picture.min()), float(picture.max())
    return (picture - lowest) / (highest - lowest or 1)

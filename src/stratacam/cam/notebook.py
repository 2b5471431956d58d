"""What explanations show of themselves in a notebook: the maps of the first image, and a table of layers."""

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import Protocol

import torch
from matplotlib.figure import Figure
from torch import Tensor

from stratacam.cam.colours import COLOURS

PICTURES = 24
"""Layers that are drawn at most, evenly spaced."""

COLUMNS = 8


class Shown(Protocol):
    """Maps of one layer, see `stratacam.cam.LayerMaps`."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def raw(self) -> Tensor: ...  # noqa: D102
    @property
    def blank(self) -> tuple[tuple[str, ...], ...]: ...  # noqa: D102
    def heatmap(self) -> Tensor: ...  # noqa: D102


class Explained(Protocol):
    """Maps of several layers, see `stratacam.cam.Explanation`."""

    @property
    def method(self) -> str: ...  # noqa: D102
    @property
    def classes(self) -> Tensor: ...  # noqa: D102
    @property
    def maps(self) -> Mapping[str, Shown]: ...  # noqa: D102
    @property
    def left_out(self) -> Mapping[str, str]: ...  # noqa: D102


def html_of(explanation: Explained) -> str:
    """HTML of an explanation: the maps of the first class of the first image, and a table of all layers."""
    images, classes = explanation.classes.shape
    every = list(explanation.maps.values())
    words = (
        f"<b>{escape(explanation.method)}</b>: {images} image(s), {classes} class(es) each; drawn: the first image, "
        f"class {int(explanation.classes[0, 0])}, ReLU, each map by its own maximum"
        f"{'; of volumes the plane with the most heat' if any(one.raw.ndim > 4 for one in every) else ''}"
    )
    chosen = _spread(every)
    rows = "".join(
        f"<tr><td>{escape(maps.name)}</td><td>{' x '.join(map(str, maps.raw.shape[2:]))}</td>"
        f"<td>{escape(maps.blank[0][0])}</td></tr>"
        for maps in every
    )
    left_out = "".join(
        f"<tr><td>{escape(name)}</td><td></td><td>{escape(why)}</td></tr>"
        for name, why in explanation.left_out.items()
    )
    head = "<tr><th>layer</th><th>size of its maps</th><th>why it is blank</th></tr>"
    listed = f"<details><summary>{len(every)} layers</summary><table>{head}{rows}{left_out}</table></details>"
    return f"<p>{words}</p>{_picture(chosen) if chosen else ''}{listed}"


def _spread(maps: Sequence[Shown]) -> list[Shown]:
    """At most `PICTURES` of the layers that have planes, evenly spaced, first and last among them."""
    flat = [one for one in maps if one.raw.ndim >= 4]
    if len(flat) <= PICTURES:
        return flat
    return [flat[round(place)] for place in torch.linspace(0, len(flat) - 1, PICTURES).tolist()]


def _picture(chosen: Sequence[Shown]) -> str:
    columns = min(COLUMNS, len(chosen))
    rows = -(-len(chosen) // columns)
    figure = Figure(figsize=(1.4 * columns, 1.6 * rows), layout="constrained")
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes, maps in zip(grid, chosen, strict=False):
        axes.imshow(_plane(maps.heatmap()[0, 0]).numpy(), cmap=COLOURS, vmin=0, vmax=1)
        axes.set_title(maps.name, fontsize=7)
        axes.text(
            0.5, 0.03, maps.blank[0][0], transform=axes.transAxes, ha="center", fontsize=7, color="white"
        )
    for axes in grid:
        axes.set_axis_off()
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=80)
    data = base64.b64encode(file.getvalue()).decode("ascii")
    return f'<img alt="maps of {len(chosen)} layers" src="data:image/png;base64,{data}">'


def _plane(heat: Tensor) -> Tensor:
    """Rows and columns; of a volume (planes, rows, columns) the plane with the most heat."""
    return heat if heat.ndim == 2 else heat[int(heat.sum(dim=(1, 2)).argmax())]
